"""What f is of an item, in words: the titles of pictures, and the text that stands for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from salience.errors import shortened
from salience.plugins.parts import is_placeholder

if TYPE_CHECKING:
    from salience.results.explanation import Explanation


def number_words(value: float, *, sign: bool = False) -> str:
    """A number in three digits, with a minus sign, and without an exponent where it has 1 to 5.

    Args:
        value: The number; one that is not finite is "unknown".
        sign: Whether a plus sign stands before a positive number.
    """
    if not math.isfinite(value):
        return "unknown"
    size = abs(value)
    if size and not 1e-3 <= size < 1e5:
        digits, power = f"{value:+.2e}".split("e")
        text = f"{digits}e{int(power)}"
    else:
        text = f"{value:+.3g}" if size < 999.5 else f"{value:+.0f}"
    return (text if sign and value else text.lstrip("+")).replace("-", "−")


def probability_words(value: float) -> str:
    """A probability in two digits, never 1 or 0 where it is neither."""
    if 0 < value < 0.005 or 0.995 < value < 1:
        return "< .005" if value < 0.5 else "> .995"
    return f"{value:.2f}".removeprefix("0") if value < 1 else "1"


def score_words(explanation: Explanation, item: int, name: str = "", unit: str = "") -> str:
    """What f, the output variable, is of an item, for titles.

    For the score of a class it is the class with its probability and, unless the model returns
    probabilities, its logit: "class 2, probability .39, logit 9.25". For other outputs it is the
    value: "predicted 0.27 log₁₀ mol/L". Names of classes are those of the domain
    (``dataset_info["class_names"]``).

    Args:
        explanation: The explanation.
        item: Position of the item, from 0.
        name: What f is, in place of the name of the output variable.
        unit: Unit of f.

    Returns:
        The words; empty where f is unknown.
    """
    score = float(explanation.score[item])
    if not math.isfinite(score):
        return ""
    after = f" {unit}" if unit else ""
    if "minus" in explanation.provenance:
        return f"difference of {name or 'f'} {number_words(score, sign=True)}{after}"
    output = _output(explanation)
    if output.get("name") in ("predicted", "class"):
        words = class_words(explanation, item, name)
        if words:
            return words
    return f"{name or _output_name(output)} {number_words(score)}{after}"


def score_name(explanation: Explanation, name: str = "", unit: str = "") -> str:
    """What f is, for axes, in a few words: "logit of class 2", "logit" where classes differ.

    Args:
        explanation: The explanation.
        name: As for :func:`score_words`.
        unit: As for :func:`score_words`.
    """
    after = f" ({unit})" if unit else ""
    output = _output(explanation)
    if output.get("name") in ("predicted", "class") and "minus" not in explanation.provenance:
        kinds = {_class_of(explanation, item) for item in range(min(len(explanation), 1000))}
        words = {kind for kind in kinds if kind is not None}
        if words and len(words) == len(kinds):
            (what, *others) = {kind[0] for kind in words}
            classes = {kind[1] for kind in words}
            if not others:
                one = name or (classes.pop() if len(classes) == 1 else "the class")
                return f"{what} of {one}{after}"
    found = name or _output_name(output)
    return f"{'predicted value' if found == 'predicted' else found}{after}"


def _output(explanation: Explanation) -> Mapping[str, Any]:
    output = explanation.provenance.get("output")
    return output if isinstance(output, Mapping) else {"name": output or "predicted"}


def class_words(explanation: Explanation, item: int, name: str = "") -> str:
    """The class with its probability and logit; empty where the scores are not of classes.

    Args:
        explanation: The explanation.
        item: Position of the item, from 0.
        name: What f is, in place of the name of the class.
    """
    found = _class_of(explanation, item)
    if found is None:
        return ""
    what, known = found
    score = float(explanation.score[item])
    row = explanation.prediction[item].detach().cpu().double()
    if what == "probability":
        return f"{name or known}, probability {probability_words(score)}"
    # The score is that of one class, of which the model's other outputs are the alternatives.
    share = float((score - row.logsumexp(0)).exp())
    return f"{name or known}, probability {probability_words(share)}, {what} {number_words(score)}"


def _class_of(explanation: Explanation, item: int) -> tuple[str, str] | None:
    """What kind of score of a class f is, and of which class; ``None`` where it is none."""
    row: Tensor = explanation.prediction[item].detach().cpu().double()
    if row.ndim != 1 or len(row) < 2 or not bool(row.isfinite().all()):
        return None
    output, score = _output(explanation), float(explanation.score[item])
    index = output.get("index")
    at = int(row.argmax()) if not isinstance(index, int) else index
    at += len(row) if at < 0 else 0
    if not 0 <= at < len(row) or not math.isclose(
        float(row[at]), score, rel_tol=1e-4, abs_tol=1e-6
    ):
        return None
    names = explanation.dataset_info.get("class_names") or ()
    known = shortened(str(names[at]), 40) if at < len(names) else f"class {at}"
    if bool((row >= 0).all()) and abs(float(row.sum()) - 1) < 1e-4:
        return "probability", known
    return ("log-probability" if abs(float(row.logsumexp(0))) < 1e-4 else "logit"), known


def _output_name(output: Mapping[str, Any]) -> str:
    kind = str(output.get("name", ""))
    if kind == "cross_entropy":
        return "cross-entropy"
    if kind == "tap":
        return f"output of {output.get('module', 'a module')}"
    if kind in ("", "value", "predicted", "class"):
        return "predicted"
    function = output.get("function")
    if callable(function):
        return str(getattr(function, "__name__", type(function).__name__)).strip("<>")
    return "output" if is_placeholder(kind) or kind.startswith("<") else kind
