"""The result: saliency of every item, its standard error, and what it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from salience.domain import Domain
from salience.errors import InputError, brief, nearest
from salience.parts import make
from salience.visualizer import Visualizer, save_figure

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Saliency:
    """Saliency of one target variable for all the items.

    Args:
        flat: Values; the first axis counts items or, where items are ragged, elements of all items.
        flat_error: Standard error of each value over the draws, same shape; NaN for one draw.
        counts: Elements of each item where items are ragged, int64 of shape (B,), else ``None``.
    """

    flat: Tensor
    flat_error: Tensor
    counts: Tensor | None = None

    @property
    def values(self) -> Any:
        """A tensor of shape (B, …), or a list of one tensor an item where items are ragged."""
        return self._split(self.flat)

    @property
    def std_error(self) -> Any:
        """Standard error of :attr:`values`, of the same form; NaN for a single draw."""
        return self._split(self.flat_error)

    def item(self, position: int) -> Saliency:
        """The saliency of one item."""
        if self.counts is None:
            one = slice(position, position + 1)
            return Saliency(self.flat[one].clone(), self.flat_error[one].clone())
        start = int(self.counts[:position].sum())
        one = slice(start, start + int(self.counts[position]))
        counts = self.counts[position : position + 1].clone()
        return Saliency(self.flat[one].clone(), self.flat_error[one].clone(), counts)

    def _split(self, flat: Tensor) -> Any:
        return flat if self.counts is None else list(torch.split(flat, self.counts.tolist()))


@dataclass(frozen=True)
class Explanation:
    """Saliency of a data set.

    Args:
        saliency: Target variable → its saliency. One variable is the rule: then :attr:`values`,
            :attr:`std_error` and :meth:`mean` speak of it.
        prediction: The model's output for the clean items, shape (B, …); f(x) where the model
            returns something else than one tensor of that shape.
        score: The output variable f(x) of the clean items, shape (B,).
        delta: f(x) − f(baseline), mean over draws, shape (B,); NaN for calculators without a
            baseline.
        completeness_gap: |Σ saliency − (f(x) − f(baseline))|, mean over draws, shape (B,); NaN for
            calculators without a baseline.
        annotations: What the visualizer needs of each item, or an empty sequence.
        facts: What the visualizer needs of the whole data set.
        provenance: Parts, parameters, seed and versions that made this.
        domain: The domain that read the data; a plain mapping of its settings where its plugin is
            not installed.
        ids: The id of each item, or its position.
    """

    saliency: Mapping[str, Saliency]
    prediction: Tensor
    score: Tensor
    delta: Tensor
    completeness_gap: Tensor
    annotations: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    provenance: Mapping[str, Any]
    domain: Domain | Mapping[str, Any]
    ids: Sequence[int | str]

    def __len__(self) -> int:
        return int(self.score.shape[0])

    def __getitem__(self, variable: str) -> Saliency:
        if variable not in self.saliency:
            raise InputError(
                f"no target variable {variable!r} was explained; {nearest(variable, self.saliency)}"
            )
        return self.saliency[variable]

    @property
    def only(self) -> Saliency:
        """The saliency of the one target variable.

        Raises:
            InputError: Several target variables were explained.
        """
        if len(self.saliency) != 1:
            names = ", ".join(repr(name) for name in self.saliency)
            raise InputError(
                f"this explanation has several target variables ({names}); "
                f"pick one by name, as in explanation[{next(iter(self.saliency))!r}].values"
            )
        return next(iter(self.saliency.values()))

    @property
    def values(self) -> Any:
        """Saliency: a tensor of shape (B, …), or a list of tensors where items are ragged."""
        return self.only.values

    @property
    def std_error(self) -> Any:
        """Standard error of :attr:`values` over the draws; NaN for a single draw."""
        return self.only.std_error

    def item(self, position: int) -> Explanation:
        """The explanation of one item alone.

        Raises:
            InputError: No such item.
        """
        chosen = _position(self, position)
        one = slice(chosen, chosen + 1)
        return replace(
            self,
            saliency={name: saliency.item(chosen) for name, saliency in self.saliency.items()},
            prediction=self.prediction[one].clone(),
            score=self.score[one].clone(),
            delta=self.delta[one].clone(),
            completeness_gap=self.completeness_gap[one].clone(),
            annotations=self.annotations[one],
            ids=self.ids[one],
        )

    @property
    def n_samples(self) -> int:
        """Draws per item, M."""
        return int(self.provenance["n_samples"])

    def mean(self) -> Tensor:
        """Mean saliency over the items, the importance of each position, shape (…).

        Raises:
            InputError: Items are ragged, so that they share no positions.
        """
        return self._dense("mean").flat.mean(0)

    def mean_std_error(self) -> Tensor:
        """Standard error of :meth:`mean` over the draws, shape (…); items draw independently.

        How far the mean would move with other draws for the same items, not with other items.
        """
        errors = self._dense("mean").flat_error
        return errors.square().sum(0).sqrt() / len(errors)

    def _dense(self, what: str) -> Saliency:
        if self.only.counts is not None:
            raise InputError(
                f"the {what} over items needs items of one shape, but these are ragged; "
                f"use .values, one tensor an item"
            )
        return self.only

    def visualize(
        self,
        item: int | None = None,
        *,
        path: str | Path | None = None,
        visualizer: str | Visualizer | None = None,
        **options: Any,
    ) -> Any:
        """Render one item, or the mean over the data set where ``item`` is ``None``.

        Args:
            item: Position of the item.
            path: Where to write the picture as well; the suffix names the format.
            visualizer: Name or object; the domain's own where ``None``.
            **options: Parameters of the named visualizer.

        Returns:
            The figure.

        Raises:
            InputError: No such item, visualizer or option, or a format that cannot be written.
        """
        renderer = _visualizer(self, visualizer, options)
        position = None if item is None else _position(self, item)
        figure = renderer.mean(self) if position is None else renderer.item(self, position)
        if path is not None:
            save_figure(figure, path)
        return figure

    def to_dataframe(self) -> pd.DataFrame:
        """A row for each item, target variable and position, with saliency and standard error.

        Columns: ``id``, ``variable``, ``position`` (a tuple where positions have several axes, the
        feature's name where the domain gives names), ``saliency``, ``std_error``.

        Raises:
            InputError: pandas is not installed.
        """
        from salience.frame import to_dataframe

        return to_dataframe(self)

    def save(self, path: str | Path) -> None:
        """Write everything to one file of safetensors with a JSON header, whole or not at all."""
        from salience.storage import save

        save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Explanation:
        """Read what :meth:`save` wrote; nothing is unpickled.

        Raises:
            InputError: No such file, or not one of salience's.
        """
        from salience.storage import load

        return load(Path(path))


def grid(
    explanations: Mapping[str, Explanation],
    items: Sequence[int] | None = None,
    *,
    path: str | Path | None = None,
    visualizer: str | Visualizer | None = None,
    **options: Any,
) -> Any:
    """One figure of items (rows) × explanations (columns, titled by their names).

    Args:
        explanations: Title → explanation, all of the same items.
        items: Positions of the items; all where ``None``.
        path: Where to write the picture as well; the suffix names the format.
        visualizer: Name or object; the domain's own where ``None``.
        **options: Parameters of the named visualizer.

    Raises:
        InputError: Nothing to draw, or explanations of different numbers of items.
    """
    sizes = {title: len(explanation) for title, explanation in explanations.items()}
    if not sizes or len(set(sizes.values())) != 1:
        raise InputError(f"a grid needs explanations of the same items, got numbers {sizes}")
    first = next(iter(explanations.values()))
    chosen = list(range(len(first))) if items is None else list(items)
    if not chosen or not all(0 <= item < len(first) for item in chosen):
        raise InputError(f"items {chosen} are not among items 0 to {len(first) - 1}")
    figure = _visualizer(first, visualizer, options).grid(explanations, chosen)
    if path is not None:
        save_figure(figure, path)
    return figure


def _position(explanation: Explanation, item: int) -> int:
    if not -len(explanation) <= item < len(explanation):
        raise InputError(f"no item {item}: the explanation holds items 0 to {len(explanation) - 1}")
    return item % len(explanation)


def _visualizer(
    explanation: Explanation, visualizer: str | Visualizer | None, options: Mapping[str, Any]
) -> Visualizer:
    if visualizer is None:
        if not isinstance(explanation.domain, Domain):
            raise InputError(
                f"the domain {explanation.domain.get('name')!r} that made this explanation is not "
                f"installed, so nothing can draw it; install its plugin or pass a visualizer"
            )
        visualizer = explanation.domain.visualizer
        if not visualizer:
            raise InputError(
                f"the domain {type(explanation.domain).__name__} has no visualizer of its own; "
                f"pass visualizer=..., a name or an object"
            )
    made = make("visualizers", visualizer, options)
    if not isinstance(made, Visualizer):
        raise InputError(f"visualizer is {brief(made)}; pass a visualizer's name or object")
    return made
