"""The marks of items: what a page shows at each atom, block, feature, position or token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from salience_report.methods import LEVEL, RATES, Floats, Method
from salience_report.packing import packed, rounded

#: Bits of the flags of a mark, beside the place of its adjusted p-value among :data:`RATES`.
CERTAIN, TESTED = 16, 32
# −log₁₀ p of the smallest p-values, which a float64 no longer holds.
_SMALLEST = 330.0


@dataclass(frozen=True, eq=False)
class Marks:
    """The marks of one item in one method, n of them.

    Args:
        values: Saliency.
        errors: Standard errors; NaN where unknown.
        p: Unadjusted p-values; NaN where nothing was tested.
        flags: How many of :data:`RATES` are below the p-value that is adjusted for the false
            discovery rate, + 16 where the unadjusted one is below 0.05, + 32 where it was tested.
    """

    values: Floats
    errors: Floats
    p: Floats
    flags: NDArray[np.uint8]

    @staticmethod
    def of(values: Floats, errors: Floats, p: Floats) -> Marks:
        """Marks whose flags follow from the p-values, as :meth:`Explanation.significant` has it."""
        flat = p.ravel()
        flags = np.full(flat.shape, len(RATES), dtype=np.uint8)
        tested = np.isfinite(flat)
        if tested.any():
            adjusted = stats.false_discovery_control(np.where(tested, flat, 1.0))
            flags = np.searchsorted(RATES, adjusted, side="left").astype(np.uint8)
        flags = flags + CERTAIN * (tested & (flat < LEVEL)) + TESTED * tested
        return Marks(values.ravel(), errors.ravel(), flat, flags.astype(np.uint8))

    @staticmethod
    def untested(values: Floats) -> Marks:
        """Marks whose errors are unknown."""
        unknown = np.full(values.size, np.nan)
        return Marks.of(values, unknown, unknown)

    @staticmethod
    def join(parts: Sequence[Marks]) -> Marks:
        """The marks of several parts as one."""
        names = ("values", "errors", "p", "flags")
        return Marks(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class MarkReader:
    """Reads the marks of the items of one method.

    Args:
        method: The method.
        blocks: Blocks along the longer side of a map.
    """

    def __init__(self, method: Method, blocks: int) -> None:
        self.method, self.blocks = method, blocks
        self._arrays: dict[tuple[str, str], list[Floats]] = {}

    def read(self, payload: Mapping[str, Any] | None, item: int) -> Marks:
        """The marks of an item, whose checked payload says what they are."""
        if payload is None:
            return Marks.untested(np.zeros(0))
        if payload["view"] == "raster":
            return self._map(payload["variable"], item)
        parts = []
        if payload.get("variable") is not None:
            parts.append(self._variable(payload["variable"], item))
        if payload.get("edge_variable") is not None:
            parts.append(self._edges(payload, item))
        return Marks.join(parts)

    def _variable(self, name: str, item: int) -> Marks:
        values, errors, p = (self._array(name, what)[item] for what in ("values", "errors", "p"))
        return Marks.of(values, errors, p)

    def _map(self, name: str, item: int) -> Marks:
        values = self._array(name, "values")[item]
        size = block_size(values.shape, self.blocks)
        if size == (1, 1):
            return self._variable(name, item)
        # Errors of a block follow from the draws only; see docs/pooling.md.
        return Marks.untested(pooled(values, size, sums=self.method.adds_up))

    def _edges(self, payload: Mapping[str, Any], item: int) -> Marks:
        """Marks of edges: sums of their values, with an error where an edge has one value."""
        name, of = payload["edge_variable"], payload["edge_of"]
        n = len(payload["edges"])
        counts = np.bincount(of[of >= 0], minlength=n)
        values = self._array(name, "values")[item]
        if n and bool((counts == 1).all()) and bool((of >= 0).all()):
            order = np.argsort(of)
            arrays = (self._array(name, what)[item][order] for what in ("values", "errors", "p"))
            return Marks.of(*arrays)
        sums = np.bincount(of[of >= 0], values[of >= 0], minlength=n)
        return Marks.untested(sums.astype(np.float64))

    def _array(self, name: str, what: str) -> list[Floats]:
        if (name, what) not in self._arrays:
            self._arrays[name, what] = self.method.each(name, what)
        return self._arrays[name, what]


def block_size(shape: tuple[int, ...], blocks: int) -> tuple[int, int]:
    """Height and width of a block, so that so many fit the longer side of a map."""
    side = -(-max(shape) // blocks)
    return min(side, shape[0]), min(side, shape[1])


def pooled(values: Floats, size: tuple[int, int], *, sums: bool) -> Floats:
    """Sums or means over blocks of a map; the last block along a side may be shorter."""
    starts = [np.arange(0, length, step) for length, step in zip(values.shape, size, strict=True)]
    made = np.add.reduceat(np.add.reduceat(values, starts[0], 0), starts[1], 1)
    if sums:
        return np.asarray(made)
    ends = [np.append(at[1:], length) for at, length in zip(starts, values.shape, strict=True)]
    rows, columns = (end - at for end, at in zip(ends, starts, strict=True))
    return np.asarray(made / (rows[:, None] * columns[None, :]))


def packed_marks(marks: Sequence[Marks]) -> dict[str, Any]:
    """The marks of all items of a method for the page, in one array each."""
    one = Marks.join(marks)
    made: dict[str, Any] = {"values": packed(one.values)}
    if np.isfinite(one.errors).any():
        made["errors"] = packed(one.errors)
    if np.isfinite(one.p).any():
        with np.errstate(divide="ignore"):
            made["logp"] = packed(np.minimum(-np.log10(one.p), _SMALLEST))
        made["flags"] = packed(one.flags, "u8")
    size = np.abs(one.values)
    largest = float(size.max()) if size.size else 0.0
    limit = float(np.quantile(size, 0.995)) if size.size else 0.0
    made["limit"] = rounded(limit if limit > 0 else largest or 1.0)
    made["clips"] = bool(largest > limit > 0)
    return made
