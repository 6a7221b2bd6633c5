"""Occlusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.calculators.base import Attribution, Calculator
from salience.calculators.baselines import baseline_of
from salience.errors import InputError
from salience.layout import ITEM
from salience.probe import Values
from salience.score import Part, Score


@dataclass(frozen=True)
class Occlusion(Calculator):
    """f(x) − f(x with a window replaced) (Zeiler and Fergus, 2014), averaged over overlaps.

    A position's saliency is the mean over all the windows that cover it; every position is covered.
    Windows span the axes that they do not slide along, so the saliency has length 1 there: summed
    over channels it is the drop itself. On ragged data a window is one element, or one group of
    elements.

    Args:
        window: Length of the window along each axis that it slides along, e.g.
            ``{"height": 27, "width": 27}``; one number for all axes that the domain does not
            reduce.
        stride: Step of the window along each axis, of the same form; an axis left out takes half
            the window, at least 1. The last window is moved back to end at the border.
        value: What replaces the window: anything that serves as a baseline of
            :class:`IntegratedGradients`.
        groups: Ragged data only: for each item the group of each element (integers from 0), e.g.
            the functional group of each atom; the elements of a group are replaced together.

    Raises:
        InputError: Windows or strides below 1, axes that the target variable does not have, or
            windows longer than it.
    """

    window: int | Mapping[str, int] = 1
    stride: int | Mapping[str, int] | None = None
    value: Any = 0.0
    groups: Sequence[Sequence[int] | Tensor] | None = None

    def __post_init__(self) -> None:
        for name, setting in (("window", self.window), ("stride", self.stride)):
            if setting is None:
                continue
            numbers = setting.values() if isinstance(setting, Mapping) else (setting,)
            if not all(isinstance(n, int) and n >= 1 for n in numbers):
                raise InputError(f"{name}={setting!r}; pass whole numbers from 1")

    def __call__(self, score: Score, x: Values) -> Attribution:
        """The windows of all rows, packed into passes within the budget."""
        whole = score.value(x)
        replacement = baseline_of(self.value, score, x)
        saliency = {}
        for name in x:
            windows = self._windows(score, name, x[name])
            total = torch.zeros_like(windows.cover)
            for part in score.split(windows.count):
                at = part.take(x)
                inside = windows.inside(part)
                new = part.take({name: replacement[name]})[name]
                at[name] = torch.where(inside, new, at[name])
                drop = whole[part.picked.rows] - part.score.value(at)
                part.add_to({name: total}, {name: inside * part.expand(drop, name)})
            saliency[name] = total / windows.cover
        return Attribution(saliency, whole)

    def _windows(self, score: Score, name: str, x: Tensor) -> _Grid | _Groups:
        axes = score.axes[name]
        lead = score.batch.layout.lead(axes)
        assert lead is not None
        if lead[1] != ITEM:
            return self._groups(score, axes, lead, x)
        if self.groups is not None:
            raise InputError(
                f"groups are for ragged data, but target variable {name!r} has axes {axes}; "
                f"pass window=... instead"
            )
        free = [a for a in axes if a != ITEM and a not in score.reduced_axes]
        if isinstance(self.window, Mapping):
            window = dict(self.window)
        else:
            window = dict.fromkeys(free or [a for a in axes if a != ITEM], self.window)
        stride = self.stride if isinstance(self.stride, Mapping) else None
        slides = []
        for axis, length in window.items():
            if axis not in axes or axis == ITEM:
                raise InputError(
                    f"target variable {name!r} has no axis {axis!r} to slide along; "
                    f"its axes are {axes}"
                )
            size = x.shape[axes.index(axis)]
            if length > size:
                raise InputError(
                    f"a window of {length} along {axis!r} is longer than target variable {name!r}, "
                    f"which has {size}; pass a window from 1 to {size}"
                )
            step = self.stride if isinstance(self.stride, int) else (stride or {}).get(axis)
            step = step or max(1, length // 2)
            starts = [*range(0, size - length, step), size - length]
            slides.append((axes.index(axis), torch.tensor(starts, device=x.device), length))
        return _Grid(slides, lead[0], x)

    def _groups(
        self, score: Score, axes: tuple[str, ...], lead: tuple[int, str], x: Tensor
    ) -> _Groups:
        rows = score.batch.all_rows()
        group = rows.local(lead[1])
        if self.groups is not None:
            chosen = [torch.as_tensor(self.groups[i]) for i in score.positions.tolist()]
            sizes = score.batch.counts[lead[1]].tolist()
            for position, groups, size in zip(score.positions.tolist(), chosen, sizes, strict=True):
                if groups.shape != (size,):
                    raise InputError(
                        f"groups of item {position} have shape {tuple(groups.shape)}, expected one "
                        f"group for each of its {size} elements"
                    )
            group = torch.cat(chosen).to(x.device)
        count = group.new_zeros(len(score)).scatter_reduce_(
            0, rows.owner(lead[1]), group + 1, "amax"
        )
        shape = [1] * len(axes)
        shape[lead[0]] = -1
        return _Groups(group, lead, count, x.new_ones(len(group)).reshape(shape))


class _Grid:
    """Windows over axes of constant length."""

    def __init__(self, slides: list[tuple[int, Tensor, int]], lead: int, x: Tensor) -> None:
        self._slides = slides
        self._lead = lead
        self._shape = x.shape
        self.count = 1
        cover = x.new_ones([n if i == lead else 1 for i, n in enumerate(x.shape)])
        for position, starts, length in slides:
            self.count *= len(starts)
            hits = self._hits(position, starts, length).sum(0)
            shape = [1] * x.ndim
            shape[position] = -1
            cover = cover * hits.to(x.dtype).reshape(shape)
        #: How many windows cover each position.
        self.cover = cover

    def inside(self, part: Part) -> Tensor:
        """True inside each pair's window, broadcastable."""
        number = part.variant
        result = torch.ones([1] * len(self._shape), dtype=torch.bool, device=number.device)
        for position, starts, length in reversed(self._slides):
            hits = self._hits(position, starts[number % len(starts)], length)
            number = number // len(starts)
            shape = [1] * len(self._shape)
            shape[self._lead], shape[position] = hits.shape
            hits = hits if self._lead < position else hits.T
            result = result & hits.reshape(shape)
        return result

    def _hits(self, position: int, starts: Tensor, length: int) -> Tensor:
        """Which positions of the axis each window covers, shape (W, length of the axis)."""
        along = torch.arange(self._shape[position], device=starts.device)
        return (along >= starts[:, None]) & (along < starts[:, None] + length)


class _Groups:
    """Groups of the elements of ragged items."""

    def __init__(self, group: Tensor, lead: tuple[int, str], count: Tensor, cover: Tensor) -> None:
        self._group = group
        self._lead = lead
        self.count = count
        self.cover = cover

    def inside(self, part: Part) -> Tensor:
        """True for the elements in each pair's group, broadcastable."""
        position, axis = self._lead
        group = self._group[part.picked.index(axis)]
        hit = group == part.variant[part.picked.owner(axis)]
        shape = [1] * self.cover.ndim
        shape[position] = -1
        return hit.reshape(shape)
