"""Occlusion: the change of the output where windows, or groups of elements, are replaced."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from salience.calculators.base import Attribution, Calculator
from salience.calculators.baselines import baseline_of, check_baseline
from salience.calculators.windows import ElementGroups, Slide, WindowGrid
from salience.data.layout import ITEM
from salience.data.views import RowView
from salience.errors import InputError, brief
from salience.intake import integer, integer_array, per_item
from salience.model.probe import Values
from salience.scoring.score import Score

# Most windows of an item. A small model takes minutes for as many.
_MAX_WINDOWS = 10**8


@dataclass(frozen=True)
class Occlusion(Calculator):
    """f(x) − f(x with a window replaced) (Zeiler and Fergus, 2014), averaged over overlaps.

    The saliency of a position is the mean of the drop f(x) − f(x with a window replaced) over all
    the windows that cover the position; each position is covered by one or more. A window spans the
    whole of each axis that it does not slide along, such as the channels. The saliency has length 1
    along these axes, so that its sum over them is the drop itself. On ragged data a window is one
    element, or one group of elements.

    Args:
        window: Length of the window along each axis that it slides along, e.g.
            ``{"height": 27, "width": 27}``. One number stands for all axes that the domain does not
            reduce, or, where it reduces all, for all axes but the item axis.
        stride: Step of the window along each axis, in the same form as ``window``. The step is half
            the window, at least 1, along an axis that is left out. The last window is moved back to
            end at the border, which for a padded item is the end of its real positions.
        value: What replaces the values in the window, in any form that
            :class:`IntegratedGradients` takes as ``baseline``.
        groups: For ragged data only: for each item, the number of each element's group (integers
            from 0), e.g. the functional group of each atom. The elements of a group are replaced
            together. Where ``None``, each element is a group of its own.

    Raises:
        InputError: A window or stride is below 1, a stride is longer than its window, the target
            variable lacks an axis, or a window is longer than an axis of the target variable.
    """

    needs_gradient: ClassVar[bool] = False
    per_item: ClassVar[tuple[str, ...]] = ("groups",)

    window: int | Mapping[str, int] = 1
    stride: int | Mapping[str, int] | None = None
    value: Any = 0.0
    groups: Sequence[Sequence[int] | Tensor] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, setting in (("window", self.window), ("stride", self.stride)):
            if setting is None and name == "stride":
                continue
            if isinstance(setting, Mapping):
                if not setting:
                    raise InputError(f"{name}={{}} names no axis; pass axis → length, or a number")
                plain: Any = {axis: integer(length, name, 1) for axis, length in setting.items()}
            else:
                plain = integer(setting, name, 1)
            object.__setattr__(self, name, plain)
        if isinstance(self.window, Mapping) and isinstance(self.stride, Mapping):
            _check_known(self.stride, self.window)
        if self.groups is not None and not isinstance(self.groups, list | tuple | Tensor):
            object.__setattr__(self, "groups", per_item(self.groups, "groups"))
        named = [s for s in (self.window, self.stride) if isinstance(s, Mapping)]
        for axis in named[0] if named else ("",):
            length, step = self._along(axis)
            if step > length:
                where = f" along {axis!r}" if axis else ""
                longest = brief(length)
                raise InputError(
                    f"a stride of {brief(step)}{where} is longer than the window of {longest}, so "
                    f"that positions between would get no saliency; pass a stride from 1 to "
                    f"{longest}"
                )

    @property
    def additive(self) -> bool:
        """True: values are changes of f."""
        return True

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError where ``value`` or ``groups`` lacks items."""
        check_baseline(self.value, n_items, more)
        if self.groups is None:
            return
        if len(self.groups) != (max(n_items, len(self.groups)) if more else n_items):
            raise InputError(
                f"Occlusion got groups for {len(self.groups)} items, but the data holds "
                f"{n_items}; pass one sequence an item"
            )
        for item, given in enumerate(self.groups):
            if (integer_array(given, f"groups of item {item}") < 0).any():
                raise InputError(
                    f"the groups of item {item} hold a number that is no whole number from 0; "
                    f"give each element the number of its group"
                )

    def __call__(self, score: Score, x: Values) -> Attribution:
        """Replace each window of all rows in turn, in passes within the budget."""
        every = {name: self._windows(score, name, x[name]) for name in x}
        replacement, full_score = baseline_of(self.value, score, x), score.value(x)
        saliency = {}
        for name, windows in every.items():
            _check_count(windows)
            total = torch.zeros_like(windows.cover)
            for part in score.split(windows.count):
                at = part.take(x)
                inside = windows.inside(part)
                new = part.take({name: replacement[name]})[name].to(at[name].dtype)
                at[name] = torch.where(inside, new, at[name])
                drop = full_score[part.selection.rows] - part.score.value(at)
                drop = drop.to(total.dtype)
                part.add_to({name: total}, {name: inside * part.expand(drop, name)})
            saliency[name] = total / windows.cover
        return Attribution(saliency, full_score)

    def _windows(self, score: Score, name: str, x: Tensor) -> WindowGrid | ElementGroups:
        view = score.view(name)
        axes = view.axes
        if view.ragged is not None:
            if self.window != 1 or self.stride is not None:
                raise InputError(
                    f"windows cannot slide along {view.ragged!r}, an axis of elements without "
                    f"order, of target variable {name!r}; pass groups=... instead of "
                    f"window and stride"
                )
            return self._groups(score, view, x)
        if self.groups is not None:
            raise InputError(
                f"groups are for ragged data, but target variable {name!r} has axes {axes}; "
                f"pass window=... instead"
            )
        free = [a for a in axes if a != ITEM and a not in view.reduced]
        if isinstance(self.window, Mapping):
            slid = list(self.window)
        else:
            slid = free or [a for a in axes if a != ITEM]
        if isinstance(self.stride, Mapping):
            _check_known(self.stride, slid)
        slides = []
        for axis in slid:
            if axis not in axes or axis == ITEM:
                raise InputError(
                    f"target variable {name!r} has no axis {axis!r} to slide along; "
                    f"its axes are {axes}"
                )
            position = axes.index(axis)
            window, step = self._along(axis)
            length, place = view.lengths(axis), view.place(axis)
            if length is None or place is None:
                if window > x.shape[position]:
                    raise InputError(
                        f"a window of {window} along {axis!r} is longer than target variable "
                        f"{name!r}, which has {x.shape[position]}; pass a window from 1 to "
                        f"{x.shape[position]}"
                    )
                length = torch.full_like(score.positions, x.shape[position])
                place = torch.arange(x.shape[position], device=x.device).expand(len(score), -1)
            slides.append(Slide(position, window, step, length=length, place=place))
        return WindowGrid(slides, view.row_axis, x)

    def _along(self, axis: str) -> tuple[int, int]:
        """Length and step of the window along the named axis."""
        window = self.window[axis] if isinstance(self.window, Mapping) else self.window
        step = self.stride.get(axis) if isinstance(self.stride, Mapping) else self.stride
        return window, step or max(1, window // 2)

    def _groups(self, score: Score, view: RowView, x: Tensor) -> ElementGroups:
        group = view.local
        if self.groups is not None:
            chosen = [integer_array(self.groups[i], "groups") for i in score.positions.tolist()]
            counts = view.counts()
            sizes = [] if counts is None else counts.tolist()
            for position, groups, size in zip(score.positions.tolist(), chosen, sizes, strict=True):
                if groups.shape != (size,):
                    raise InputError(
                        f"groups of item {position} have shape {tuple(groups.shape)}, expected one "
                        f"group for each of its {size} elements"
                    )
            group = torch.cat(chosen).to(x.device)
        count = group.new_zeros(len(score)).scatter_reduce_(0, view.owner, group + 1, "amax")
        return ElementGroups(group, view, count, x)


def _check_count(windows: WindowGrid | ElementGroups) -> None:
    n_windows = int(windows.count.max()) if len(windows.count) else 0
    if n_windows > _MAX_WINDOWS:
        raise InputError(
            f"an item has {n_windows} windows, each with a row of its own, which would not end; "
            f"pass a larger window or stride"
        )


def _check_known(stride: Mapping[str, int], slid: Collection[str]) -> None:
    for axis in stride:
        if axis not in slid:
            raise InputError(
                f"stride names the axis {axis!r}, along which no window slides; windows slide "
                f"along {', '.join(map(repr, slid)) or 'no axis'}"
            )
