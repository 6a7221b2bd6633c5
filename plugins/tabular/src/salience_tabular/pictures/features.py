"""The features of a table's explanation: their names, and their values in every row."""

from __future__ import annotations

from salience import Explanation, InputError
from salience_tabular.held import FeatureValues, held_values
from salience_tabular.pictures.look import distinct


def refusal_of(explanation: Explanation) -> str | None:
    """Why no picture of a table shows an explanation; ``None`` where one does."""
    try:
        saliency = explanation.only
    except InputError as error:  # there are several target variables
        return str(error)
    if saliency.names is not None and saliency.counts is not None:
        return (
            "a picture of a table needs groups that all rows have in common; pool by a mapping "
            "name → columns, or read the groups of each row in to_dataframe()"
        )
    shape = tuple(getattr(saliency.values, "shape", ()))
    if len(shape) != 2:
        return (
            f"a picture of a table needs saliency of shape (rows, features), got {shape or 'lists'}"
            f"; explain the columns or their embeddings, and let the domain sum over channels"
        )
    return None


def names_of(explanation: Explanation) -> list[str]:
    """Name of each feature of the saliency, shortened to fit a plot.

    Raises:
        InputError: The saliency is not of shape (B, F), or there are several target variables.
    """
    if reason := refusal_of(explanation):
        raise InputError(reason)
    shape = explanation.values.shape
    variable = next(iter(explanation.saliency))
    columns = [str(name) for name in explanation.column_names(variable) or ()]
    if len(columns) != shape[1]:  # saliency of a layer
        columns = []
    return distinct(columns or [f"feature {i}" for i in range(shape[1])])


def values_of(explanation: Explanation) -> FeatureValues | None:
    """The values of the features of the saliency; ``None`` where they are not known.

    They are unknown for pooled groups, for units inside the model, and in old files.
    """
    variable = next(iter(explanation.saliency))
    saliency, info = explanation.saliency[variable], explanation.dataset_info
    if saliency.names is not None or explanation.column_names(variable) is None:
        return None
    return held_values(variable, saliency.flat.shape[-1], explanation.annotations, info)
