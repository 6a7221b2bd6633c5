"""Saliency as tables and labelled arrays, and their export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salience.data.domain import Domain
from salience.data.layout import ITEM, summed_axes
from salience.intake import boolean
from salience.naming import path_of
from salience.results.means import MeanSaliency
from salience.results.provenance import column_names, inner_axes

if TYPE_CHECKING:
    import pandas as pd
    import xarray


class TabledSaliency(MeanSaliency):
    """What can be written as a table; :class:`Explanation` has the fields."""

    dataset_info: Mapping[str, Any]
    domain: Domain | Mapping[str, Any]

    def to_dataframe(self, wide: bool = False) -> pd.DataFrame:
        """A table with one row for each value; or, where ``wide``, with the values side by side.

        The long table has the columns ``id``, ``variable``, ``position`` (a number, a tuple where
        positions have several axes, or a name where the domain gives names), ``saliency`` and
        ``std_error``, and those that the domain knows of positions, such as ``element`` and
        ``neighbours`` of atoms, or the ``value`` of a feature. The wide table has a row for each
        item with the model's output and a column for each position and its error; where items
        differ in size, a row for each position of an item, with the target variables side by side.

        Raises:
            InputError: pandas is not installed.
        """
        from salience.results.files.frame import to_dataframe, to_wide

        return (to_wide if boolean(wide, "wide") else to_dataframe)(self, self._axes())

    def to_xarray(self) -> xarray.Dataset:
        """A data set of xarray: saliency, errors and the columns of the items, with named axes.

        The coordinate ``item`` has the ids. Where items differ in size, all their positions lie
        along one axis ``position``, with the number of the item (``item_of_position``) and the
        place in it (``place``).

        Raises:
            InputError: xarray is not installed.
        """
        from salience.results.files.labelled import to_xarray

        return to_xarray(self, self._axes())

    def export(self, path: str | Path, wide: bool = False) -> None:
        """Write the values as ``.npy``, or the table of :meth:`to_dataframe` as CSV or Parquet.

        In CSV, cells that begin with = + - @ get an apostrophe in front, so that spreadsheets show
        them as text. The file is written completely or not at all.

        Args:
            path: The file; its suffix, ``.npy``, ``.csv`` or ``.parquet``, sets the format.
            wide: As in :meth:`to_dataframe`.

        Raises:
            InputError: The suffix is another, the values are ragged or of several target variables
                and make no array, or a package is missing.
        """
        from salience.results.files.export import export

        export(path_of(path), lambda: self.only, lambda: self.to_dataframe(wide))

    def _axes(self) -> dict[str, tuple[str, ...]]:
        """Target variable → names of the axes of the saliency of an item, as far as known."""
        if not isinstance(self.domain, Domain):
            return {}
        layout = self.domain.layout
        found = inner_axes(self.provenance, layout)
        for name in self.saliency:
            known = layout.main if name == "input" else name
            axes = layout.fields[known].axes if known in layout.fields else found.get(name, ())
            summed = summed_axes(axes, layout)
            kept = (axis for i, axis in enumerate(axes) if i not in summed and axis != ITEM)
            found[name] = tuple(kept)
        return {name: found[name] for name in self.saliency}

    def column_names(self, variable: str) -> list[str] | None:
        """Names of the data's columns, where they are the positions of a target variable.

        Units inside the model have no such names, however many they are.

        Args:
            variable: Name of the target variable.

        Returns:
            The names of the columns that the variable holds, in order, or those of pooled groups;
            ``None`` where the domain gives none, for a variable inside the model that lacks the
            axis of the columns, where positions are not columns but blocks of more axes, and where
            each item has groups of its own.
        """
        saliency = self.saliency.get(variable)
        if saliency is not None and saliency.names is not None:
            return list(saliency.names) if saliency.counts is None else None
        names = column_names(self.domain, self.dataset_info, self.provenance, variable)
        fits = saliency is None or names is None or saliency.flat.shape[1:] == (len(names),)
        return names if fits else None
