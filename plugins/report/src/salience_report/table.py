"""The items of a report: names, predictions, labels, errors, certainty and size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from salience import Explanation
from salience.errors import InputError, brief, nearest
from salience_report.methods import LEVEL, Method

Floats = NDArray[np.float64]
# Characters that turn the direction of the text behind them, and control characters.
_UNSEEN = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LONGEST = 200


@dataclass(frozen=True, eq=False)
class Column:
    """Labels of the items, and how far predictions are from them.

    Args:
        labels: A number, a text or ``None`` for each item.
        errors: |f(x) − label| for numbers; 1 for a wrong class and 0 for the right one; NaN where
            there is no label.
    """

    labels: list[float | str | None]
    errors: Floats


def plain(text: object, longest: int = _LONGEST) -> str:
    """A text on one line, in which characters that would turn or hide others are written out."""
    shown = " ".join(str(text).split(" "))
    shown = _UNSEEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", shown)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def classes_of(explanation: Explanation) -> list[str | None]:
    """The predicted class of each item, that of the largest output; ``None`` for one output."""
    output = explanation.prediction
    if output.ndim != 2 or output.shape[1] < 2 or bool(output.isnan().any()):
        return [None] * len(explanation)
    names = explanation.dataset_info.get("class_names") or ()
    return [_class_name(int(best), names) for best in output.argmax(1)]


def _class_name(index: int, names: Sequence[str]) -> str:
    return plain(names[index]) if 0 <= index < len(names) else f"class {index}"


def labelled(explanation: Explanation, labels: Any) -> Column:
    """The labels of the items as a user gives them.

    Args:
        explanation: The explanation.
        labels: A sequence, a mapping id → label, the name of an entry of the annotations, or
            ``None``.

    Raises:
        InputError: There is not one label for each item, no item has such an entry, or a label is
            neither a number nor text.
    """
    given = _listed(explanation, labels)
    made: list[float | str | None] = [_label(one) for one in given]
    predicted = classes_of(explanation)
    if any(name is not None for name in predicted):
        names = explanation.dataset_info.get("class_names") or ()
        made = [
            _class_name(int(one), names) if isinstance(one, float) and one.is_integer() else one
            for one in made
        ]
    return Column(made, errors_of(explanation, made))


def errors_of(explanation: Explanation, labels: Sequence[float | str | None]) -> Floats:
    """How far predictions are from labels; see :class:`Column`."""
    scores = explanation.score.detach().cpu().double().numpy()
    found = np.full(len(scores), np.nan)
    for item, (label, name) in enumerate(zip(labels, classes_of(explanation), strict=True)):
        if isinstance(label, float):
            found[item] = abs(scores[item] - label)
        elif label is not None and name is not None:
            found[item] = float(label != name)
    return found


def certainty_of(method: Method) -> Floats:
    """How certain each item is, from 0 to 1; NaN for a single draw.

    The share of values with p < 0.05 where values are tested; otherwise the mean over values of
    1 − standard error / |value|.
    """
    one = method.explanation
    found = [np.zeros(len(one)), np.zeros(len(one))]
    for variable in one.saliency:
        if method.is_tested:
            parts = [np.where(np.isnan(p), np.nan, p < LEVEL) for p in method.each(variable, "p")]
        elif method.has_errors:
            parts = _relative(method, variable)
        else:
            return np.full(len(one), np.nan)
        found[0] += [np.nansum(part) for part in parts]
        found[1] += [np.isfinite(part).sum() for part in parts]
    with np.errstate(invalid="ignore"):
        return np.asarray(found[0] / np.where(found[1] > 0, found[1], np.nan))


def _relative(method: Method, variable: str) -> list[Floats]:
    pairs = zip(method.each(variable, "values"), method.each(variable, "errors"), strict=True)
    made = []
    for values, errors in pairs:
        size = np.abs(values)
        ratio = np.divide(errors, size, out=np.zeros_like(errors), where=size > 0)
        made.append(np.where(np.isnan(errors), np.nan, np.clip(1 - ratio, 0, 1)))
    return made


def size_of(method: Method) -> Floats:
    """Sum of the magnitudes of the saliency of each item."""
    total = np.zeros(len(method.explanation))
    for variable in method.explanation.saliency:
        total += [np.abs(one).sum() for one in method.each(variable, "values")]
    return total


def _listed(explanation: Explanation, labels: Any) -> list[Any]:
    n = len(explanation)
    if labels is None:
        return [None] * n
    if isinstance(labels, str):
        found = [_entry(annotation, labels) for annotation in explanation.annotations] or [None]
        if all(one is None for one in found):
            known = dict.fromkeys(k for note in explanation.annotations for k in _entries(note))
            raise InputError(f"no item has an entry {brief(labels)}; {nearest(labels, known)}")
        return found
    if isinstance(labels, Mapping):
        if not any(one in labels for one in explanation.ids):
            raise InputError("labels name no item of the explanation; pass a mapping id → label")
        return [labels.get(one) for one in explanation.ids]
    plain_labels = labels.tolist() if isinstance(labels, Tensor | np.ndarray) else labels
    plain_labels = plain_labels.tolist() if hasattr(plain_labels, "tolist") else plain_labels
    if not isinstance(plain_labels, Sequence) or len(plain_labels) != n:
        raise InputError(
            f"labels={brief(labels, 60)}; pass a label for each of the {n} items, a mapping "
            f"id → label, or the name of a property"
        )
    return list(plain_labels)


def _entries(annotation: Mapping[str, Any]) -> dict[str, Any]:
    own = annotation.get("properties")
    found = {**annotation, **(own if isinstance(own, Mapping) else {})}
    return {k: v for k, v in found.items() if isinstance(v, str | int | float)}


def _entry(annotation: Mapping[str, Any], name: str) -> Any:
    return _entries(annotation).get(name)


def _label(given: Any) -> float | str | None:
    given = given.item() if isinstance(given, Tensor | np.generic) else given
    if isinstance(given, Real | Integral) and not isinstance(given, bool):
        return float(given) if np.isfinite(float(given)) else None
    if given is None or isinstance(given, str | bool):
        return None if given is None else plain(given)
    raise InputError(f"a label is {brief(given, 60)}; pass numbers or text")
