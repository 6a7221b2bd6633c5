"""Original units: what a fitted transformer of scikit-learn made of a table, turned back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salience import InputError
from salience.errors import brief

Array = NDArray[np.float64]
# What turning back may move in other columns, relative to the values, by rounding.
_ROUNDING = 1e-9


def in_original_units(
    scaler: Any, values: Array, names: Sequence[str], numeric: Sequence[int]
) -> Array:
    """The values of a table before a transformer scaled them; for display only.

    Args:
        scaler: A fitted transformer with ``inverse_transform``, such as a ``StandardScaler`` or a
            ``Pipeline`` of them, or a ``ColumnTransformer`` of such transformers. It must have
            scaled each column by itself.
        values: The table as the model takes it, shape (B, F).
        names: Name of each column.
        numeric: Positions of the numeric columns.

    Returns:
        The values of the same columns, shape (B, F); a column that was not scaled is as it was.

    Raises:
        InputError: The transformer cannot be turned back, is not fitted, is of other columns, or
            mixes columns.
    """
    made = np.array(values, dtype=np.float64)
    if hasattr(scaler, "transformers_"):
        at = _positions(_width(scaler), None, names, numeric, scaler)
        for part, places, own in _parts(scaler):
            columns = [at[place] for place in places]
            _check_order(own, [names[i] for i in columns], names)
            made[:, columns] = _turned_back(part, made[:, columns], [names[i] for i in columns])
        return made
    if isinstance(scaler, type) or not hasattr(scaler, "inverse_transform"):
        raise InputError(
            f"scaler={brief(scaler, 60)} has no inverse_transform, so that original units cannot "
            f"be shown; pass a fitted transformer that has one, such as a StandardScaler"
        )
    own = getattr(scaler, "feature_names_in_", None)
    width = getattr(scaler, "n_features_in_", None)
    at = _positions(width, own, names, numeric, scaler)
    made[:, at] = _turned_back(scaler, made[:, at], [names[i] for i in at])
    return made


def _positions(
    width: int | None, own: Any, names: Sequence[str], numeric: Sequence[int], scaler: Any
) -> list[int]:
    """Positions of the columns that a transformer made."""
    if own is not None and all(list(names).count(str(name)) == 1 for name in own):
        return [list(names).index(str(name)) for name in own]
    if width is None or width == len(numeric):
        return list(numeric)
    if width == len(names):
        return list(range(len(names)))
    raise InputError(
        f"the scaler {brief(scaler, 40)} is of {width} columns, but the table has {len(numeric)} "
        f"numeric columns; pass the scaler that was fitted to these"
    )


def _width(scaler: Any) -> int:
    return int(max((place.stop for place in scaler.output_indices_.values()), default=0))


def _check_order(own: Any, filled: Sequence[str], names: Sequence[str]) -> None:
    """Raise InputError where a ColumnTransformer puts columns elsewhere than their names stand."""
    own = [own] if isinstance(own, str) else list(own) if isinstance(own, list | tuple) else []
    for column, found in zip(own, filled, strict=False):
        if column in names and column != found:
            raise InputError(
                f"the ColumnTransformer puts its column {column!r} where the table has {found!r}; "
                f"name the columns of the table as scaler.get_feature_names_out() does"
            )


def _parts(scaler: Any) -> list[tuple[Any, range, Any]]:
    """The transformers of a ColumnTransformer that change columns, the places, and the columns."""
    found = []
    for name, part, own in scaler.transformers_:
        place = scaler.output_indices_[name]
        places = range(place.start, place.stop)
        is_kept = isinstance(part, str) or type(part).__name__ == "FunctionTransformer"
        if not places or (is_kept and getattr(part, "func", None) is None):
            continue
        if not hasattr(part, "inverse_transform"):
            raise InputError(
                f"the transformer {name!r} of the ColumnTransformer has no inverse_transform, so "
                f"that original units cannot be shown; leave scaler out, or transform these "
                f"columns apart"
            )
        found.append((part, places, own))
    return found


def _turned_back(scaler: Any, values: Array, names: Sequence[str]) -> Array:
    """What ``inverse_transform`` makes of some columns, each of them by itself."""
    changed = np.repeat(values[:1], values.shape[1] + 1, axis=0)
    step = np.arange(values.shape[1])
    changed[step, step] += 0.5
    made = _inverse(scaler, np.concatenate([values, changed]), names)
    values, changed = made[: len(values)], made[len(values) :]
    moved = np.abs(changed[:-1] - changed[-1])
    np.fill_diagonal(moved, 0.0)
    if (moved > _ROUNDING * (1.0 + np.abs(changed[-1]))).any():
        raise InputError(
            f"the scaler {brief(scaler, 40)} mixes columns, so that a column has no original unit; "
            f"leave scaler out, or pass one that scales each column by itself"
        )
    return values


def _check_functions(scaler: Any) -> None:
    """Raise InputError where a function was applied whose inverse nobody named.

    A ``FunctionTransformer`` without ``inverse_func`` is turned back by doing nothing.
    """
    for _, step in getattr(scaler, "steps", [("", scaler)]):
        if getattr(step, "func", None) is not None and getattr(step, "inverse_func", 1) is None:
            raise InputError(
                f"the scaler {brief(scaler, 60)} holds a function without its inverse; pass "
                f"FunctionTransformer(func, inverse_func), or leave scaler out"
            )


def _inverse(scaler: Any, values: Array, names: Sequence[str]) -> Array:
    _check_functions(scaler)
    expected = f"a table of {len(names)} columns"
    try:
        made = np.asarray(scaler.inverse_transform(values), dtype=np.float64)
    except Exception as error:  # the user's transformer may raise anything
        why = f"{type(error).__name__}: {brief(error, 80)}"
        raise InputError(
            f"the scaler {brief(scaler, 40)} cannot turn back {expected} ({why}); pass the one "
            f"that was fitted to these columns"
        ) from error
    if made.shape != values.shape or not np.isfinite(made).all():
        raise InputError(
            f"the scaler {brief(scaler, 40)} turns {expected} back into shape {made.shape}, or "
            f"into values that are not finite; pass one that scales each column by itself"
        )
    return made
