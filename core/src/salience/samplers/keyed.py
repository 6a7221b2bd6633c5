"""Counter-based random numbers: each depends only on seed, item, draw and position in the item.

Every number is the output of the splitmix64 finaliser (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", 2014) at a counter that identifies the number. Numbers are not
drawn in an order, so packing, neighbours and the number of workers have no effect, and the global
random state is not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from numbers import Integral

import torch
from torch import Tensor

from salience.data.views import RowView
from salience.shown import ShortRepr


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)
_POSITIVE = (1 << 63) - 1


def mix(state: Tensor) -> Tensor:
    """Apply the splitmix64 finaliser to each int64 of ``state`` in place, and return ``state``."""
    # int64 >> copies the sign bit into the upper bits; the mask clears them.
    state ^= (state >> 30).bitwise_and_((1 << 34) - 1)
    state *= _MIX_1
    state ^= (state >> 27).bitwise_and_((1 << 37) - 1)
    state *= _MIX_2
    state ^= (state >> 31).bitwise_and_((1 << 33) - 1)
    return state


@lru_cache(1024)
def _mix_one(state: int) -> int:
    """Apply :func:`mix` to a single integer."""
    return int(mix(torch.tensor([_signed(state)])))


def _text_key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def item_keys(ids: Sequence[int | str]) -> Tensor:
    """One int64 key for each item, shape (B,): the id itself if it is an integer, else its hash."""
    if isinstance(ids, range):
        return torch.arange(ids.start, ids.stop, ids.step)
    keys = [int(i) if isinstance(i, Integral) else _text_key(str(i)) for i in ids]
    return torch.tensor([_signed(key) for key in keys], dtype=torch.int64)


def row_keys(seed: int, items: Tensor, draws: Tensor) -> Tensor:
    """One key for each pair of a draw and an item, int64 of shape (D · B,), grouped by draw.

    Args:
        seed: The user's seed.
        items: Key of each item, int64 of shape (B,).
        draws: Number of each draw, int64 of shape (D,).
    """
    first = mix(items + _mix_one((seed + 1) * _GAMMA))
    return mix(first[None, :] + (draws[:, None] + 1) * _GAMMA).flatten()


def draw_key(seed: int, draw: int, stream: int) -> int:
    """Key of a draw of weights, which all items share.

    Args:
        seed: The user's seed.
        draw: Number of the draw.
        stream: Index of the sampler, so that samplers get different numbers.
    """
    return _mix_one(_mix_one((seed + 1) * _GAMMA) + (draw + 1) * _GAMMA + (stream + 1) * _MIX_2)


def normals(key: int, name: str, count: int, device: torch.device) -> Tensor:
    """Standard normal numbers from a key and a name, float64 of shape (count,)."""
    at = torch.arange((count + 1) // 2, device=device) * _GAMMA
    return _normal(mix(at + _mix_one(key + _text_key(name))).view(torch.int32)[:count])


def _normal(words: Tensor) -> Tensor:
    # 32 bits reach to 6.3 standard deviations; the steps between values are coarse only near there.
    normal: Tensor = torch.special.ndtri(words.double().add_(2.0**31 + 0.5).mul_(2.0**-32))
    return normal


@cache
def _stride(axis: int) -> int:
    """Stride of the counter along an axis; axes are numbered from the last axis, number 1."""
    return _GAMMA if axis == 1 else _signed(_mix_one(axis) | 1)


@dataclass(frozen=True)
class Numbers(ShortRepr):
    """Random numbers for the positions of one tensor.

    The counter of a position is Σ index · stride over the axes, where indexes are counted within
    the row, without padding. The strides are large odd numbers that do not depend on the shape. The
    dense and the ragged form of an item therefore get the same numbers, whatever the padding.

    Args:
        keys: Key of each row, int64 of shape (R,).
        view: The rows that the tensor belongs to, and its axes.
        shape: Shape of the tensor.
        stream: Index of the tensor, so that several tensors of the same rows get different numbers.
    """

    keys: Tensor
    view: RowView
    shape: tuple[int, ...]
    stream: int = 0

    def spawn(self, n: int) -> list[Numbers]:
        """Sets of random numbers for the same positions, independent of these and of each other.

        A sampler that needs several numbers for each position takes one set for each of them.

        Args:
            n: Number of sets; the first ones do not depend on it.
        """
        start = (self.stream + 1) * _MIX_1
        return [replace(self, stream=_mix_one(start + i * _GAMMA)) for i in range(1, n + 1)]

    def bits(self) -> Tensor:
        """63 random bits for each position, as an int64 from 0 to 2⁶³ − 1."""
        return self.view.from_front(self._mixed(self.shape).bitwise_and_(_POSITIVE))

    def words(self) -> Tensor:
        """32 random bits for each position, as an int32.

        Two neighbours along the last axis are the halves of one 64-bit hash, which halves the cost.
        """
        row_axis, _, local = self.place()
        last = len(self.shape) - 1
        if row_axis == last:
            # Neighbours may belong to different rows here, so each position computes its own hash.
            words = (self._mixed(self.shape, local // 2) >> (local % 2 * 32)).to(torch.int32)
            return self.view.from_front(words)
        halved = (*self.shape[:last], (self.shape[last] + 1) // 2)
        if 0 in halved:  # its strides may not allow the view
            return torch.empty(self.shape, dtype=torch.int32, device=self.keys.device)
        return self.view.from_front(self._mixed(halved).view(torch.int32)[..., : self.shape[last]])

    def _mixed(self, shape: tuple[int, ...], local: Tensor | None = None) -> Tensor:
        """64 random bits, as an int64, for each position of a tensor of the given shape.

        Args:
            shape: The given shape, equal to :attr:`shape` along the row axis.
            local: Index of each position along the row axis within its row; that of :meth:`place`
                where ``None``.
        """
        row_axis, owner, own = self.place()
        behind = range(len(shape), 0, -1)
        state = mix(self.keys + _signed((self.stream + 1) * _MIX_2))[owner]
        state = state + ((own if local is None else local) * _stride(behind[row_axis]) + _GAMMA)
        for axis, length in enumerate(shape):
            if axis != row_axis:
                along = torch.arange(length, device=state.device)
                state = state[..., None] + along * _stride(behind[axis])
        return mix(state).movedim(0, row_axis)

    def place(self) -> tuple[int, Tensor, Tensor]:
        """Position of the row axis; for each index along it, its row and its index in the row."""
        return self.view.row_axis, self.view.owner, self.view.local

    def uniform(self) -> Tensor:
        """Uniform numbers on the open interval (0, 1), float64 with 53 random bits."""
        return ((self.bits() >> 10).double() + 0.5).mul_(2.0**-53)

    def normal(self) -> Tensor:
        """Standard normal numbers, float64: normal quantiles at 2³² evenly spaced levels."""
        return _normal(self.words())

    def keep(self, probability: float) -> Tensor:
        """True at each position with ``probability``, rounded to a multiple of 2⁻³²; else False."""
        # ≤ with the threshold lowered by one stands for <, since the threshold of probability 1 is
        # 2³¹, which does not fit into int32.
        return self.words() <= round(probability * 2.0**32) - (1 << 31) - 1
