"""The caption of a picture: the item's name and the model's output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from salience import Explanation, number_words, probability_words


def caption(explanation: Explanation, item: int) -> tuple[str, tuple[str, ...]]:
    """Name of an item, and the parts of a text that describes the model's output.

    Where the class of an output is explained, the parts are its name (or ``class i``), its
    probability and its logit; the logit is left out where the model returns probabilities. For
    other outputs the only part is the value f(x). There is none where the output is unknown.
    """
    name = f"item {item}"
    if explanation.annotations:
        name = str(explanation.annotations[item].get("name", name))
    own = explanation.ids[item]
    if isinstance(own, str):  # that of the user, or the file's name
        name = own
    record = explanation.provenance.get("output")
    output: dict[str, Any] = {"name": record or "predicted"}
    if isinstance(record, dict):
        output = record
    if output.get("name") in ("predicted", "class"):
        words = _class_words(explanation, explanation.prediction[item], output.get("index"))
        if words:
            return name, words
    score, prediction = float(explanation.score[item]), explanation.prediction[item]
    if math.isnan(score) and prediction.numel() == 1:
        score = float(prediction)
    what = "difference of outputs" if "minus" in explanation.provenance else "output"
    return name, (f"{what} {number_words(score)}",) if math.isfinite(score) else ()


def _class_words(
    explanation: Explanation, prediction: Tensor, index: int | None
) -> tuple[str, ...]:
    """The explained class in words; empty where the prediction has no scores of classes."""
    row = prediction.detach().cpu().double()
    if row.ndim != 1 or len(row) < 2 or not bool(row.isfinite().all()):
        return ()
    at = int(row.argmax()) if index is None else int(index) % len(row)
    names = explanation.dataset_info.get("class_names", ())
    known = str(names[at]) if at < len(names) else f"class {at}"
    if bool((row >= 0).all()) and abs(float(row.sum()) - 1) < 1e-4:
        return known, f"probability {probability_words(float(row[at]))}"
    shown = probability_words(float(row.softmax(0)[at]))
    return known, f"probability {shown}", f"logit {number_words(float(row[at]))}"


def credits_of(explanation: Explanation, items: Sequence[int]) -> str:
    """Attributions that the photos of some items ask for."""
    if not explanation.annotations:
        return ""
    found = [explanation.annotations[item].get("credit") for item in items]
    return "; ".join(dict.fromkeys(str(text) for text in found if text))


def mean_title(explanation: Explanation) -> str:
    """Title of the mean over items."""
    n = len(explanation)
    return "mean over 1 item" if n == 1 else f"mean over {n} items"


def aggregate_words(explanation: Explanation) -> str:
    """What the aggregator made of the draws, in words."""
    aggregator = explanation.provenance.get("aggregator")
    name = aggregator.get("name", "") if isinstance(aggregator, Mapping) else ""
    known = {
        "abs": "mean of magnitudes",
        "square": "mean of squares",
        "top_share": "share of draws",
    }
    return known.get(name, "saliency")


def shortened(text: str, length: int) -> str:
    """Put a text on one line; an ellipsis replaces its middle where it exceeds ``length``."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"
