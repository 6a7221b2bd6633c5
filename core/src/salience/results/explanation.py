"""The result of explaining a data set: saliency, standard errors and provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from salience.data.domain import Domain
from salience.errors import brief
from salience.naming import path_of
from salience.results.design import Design
from salience.results.differences import of_explanations
from salience.results.items import ItemTable
from salience.results.preflight import Preflight
from salience.results.provenance import Record, selected
from salience.results.saliency import Saliency
from salience.results.selection import ById, ByPosition, position_of, where
from salience.results.summary import explanation_summary, lines_of
from salience.results.tabled import TabledSaliency

if TYPE_CHECKING:
    from salience.visualize.visualizer import Visualizer


@dataclass(frozen=True, kw_only=True, repr=False)
class Explanation(TabledSaliency, ItemTable):
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", Record(self.provenance))

    def __repr__(self) -> str:
        """At most six lines: what was computed, how sure it is, and what to call next."""
        try:
            head, entries = explanation_summary(self)
            return lines_of(entries, head)
        except Exception as error:  # a result that is damaged is shown nevertheless
            return f"Explanation of {len(self.score)} items ({brief(error)})"

    def _repr_html_(self) -> str:
        """A small table and pictures of the first items, without script, for notebooks."""
        from salience.visualize.drawing import html_of

        try:
            head, entries = explanation_summary(self)
            return html_of(self, head, entries)
        except Exception:  # notebooks then show the text
            return f"<pre>{escape(repr(self))}</pre>"

    @property
    def preflight(self) -> Preflight:
        """What was found out about the model; it holds for the items that were tried."""
        return Preflight.of(self.provenance.get("preflight"))

    @property
    def loc(self) -> ById:
        """Items by their ids: ``loc[id]``, ``loc[[id, …]]``; all of them where an id repeats."""
        return ById(self)

    @property
    def iloc(self) -> ByPosition:
        """Items by position: ``iloc[0]``, ``iloc[2:5]``, ``iloc[[0, 4]]``, ``iloc[mask]``."""
        return ByPosition(self)

    def item(self, item: int | str) -> Explanation:
        """The explanation of a single item, as an explanation with B = 1.

        Args:
            item: The item's position, where negative ones count from the end; or its id, where that
                is a string.

        Raises:
            InputError: There is no such item, or several have the id.
        """
        return self._at(torch.tensor([position_of(self.ids, item)], device="cpu"))

    def where(self, chosen: Any = None, /, **columns: Any) -> Explanation:
        """The explanation of the items that fit.

        Args:
            chosen: A truth value for each item, such as ``explanation.score > 0``; or a function
                that returns these for the explanation.
            **columns: Values that a column of the items, or an entry of their annotations, is to
                have, as in ``where(converged=False)``.

        Raises:
            InputError: No item fits, or there is no such column.
        """
        return self._at(where(self, chosen, columns))

    def _at(self, positions: Tensor) -> Explanation:
        """The explanation of the items at ``positions`` (from 0), int64, in that order."""
        return replace(
            self,
            **self.select(positions),
            saliency={name: saliency.select(positions) for name, saliency in self.saliency.items()},
            provenance=selected(self.provenance, positions.tolist(), len(self)),
        )

    def __sub__(self, other: Explanation) -> Explanation:
        """The difference of two explanations of the same items that are single, without draws.

        An explanation keeps no draws, so that the error of a difference cannot be had from two of
        them; see :meth:`salience.Samples.__sub__`.

        Raises:
            InputError: Draws were made, or the two differ in items or target variables.
        """
        difference: Explanation = of_explanations(self, other)
        return difference

    def visualize(
        self,
        item: int | str | None = None,
        *,
        path: str | Path | None = None,
        visualizer: str | Visualizer | None = None,
        ax: Any = None,
        figure: Any = None,
        **options: Any,
    ) -> Any:
        """Render the saliency of one item, or the mean saliency over the data set.

        Args:
            item: Position of the item, where negative ones count from the end, or its id, where
                that is a string. The mean is rendered where ``None``.
            path: File to which the picture is also written; the suffix sets the format.
            visualizer: Name or object of a visualizer; the domain's own where ``None``.
            ax: Axes of matplotlib to draw into, for visualizers that can; their figure is returned.
            figure: Empty figure or subfigure of matplotlib to draw into, for visualizers that can;
                it keeps its size.
            **options: Parameters of the named visualizer.

        Returns:
            The figure; that which holds the axes or the subfigure.

        Raises:
            InputError: There is no such item, visualizer or option, the visualizer does not draw
                into axes or figures, or the figure cannot be written in the format of the suffix.
        """
        from salience.visualize.drawing import visualize

        return visualize(self, item, visualizer, options, path=path, ax=ax, figure=figure)

    def report(self, path: str | Path, **options: Any) -> None:
        """Write a page to send on: one HTML file, which works offline; see :func:`salience.report`.

        Args:
            path: The file, which ends in .html.
            **options: As for :func:`salience.report`.

        Raises:
            InputError: As for :func:`salience.report`.
        """
        from salience.results.files.report import report

        report(self, path, **options)

    @staticmethod
    def from_arrays(
        values: Any,
        data: Any,
        domain: str | Mapping[str, Any] | Domain,
        *,
        std_error: Any = None,
        n_samples: int | None = None,
        target: str | None = None,
        ids: Sequence[int | str] | None = None,
        prediction: Any = None,
        score: Any = None,
        delta: Any = None,
        signed: bool | None = None,
        samples_parameters: bool = False,
        method: str = "",
    ) -> Explanation:
        """An explanation of values that another tool computed, to draw, table and compare them.

        Args:
            values: Saliency of all items: an array with the axes of the target variable, with or
                without those that the domain sums over (the colours of a pixel); where items are
                ragged or padded, an array of a whole batch or one for each item; what shap
                returns; or a mapping target variable → values.
            data: The items, in any form that the domain reads.
            domain: Name of a domain, a config mapping, or a :class:`salience.Domain`.
            std_error: Standard error of each value, of the form of the values without axes to sum.
            n_samples: Number of independent draws behind the errors. Where ``None``, intervals are
                those of many draws.
            target: Name of the target variable; that of the domain where ``None``.
            ids: An id for each item; what the data calls them where ``None``.
            prediction: The model's output, shape (B, …); the score where ``None``.
            score: The output variable f(x), shape (B,); NaN where ``None``.
            delta: f(x) − f(baseline), shape (B,), for the completeness gap; NaN where ``None``.
            signed: Whether values have signs; where ``None``, whether one is negative.
            samples_parameters: Whether the draws are of the model's parameters, so that intervals
                and tests are about a further draw.
            method: Name of the method, for the record and pictures.

        Raises:
            InputError: Values, errors or outputs do not fit the data.
        """
        from salience.results.files import arrays

        fields = arrays.explanation_fields(
            values,
            data,
            domain,
            target=target,
            ids=ids,
            signed=signed,
            method=method,
            errors=arrays.Errors(std_error, n_samples, samples_parameters),
            outputs=arrays.Outputs(prediction, score, delta),
        )
        return Explanation(**fields)

    def save(self, path: str | Path) -> None:
        """Write the explanation to one safetensors file with a JSON header.

        The file is written atomically: completely or not at all.
        """
        from salience.results.files.storage import save

        save({f.name: getattr(self, f.name) for f in fields(self)}, path_of(path))

    @staticmethod
    def load(path: str | Path) -> Explanation:
        """Read an explanation that :meth:`save` wrote; nothing is unpickled.

        Raises:
            InputError: There is no such file, or it holds no explanation of salience.
        """
        from salience.results.files.storage import load

        return Explanation(**load(path_of(path)))
