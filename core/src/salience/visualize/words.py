"""What f is of an item, in words: the titles of pictures, and the text that stands for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from salience.errors import shortened
from salience.plugins.parts import is_placeholder

if TYPE_CHECKING:
    from salience.results.explanation import Explanation

# What a model may return, and what of it a row proves: logits are those of all rows if of one.
_WHATS = ("logit", "output", "log-probability", "probability")
# How far sums of probabilities may be from 1.
_CLOSE = 1e-4


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

    For the score of a class it is the class with what is known of its probability, as
    :func:`class_words` says: "class 2, probability .39, logit 9.25". For other outputs, functions
    of the user's among them, it is the value: "predicted 0.27 log₁₀ mol/L". Names of classes are
    those of the domain (``dataset_info["class_names"]``).

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
    words = class_words(explanation, item, name)
    return words or f"{name or _output_name(_output(explanation))} {number_words(score)}{after}"


def score_name(explanation: Explanation, name: str = "", unit: str = "") -> str:
    """What f is, for axes, in a few words: "logit of class 2", "logit" where classes differ.

    Args:
        explanation: The explanation.
        name: As for :func:`score_words`.
        unit: As for :func:`score_words`.
    """
    after = f" ({unit})" if unit else ""
    kinds = set(_kinds(explanation, range(min(len(explanation), 1000))))
    known = {kind for kind in kinds if kind is not None}
    if known and len(known) == len(kinds):
        # What the model returns is the same for all rows; single rows of logits may look otherwise.
        what = min((what for what, _ in known), key=_WHATS.index)
        classes = {at for _, at in known}
        one = _class_name(explanation, classes.pop()) if len(classes) == 1 else "the class"
        return f"{what} of {name or one}{after}"
    found = name or _output_name(_output(explanation))
    return f"{'predicted value' if found == 'predicted' else found}{after}"


def _output(explanation: Explanation) -> Mapping[str, Any]:
    output = explanation.provenance.get("output")
    return output if isinstance(output, Mapping) else {"name": output or "predicted"}


def class_words(explanation: Explanation, item: int, name: str = "") -> str:
    """The parts of :func:`class_parts` in one line; empty where f is not the score of a class.

    Args:
        explanation: The explanation.
        item: Position of the item, from 0.
        name: What f is, in place of the name of the class.
    """
    return ", ".join(class_parts(explanation, item, name))


def class_parts(explanation: Explanation, item: int, name: str = "") -> tuple[str, ...]:
    """The class, its probability and its logit; empty where f is not the score of a class.

    f is the score of a class where the output variable is ``"predicted"`` or ``"class:i"``. What
    the model returns is told from its outputs for the item. Where they are

    - from 0 to 1 with a sum of 1, f is a probability: "class 2", "probability .39";
    - logarithms of such, it is a log-probability: "class 2", "probability .39", "log-probability
      −0.942";
    - from 0 to 1 with another sum, they may be probabilities of classes that do not exclude each
      other, or small logits, and nothing is said of a probability: "class 2", "output 0.9";
    - anything else, they are logits. The probability of the predicted class is its softmax:
      "class 2", "probability .39", "logit 9.25". Of ``"class:i"``, which is also asked where
      classes do not exclude each other, softmax is called by its name: "class 2", "softmax .39",
      "logit 9.25".

    Args:
        explanation: The explanation.
        item: Position of the item, from 0.
        name: What f is, in place of the name of the class.
    """
    (found,) = _kinds(explanation, [item])
    if found is None:
        return ()
    what, at = found
    score, known = float(explanation.score[item]), name or _class_name(explanation, at)
    if what == "probability":
        return known, f"probability {probability_words(score)}"
    if what == "output":
        return known, f"output {number_words(score)}"
    # The score is that of one class, of which the model's other outputs are the alternatives.
    row = explanation.prediction[item].detach().cpu().double()
    share = probability_words(float((score - row.logsumexp(0)).exp()))
    chosen = _output(explanation).get("name") == "class" and what == "logit"
    word = "softmax" if chosen else "probability"
    return known, f"{word} {share}", f"{what} {number_words(score)}"


def _kinds(explanation: Explanation, items: Sequence[int]) -> list[tuple[str, int] | None]:
    """What kind of score of a class f is, and of which class; ``None`` where it is none.

    Args:
        explanation: The explanation.
        items: Positions of the items.
    """
    none: list[tuple[str, int] | None] = [None] * len(items)
    output, at = _output(explanation), list(items)
    if output.get("name") not in ("predicted", "class") or "minus" in explanation.provenance:
        return none
    rows: Tensor = explanation.prediction[at].detach().cpu().double()
    if rows.ndim != 2 or rows.shape[1] < 2:
        return none
    index, n_classes = output.get("index"), rows.shape[1]
    if not isinstance(index, int):
        classes = rows.argmax(1)
    elif -n_classes <= index < n_classes:
        classes = torch.full((len(at),), index % n_classes, device="cpu")
    else:
        return none
    scores = explanation.score[at].detach().cpu().double()
    own = rows.gather(1, classes[:, None])[:, 0]
    known = rows.isfinite().all(1) & torch.isclose(own, scores, rtol=1e-4, atol=1e-6)
    inside = ((rows >= 0) & (rows <= 1 + _CLOSE)).all(1)
    sums = (rows.sum(1) - 1).abs() < _CLOSE
    logs = rows.logsumexp(1).abs() < _CLOSE
    columns = (column.tolist() for column in (classes, known, inside, sums, logs))
    return [
        (_what(*marks), index) if is_known else None
        for index, is_known, *marks in zip(*columns, strict=True)
    ]


def _what(inside: bool, sums_to_one: bool, is_log: bool) -> str:
    """What a model returns, from facts about its outputs for an item."""
    if inside:
        return "probability" if sums_to_one else "output"
    return "log-probability" if is_log else "logit"


def _class_name(explanation: Explanation, index: int) -> str:
    names = explanation.dataset_info.get("class_names") or ()
    return shortened(str(names[index]), 40) if index < len(names) else f"class {index}"


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
