"""The features of a table's explanation: their names, and their values in every row."""

from __future__ import annotations

from salience import Explanation, InputError
from salience_tabular.held import FeatureValues, held_values
from salience_tabular.pictures.look import plain


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
    return held_values(variable, saliency.flat.shape[-1], explanation.annotations, info)
