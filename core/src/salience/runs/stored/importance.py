"""Importance: means of saliency over a data set, by merging the moments of its units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from salience.aggregators.moments import Moments
from salience.errors import InputError
from salience.results.explanation import Explanation
from salience.shown import ShortRepr

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Importance(ShortRepr):
    """Means of saliency over items, of which each position has two: with signs, and of magnitudes.

    The two errors answer different questions, as in :meth:`salience.Explanation.mean_std_error`:
    over draws, how the mean varies with other draws for these items; over items, how it varies with
    another sample of items.

    Args:
        n_items: Number of items.
        mean: Mean of the values, shape (…), float64.
        magnitude: Mean of their magnitudes, shape (…).
        std_error_draws: Standard error over draws of both means; NaN for single draws. For
            magnitudes it is an upper bound.
        std_error_items: Standard error over items of the mean; NaN for a single item.
        magnitude_std_error_items: The same of the mean of magnitudes.
        names: Names of the positions, or ``None``.
    """

    n_items: int
    mean: Tensor
    magnitude: Tensor
    std_error_draws: Tensor
    std_error_items: Tensor
    magnitude_std_error_items: Tensor
    names: tuple[str, ...] | None = None

    def to_dataframe(self) -> pd.DataFrame:
        """A table with a row for each position, the largest mean magnitude first.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise InputError(
                "to_dataframe needs pandas, which is not installed; run: pip install pandas"
            ) from error
        columns = ("mean", "magnitude", "std_error_draws", "std_error_items")
        made = {name: getattr(self, name).flatten().numpy() for name in columns}
        made["magnitude_std_error_items"] = self.magnitude_std_error_items.flatten().numpy()
        index = None if self.names is None else pandas.Index(self.names, name="position")
        table: pd.DataFrame = pandas.DataFrame(made, index=index)
        return table.sort_values("magnitude", ascending=False, kind="stable")


def importance_of(parts: Iterable[Explanation]) -> Importance:
    """The importance over the items of several explanations, of which one is held at a time.

    Raises:
        InputError: There is no item; items are ragged; or there are several target variables.
    """
    value, magnitude = Moments.none(), Moments.none()
    error: Tensor | None = None
    names: tuple[str, ...] | None = None
    shared = False
    for part in parts:
        number = len(part)
        own = part.mean_std_error("draws").double() * number
        shared = part.design.shared_draws
        own = own if shared else own.square()
        error = own if error is None else error + own
        flat = part.only.flat.double()
        value, magnitude = value.merge(_moments(flat)), magnitude.merge(_moments(flat.abs()))
        columns = part.column_names(next(iter(part.saliency)))
        names = None if columns is None else tuple(columns)
    if error is None:
        raise InputError("there is no item to average; choose one, or wait for the first unit")
    total = value.count
    return Importance(
        n_items=total,
        mean=value.mean,
        magnitude=magnitude.mean,
        std_error_draws=(error if shared else error.sqrt()) / total,
        std_error_items=value.std_error(),
        magnitude_std_error_items=magnitude.std_error(),
        names=names,
    )


def _moments(values: Tensor) -> Moments:
    """Moments over the first axis."""
    mean = values.mean(0)
    return Moments(len(values), mean, (values - mean).square().sum(0), torch.float64)
