"""What a table holds of its features: values of all rows, in original units where known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from salience import ColumnAnnotations, number_words

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class FeatureValues:
    """What the table holds of each feature, in original units where the domain knows these.

    Args:
        values: Values, and codes of categories, float64 of shape (B, F).
        categories: Names of the categories of each feature, by code; ``None`` for numbers.
    """

    values: Array
    categories: Sequence[Sequence[str] | None]

    def text(self, row: int, feature: int) -> str:
        """A value as it is read: a number in few digits, or the name of a category."""
        return self.words(float(self.values[row, feature]), feature)

    def words(self, value: float, feature: int) -> str:
        """A value of a feature as it is read."""
        names = self.categories[feature]
        if names is not None:
            code = int(value)
            return _short(names[code]) if 0 <= code < len(names) else str(code)
        if value.is_integer() and abs(value) < 1e6:
            return str(int(value)).replace("-", "−")
        return number_words(value)

    def entries(self) -> list[Any]:
        """All values, row by row: numbers, and names of categories where they have names."""
        made = self.values.astype(object)
        for feature, names in enumerate(self.categories):
            if names is not None:
                codes = self.values[:, feature].astype(int)
                made[:, feature] = [names[c] if 0 <= c < len(names) else c for c in codes]
        found: list[Any] = made.ravel().tolist()
        return found


def held_values(
    variable: str,
    n_features: int,
    annotations: Sequence[Mapping[str, Any]],
    dataset_info: Mapping[str, Any],
) -> FeatureValues | None:
    """The values of the features of a target variable; ``None`` where they are not known.

    Args:
        variable: Name of the target variable, whose positions are columns of the table.
        n_features: Number of its positions.
        annotations: Annotations of the items, as the domain's ``collate`` made them.
        dataset_info: What the domain's ``dataset_info`` returned.
    """
    argument = "numeric" if variable == "input" else variable
    at = list(dataset_info.get(argument, range(len(dataset_info["columns"]))))
    found = _columns(annotations)
    if found is None or len(at) != n_features or max(at) >= found.shape[1]:
        return None
    names = dataset_info.get("categories") or ()
    known = dict(zip(dataset_info["categorical"], names, strict=False))
    return FeatureValues(found[:, at], [known.get(i) for i in at])


def _short(name: str) -> str:
    short = name if len(name) <= 20 else name[:19] + "…"
    return " ".join(short.split()).replace("$", r"\$")


def _columns(annotations: Sequence[Any]) -> Array | None:
    if isinstance(annotations, ColumnAnnotations):
        held = annotations.columns.get("values")
    else:
        each = [note.get("values") for note in annotations]
        fit = each and all(isinstance(own, torch.Tensor) and own.ndim == 1 for own in each)
        held = torch.stack(each) if fit and len({own.shape for own in each}) == 1 else None
    if held is None or held.ndim != 2:
        return None
    return held.detach().cpu().double().numpy()
