"""The text that stands for a picture where it cannot be seen, as SVG files carry it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import torch
from torch import Tensor

from salience.errors import InputError, shortened
from salience.visualize.words import number_words, score_words

if TYPE_CHECKING:
    from salience.results.explanation import Explanation

_ATTRIBUTE = "_salience_alternative"
# Positions that a description names.
_NAMED = 5
_UNREADABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Alternative:
    """A title of a few words, and a description of a few sentences."""

    title: str
    description: str

    def written_into(self, svg: bytes) -> bytes:
        """The SVG with ``role="img"``, ``<title>`` and ``<desc>``, unless it has a title.

        Screen readers read these as what the picture is (Scalable Vector Graphics 2, section 5.7
        "Descriptive elements"; SVG Accessibility API Mappings 1.0).
        """
        start = re.search(rb"<svg\b[^>]*>", svg)
        if start is None or re.match(rb"\s*<title\b", svg[start.end() :]):
            return svg
        root = start[0]
        if b" role=" not in root:
            root = root[:-1] + b' role="img">'
        words = "".join(
            f"\n <{tag}>{escape(_UNREADABLE.sub('', text))}</{tag}>"
            for tag, text in (("title", self.title), ("desc", self.description))
        )
        return svg[: start.start()] + root + words.encode() + svg[start.end() :]


def attach(figure: Any, explanation: Explanation, item: int | None) -> None:
    """Give a figure of an explanation the text that stands for it, unless it has one.

    Figures that take no attributes, such as those that write a text of their own, are left.

    Args:
        figure: The figure.
        explanation: What was drawn.
        item: Position of the item; the mean over the items where ``None``.
    """
    if alternative_of(figure) is not None:
        return
    try:
        setattr(figure, _ATTRIBUTE, alternative(explanation, item))
    except (AttributeError, TypeError):
        return


def alternative_of(figure: Any) -> Alternative | None:
    """The text that stands for a figure; ``None`` where it has none."""
    found = getattr(figure, _ATTRIBUTE, None)
    return found if isinstance(found, Alternative) else None


def alternative(explanation: Explanation, item: int | None) -> Alternative:
    """Words for the picture of one item, or of the mean: what f is, and the largest values."""
    if item is None:
        title = f"Saliency of {len(explanation)} items"
        return Alternative(title, " ".join(_sentences(explanation, None, "Mean saliency")))
    name = explanation.ids[item]
    title = f"Saliency of {shortened(name, 60) if isinstance(name, str) else f'item {name}'}"
    said = score_words(explanation, item)
    sentences = _sentences(explanation.item(item), 0, "Saliency")
    return Alternative(title, " ".join([f"{said}."] * bool(said) + sentences))


def _sentences(explanation: Explanation, item: int | None, what: str) -> list[str]:
    """Sentences on each target variable whose positions have names, or that has few of them."""
    return [
        sentence
        for variable in explanation.saliency
        if (sentence := _largest(explanation, variable, item, what))
    ]


def _largest(explanation: Explanation, variable: str, item: int | None, what: str) -> str:
    saliency = explanation.saliency[variable]
    names = explanation.column_names(variable)
    if saliency.counts is None and saliency.flat.ndim == 3 and saliency.names is None:
        return _where(saliency.flat.double().abs().mean(0) if item is None else saliency.flat[item])
    if saliency.counts is not None or names is None or saliency.flat.shape[1:] != (len(names),):
        return ""
    values: Tensor = (saliency.flat.double().mean(0) if item is None else saliency.flat[item]).cpu()
    order = values.abs().argsort(descending=True, stable=True)[:_NAMED].tolist()
    unsure = _uncertain(explanation, variable) if item is not None else None
    shown = ", ".join(
        f"{shortened(str(names[i]), 40)} {number_words(float(values[i]), sign=explanation.signed)}"
        f"{' (sign uncertain)' if unsure is not None and bool(unsure[i]) else ''}"
        for i in order
    )
    return f"{what}, largest first: {shown}."


def _where(values: Tensor) -> str:
    """In which of nine fields of a map, shape (H, W), most of the magnitudes lie."""
    size = values.detach().cpu().double().abs()
    total = float(size.sum())
    if min(size.shape) < 3 or not total > 0:
        return ""
    rows = size.tensor_split(3, 0)
    fields = {
        f"{up} {left}".replace("middle middle", "middle"): float(part.sum()) / total
        for up, row in zip(("upper", "middle", "lower"), rows, strict=True)
        for left, part in zip(("left", "middle", "right"), row.tensor_split(3, 1), strict=True)
    }
    largest = sorted(fields, key=fields.__getitem__, reverse=True)[:3]
    shown = ", ".join(f"{name} {100 * fields[name]:.0f} %" for name in largest)
    return f"Share of the magnitudes in ninths of the picture, largest first: {shown}."


def _uncertain(explanation: Explanation, variable: str) -> Tensor | None:
    """Whether the sign of each value of a single item is uncertain; ``None`` if not tested."""
    if not explanation.signed or not bool(explanation[variable].flat_error.isfinite().any()):
        return None
    try:
        p: Tensor = explanation.p_values(variable)[0]
    except InputError:
        return None
    return torch.as_tensor(p, device="cpu") >= 0.05
