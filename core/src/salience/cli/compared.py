"""How far what ``salience rerun`` computed is from the saved run."""

from __future__ import annotations

from torch import Tensor

from salience.results.explanation import Explanation


def difference_words(former: Explanation, again: Explanation, name: str) -> str:
    """The largest difference between the values of two explanations, in a sentence.

    Args:
        former: The saved explanation.
        again: What was computed from its record.
        name: What the former is called.
    """
    pairs = _paired(former, again)
    if list(former.ids) != list(again.ids) or pairs is None:
        return f"values are not compared with {name}, which has other items or positions"
    apart = max((_farthest(one, other) for one, other in pairs), default=0.0)
    if not apart:
        return f"values are equal to those of {name}, to the bit"
    size = max(float(one.abs().max()) for one, _ in pairs if one.numel())
    return (
        f"values differ from those of {name} by at most {apart:.2g}; the largest of these is "
        f"{size:.2g}"
    )


def _paired(former: Explanation, again: Explanation) -> list[tuple[Tensor, Tensor]] | None:
    """The values of each target variable in both; ``None`` where they have other shapes."""
    if former.saliency.keys() != again.saliency.keys():
        return None
    pairs = [(former.saliency[key].flat, again.saliency[key].flat) for key in former.saliency]
    if any(one.shape != other.shape for one, other in pairs):
        return None
    return [(one.cpu().double(), other.cpu().double()) for one, other in pairs]


def _farthest(one: Tensor, other: Tensor) -> float:
    # What is not known in both, as beside padding, is no difference.
    apart = (one - other).abs()[~(one.isnan() & other.isnan())]
    return float(apart.max()) if apart.numel() else 0.0
