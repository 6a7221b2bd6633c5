"""The caption of a picture: the item's name and the model's output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from salience import Explanation, class_parts, score_words


def caption(explanation: Explanation, item: int) -> tuple[str, tuple[str, ...]]:
    """Name of an item, and the parts of a text that describes the model's output.

    Where the score of a class is explained, they are those of :func:`salience.class_parts`. For
    other outputs the only part is :func:`salience.score_words`. There is none where f is unknown.
    """
    name = f"item {item}"
    if explanation.annotations:
        name = str(explanation.annotations[item].get("name", name))
    own = explanation.ids[item]
    if isinstance(own, str):  # that of the user, or the file's name
        name = own
    parts = class_parts(explanation, item) or (score_words(explanation, item),)
    return name, tuple(filter(None, parts))


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
