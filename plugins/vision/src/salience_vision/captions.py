"""The words beside a picture: which photo it is, and what the model says of it."""

from __future__ import annotations

from salience import Explanation


def caption(explanation: Explanation, item: int) -> tuple[str, tuple[str, ...]]:
    """Name of the item, and what is known of its prediction: the class and the model's output.

    The output is the number that the model returns, mostly a logit. Classes without a name are
    called by their number; a model of one output has its value told alone; outputs of other forms
    are left out.
    """
    name = f"item {item}"
    if explanation.annotations:
        name = str(explanation.annotations[item].get("name", name))
    output = explanation.prediction[item].detach().double().flatten()
    if explanation.prediction.ndim > 2:
        return name, ()
    if output.numel() == 1:
        return name, (f"{float(output):.3g}",)
    best = int(output.argmax())
    names = explanation.dataset_info.get("class_names", ())
    known = names[best] if best < len(names) else f"class {best}"
    return name, (known, f"{float(output[best]):.3g}")


def shortened(text: str, length: int) -> str:
    """The text on one line, its middle left out where it is longer than ``length``."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"
