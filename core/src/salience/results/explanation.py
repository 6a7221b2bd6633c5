"""The result of explaining a data set: saliency, standard errors and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salience.data.domain import Domain
from salience.data.layout import ITEM
from salience.errors import InputError
from salience.intake import integer
from salience.naming import path_of
from salience.results.design import Design
from salience.results.items import ItemTable
from salience.results.means import MeanSaliency
from salience.results.preflight import Preflight
from salience.results.provenance import inner_axes, recorded_ids
from salience.results.saliency import Saliency

if TYPE_CHECKING:
    import pandas as pd

    from salience.visualize.visualizer import Visualizer


@dataclass(frozen=True, kw_only=True)
class Explanation(MeanSaliency, ItemTable):
    """Saliency of a data set of B items, with its standard error and provenance.

    An explanation is the table of its items (``ids``, ``prediction``, ``score``, ``delta``,
    ``completeness_gap``, ``converged``, ``n_points``, ``n_independent``, ``drawn``,
    ``annotations``) with the saliency of each target variable (``saliency``), the record of how it
    was computed (``provenance``) and how its draws depend on each other (``design``).

    Args:
        saliency: Target variable → its saliency. :attr:`values`, :attr:`std_error` and
            :meth:`mean` work only where there is exactly one variable, the usual case.
        provenance: Record of the parts, parameters, seed and versions with which the saliency was
            computed.
        design: How the draws depend on each other, and what was drawn.
        dataset_info: The data that the visualizer needs of the data set as a whole.
        domain: The domain that read the data; a mapping of the domain's settings where its plugin
            is not installed.
    """

    saliency: Mapping[str, Saliency]
    provenance: Mapping[str, Any]
    design: Design = field(default_factory=Design)
    dataset_info: Mapping[str, Any]
    domain: Domain | Mapping[str, Any]

    @property
    def preflight(self) -> Preflight:
        """What was found out about the model; it holds for the items that were tried."""
        return Preflight.of(self.provenance.get("preflight"))

    def item(self, position: int) -> Explanation:
        """The explanation of a single item, as an explanation with B = 1.

        Args:
            position: Position of the item; negative positions count from the end.

        Raises:
            InputError: There is no such item.
        """
        chosen = position_of(self, position)
        columns = self.select(slice(chosen, chosen + 1))
        record = {k: v for k, v in self.provenance.items() if k != "ids"}
        return replace(
            self,
            **columns,
            saliency={name: saliency.item(chosen) for name, saliency in self.saliency.items()},
            provenance=record | recorded_ids(columns["ids"]),
        )

    def visualize(
        self,
        item: int | None = None,
        *,
        path: str | Path | None = None,
        visualizer: str | Visualizer | None = None,
        **options: Any,
    ) -> Any:
        """Render the saliency of one item, or the mean saliency over the data set.

        Args:
            item: Position of the item; negative positions count from the end. The mean
                is rendered where ``None``.
            path: File to which the picture is also written; the suffix sets the format.
            visualizer: Name or object of a visualizer; the domain's own where ``None``.
            **options: Parameters of the named visualizer.

        Returns:
            The figure.

        Raises:
            InputError: There is no such item, visualizer or option, or the figure cannot be written
                in the format of the suffix.
        """
        from salience.visualize.drawing import visualizer_of
        from salience.visualize.visualizer import save_figure

        renderer = visualizer_of(self, visualizer, options)
        if path is not None and (suffix := path_of(path).suffix[1:]):
            renderer.check_format(suffix)
        position = None if item is None else position_of(self, item)
        figure = renderer.mean(self) if position is None else renderer.item(self, position)
        if path is not None:
            save_figure(figure, path)
        return figure

    def to_dataframe(self) -> pd.DataFrame:
        """A table with one row per item, target variable and position.

        Columns: ``id``, ``variable``, ``position`` (a tuple where positions have several axes, the
        feature's name where the domain gives names), ``saliency``, ``std_error``.

        Raises:
            InputError: pandas is not installed.
        """
        from salience.results.frame import to_dataframe

        names = {variable: self.column_names(variable) for variable in self.saliency}
        return to_dataframe(self.saliency, self.ids, names)

    def column_names(self, variable: str) -> list[str] | None:
        """Names of the data's columns, where they are the positions of a target variable.

        Units inside the model have no such names, however many they are.

        Args:
            variable: Name of the target variable.

        Returns:
            The names of the columns that the variable holds, in order; ``None`` where the domain
            gives none, and for a variable inside the model that lacks the axis of the columns.
        """
        names = self.dataset_info.get("columns")
        if names is None or not isinstance(self.domain, Domain):
            return None if names is None else list(names)
        layout = self.domain.layout
        axes = inner_axes(self.provenance, layout).get(variable)
        if axes is None:
            argument = layout.main if variable == "input" else variable
            held = self.dataset_info.get(argument, range(len(names)))
            return [names[at] for at in held]
        of_columns = {axis for axis in layout.fields[layout.main].axes if axis != ITEM}
        return list(names) if of_columns <= set(axes) else None

    def save(self, path: str | Path) -> None:
        """Write the explanation to one safetensors file with a JSON header.

        The file is written atomically: completely or not at all.
        """
        from salience.results.storage import save

        save({f.name: getattr(self, f.name) for f in fields(self)}, path_of(path))

    @staticmethod
    def load(path: str | Path) -> Explanation:
        """Read an explanation that :meth:`save` wrote; nothing is unpickled.

        Raises:
            InputError: There is no such file, or it holds no explanation of salience.
        """
        from salience.results.storage import load

        return Explanation(**load(path_of(path)))


def position_of(explanation: Explanation, item: int) -> int:
    """The position of an item from 0, where a negative ``item`` counts from the end.

    Raises:
        InputError: There is no such item.
    """
    item = integer(item, "item")
    if not -len(explanation) <= item < len(explanation):
        raise InputError(f"no item {item}: the explanation holds items 0 to {len(explanation) - 1}")
    return item % len(explanation)
