"""The caption of a picture: the item's name and the model's prediction."""

from __future__ import annotations

from salience import Explanation


def caption(explanation: Explanation, item: int) -> tuple[str, tuple[str, ...]]:
    """Name of an item, and the parts of a text that describes its prediction.

    For several outputs per item, the parts are the class of the largest output (its name, or
    ``class i`` where it has none) and the value of this output, usually a logit. For one output
    per item, the only part is its value. There is none where the prediction is unknown or has more
    than two axes.
    """
    name = f"item {item}"
    if explanation.annotations:
        name = str(explanation.annotations[item].get("name", name))
    output = explanation.prediction[item].detach().double().flatten()
    if explanation.prediction.ndim > 2 or bool(output.isnan().any()):  # unknown
        return name, ()
    if output.numel() == 1:
        return name, (f"{float(output):.3g}",)
    best = int(output.argmax())
    names = explanation.dataset_info.get("class_names", ())
    known = names[best] if best < len(names) else f"class {best}"
    return name, (known, f"{float(output[best]):.3g}")


def shortened(text: str, length: int) -> str:
    """Put a text on one line; an ellipsis replaces its middle where it exceeds ``length``."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"
