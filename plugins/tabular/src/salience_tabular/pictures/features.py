"""The features of a table's explanation: their names, and their values in every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from salience import ColumnAnnotations, Explanation, InputError, number_words
from salience_tabular.pictures.look import plain

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
            return plain(names[code], 20) if 0 <= code < len(names) else str(code)
        if value.is_integer() and abs(value) < 1e6:
            return str(int(value)).replace("-", "−")
        return number_words(value)


def names_of(explanation: Explanation) -> list[str]:
    """Name of each feature of the saliency, shortened to fit a plot.

    Raises:
        InputError: The saliency is not of shape (B, F), or there are several target variables.
    """
    values = explanation.values
    shape = tuple(getattr(values, "shape", ()))
    if explanation.only.names is not None and explanation.only.counts is not None:
        raise InputError(
            "a picture of a table needs groups that all rows have in common; pool by a mapping "
            "name → columns, or read the groups of each row in to_dataframe()"
        )
    if len(shape) != 2:
        raise InputError(
            f"a picture of a table needs saliency of shape (rows, features), got {shape or 'lists'}"
            f"; explain the columns or their embeddings, and let the domain sum over channels"
        )
    variable = next(iter(explanation.saliency))
    columns = [str(name) for name in explanation.column_names(variable) or ()]
    if len(columns) != shape[1]:  # saliency of a layer
        columns = []
    return [plain(name) for name in columns or [f"feature {i}" for i in range(shape[1])]]


def values_of(explanation: Explanation) -> FeatureValues | None:
    """The values of the features of the saliency; ``None`` where they are not known.

    They are unknown for pooled groups, for units inside the model, and in old files.
    """
    variable = next(iter(explanation.saliency))
    saliency, info = explanation.saliency[variable], explanation.dataset_info
    if saliency.names is not None or explanation.column_names(variable) is None:
        return None
    argument = "numeric" if variable == "input" else variable
    at = list(info.get(argument, range(len(info["columns"]))))
    found = _columns(explanation.annotations)
    if found is None or len(at) != saliency.flat.shape[-1] or max(at) >= found.shape[1]:
        return None
    known = dict(zip(info["categorical"], info.get("categories") or (), strict=False))
    return FeatureValues(found[:, at], [known.get(i) for i in at])


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
