"""The schema of a saved explanation: what its header and its tensors must be.

B is the number of items. The header is a mapping of JSON:

================= ========================================================================
entry             value
================= ========================================================================
``format``        whole number from 1; this module is of format 8
``variables``     names of the target variables
``places``        target variable → positions of its axes, where its grid differs by item
``ids``           B whole numbers of 64 bits or strings, no two alike
``annotations``   B mappings, as the domain encoded them, or none; or a mapping with the names of
                  ``columns``, whose tensors ``annotations/N`` have the first axis B
``domain``        mapping with the ``name`` of the domain and its settings
``dataset_info``  mapping
``provenance``    mapping, the record of the computation
``design``        mapping of the fields of :class:`salience.results.design.Design`
================= ========================================================================

The tensors: ``score``, ``delta`` and ``completeness_gap``, floating-point of shape (B,);
``prediction``, first axis B; ``n_independent`` and ``n_points``, int64 of shape (B,); ``drawn``
and ``converged``, bool of shape (B,); for each target variable V ``values/V`` and ``std_error/V``
of one shape, ``counts/V``, ``lengths/V`` and parts where there are any; and ``data/N`` of the
header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from salience.data.names import ids
from salience.errors import InputError, brief
from salience.results.design import Design

_SHAPES = {
    **dict.fromkeys(("score", "delta", "completeness_gap"), "float"),
    **dict.fromkeys(("n_independent", "n_points"), "int64"),
    **dict.fromkeys(("drawn", "converged"), "bool"),
}
_ENTRIES: dict[str, type] = {
    **dict.fromkeys(("variables", "ids"), list),
    **dict.fromkeys(("places", "names", "domain", "dataset_info", "provenance", "design"), dict),
}


def check(head: Any, tensors: Mapping[str, Tensor]) -> None:
    """Raise InputError where a header or its tensors are not those of the present format.

    Args:
        head: The header, converted to the present format.
        tensors: Name → tensor.
    """
    for name, made in _ENTRIES.items():
        if not isinstance(head.get(name), made):
            raise _wrong(f"its {name} are no {'list' if made is list else 'mapping'}")
    for name, kind in _SHAPES.items():
        column = tensors.get(name)
        if column is None or column.ndim != 1 or not _is(column, kind):
            raise _wrong(f"it has no {name} of one {kind} an item")
    n_items = len(tensors["score"])
    lengths = {name: len(tensors[name]) for name in _SHAPES}
    lengths["ids"] = len(head["ids"])
    lengths |= _lengths_of_annotations(head.get("annotations"), tensors)
    prediction = tensors.get("prediction")
    lengths["prediction"] = len(prediction) if prediction is not None and prediction.ndim else -1
    for name, length in lengths.items():
        if length != n_items:
            raise _wrong(f"it has {length} {name} for {n_items} items")
    try:
        distinct = {(type(name), name) for name in head["ids"]}  # several items may share a name
        ids([name for _, name in distinct])
    except (InputError, TypeError) as error:
        raise _wrong(brief(error)) from error
    if set(head["design"]) != {f.name for f in fields(Design)}:
        raise _wrong(f"its design has the entries {brief(sorted(head['design']))}")
    if not head["variables"] or not all(isinstance(name, str) for name in head["variables"]):
        raise _wrong("it names no target variables")
    for name in head["variables"]:
        _check_variable(name, head, tensors)


def _lengths_of_annotations(annotations: Any, tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """How many annotations there are, or rows of each of their columns; nothing where none."""
    if isinstance(annotations, dict):
        names = annotations.get("columns")
        if not isinstance(names, list) or not names or set(annotations) != {"columns"}:
            raise _wrong("its annotations name no columns")
        columns = {f"annotations/{name}": tensors.get(f"annotations/{name}") for name in names}
        return {n: len(t) if t is not None and t.ndim else -1 for n, t in columns.items()}
    if not isinstance(annotations, list):
        raise _wrong("its annotations are no list")
    if not all(isinstance(annotation, dict) for annotation in annotations):
        raise _wrong("an annotation is no mapping")
    return {"annotations": len(annotations)} if annotations else {}


def _check_variable(name: str, head: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    values, errors = tensors.get(f"values/{name}"), tensors.get(f"std_error/{name}")
    if values is None or errors is None or values.shape != errors.shape or not values.ndim:
        raise _wrong(f"it has no values with errors of {name!r}")
    counts, n_items = tensors.get(f"counts/{name}"), len(tensors["score"])
    if counts is not None:
        fits = _is(counts, "int64") and counts.ndim == 1 and bool((counts >= 0).all())
        if not fits or len(counts) != n_items or int(counts.sum()) != len(values):
            raise _wrong(f"the counts of {name!r} do not fit its values")
    elif len(values) != n_items:
        raise _wrong(f"it has values of {name!r} for {len(values)} of {n_items} items")
    if name in head["places"] and f"lengths/{name}" not in tensors:
        raise _wrong(f"it has no lengths of {name!r}")


def _is(tensor: Tensor, kind: str) -> bool:
    return tensor.is_floating_point() if kind == "float" else tensor.dtype == getattr(torch, kind)


def _wrong(what: str) -> InputError:
    return InputError(f"the file is no explanation of salience, or a damaged one: {what}")
