"""Maps that are easier to read: smoothed by a Gaussian, or summed over blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from salience import InputError
from salience.errors import brief

_MEND = 'pass "gaussian:3" (standard deviation in places) or "blocks:8" (places along a side)'


@dataclass(frozen=True)
class Smoothing:
    """How a map is smoothed before it is drawn; both kinds keep the sum over the map.

    Args:
        kind: ``"gaussian"`` or ``"blocks"``.
        size: Standard deviation of the Gaussian, or length of the side of a block, in places of the
            map.
    """

    kind: str
    size: float

    @staticmethod
    def of(text: Any) -> Smoothing | None:
        """The smoothing that a text such as ``"gaussian:3"`` names; ``None`` for none.

        Raises:
            InputError: The text names no smoothing, or a size that is out of range.
        """
        if text is None:
            return None
        if not isinstance(text, str):
            raise InputError(f"smooth is {brief(text)}; {_MEND}")
        kind, _, number = text.partition(":")
        try:
            size = float(number)
        except ValueError:
            size = math.nan
        fits = size > 0 if kind == "gaussian" else size >= 1 and size == round(size)
        if kind not in ("gaussian", "blocks") or not math.isfinite(size) or not fits:
            raise InputError(f"smooth is {brief(text)}; {_MEND}")
        return Smoothing(kind, size)

    @property
    def words(self) -> str:
        """What was done, in words."""
        size = f"{self.size:g}"
        if self.kind == "gaussian":
            return f"smoothed by a Gaussian, σ = {size} places"
        return f"sums of blocks of {size} × {size} places"

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Smooth a map; each place of a block gets the sum of the block.

        Args:
            values: The map, of shape (height, width).
        """
        if self.kind == "gaussian":
            return np.asarray(gaussian_filter(values, self.size))
        side = int(self.size)
        rows, columns = (np.arange(0, length, side) for length in values.shape)
        sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
        return spread(sums, (side, side), values.shape)


def spread(blocks: NDArray[Any], sides: tuple[int, int], shape: tuple[int, ...]) -> NDArray[Any]:
    """Give each place of a map the value of its block; the last blocks may be cut.

    Args:
        blocks: One value for each block.
        sides: Height and width of a block.
        shape: Height and width of the map.
    """
    large = np.repeat(np.repeat(blocks, sides[0], 0), sides[1], 1)
    return large[: shape[0], : shape[1]]
