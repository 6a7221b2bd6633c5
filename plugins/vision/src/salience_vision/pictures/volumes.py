"""Saliency with two or three axes of positions, cut into the maps of a montage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salience import Domain, Explanation, InputError, NoMeanError, Saliency
from salience.errors import nearest
from salience_vision.pictures.maps import Map, blocks_of, is_top_share, photo_of, uncertain_places


@dataclass(frozen=True)
class Cut:
    """Which maps are cut from a volume or clip.

    Args:
        axis: Name or position of the axis that is cut, among those of an item; ``None`` for the
            first.
        slices: The largest number of slices; evenly spaced ones are drawn where there are more.
    """

    axis: str | int | None
    slices: int

    def position(self, names: Sequence[str]) -> int:
        """Position of the axis that is cut, among the three ``names``.

        Raises:
            InputError: There is no such axis.
        """
        if self.axis is None:
            return 0
        if isinstance(self.axis, str):
            if self.axis not in names:
                raise InputError(f"there is no axis {self.axis!r}; {nearest(self.axis, names)}")
            return list(names).index(self.axis)
        if not 0 <= self.axis < len(names):
            raise InputError(f"axis is {self.axis}; pass a position from 0 to {len(names) - 1}")
        return self.axis

    def chosen(self, length: int) -> list[int]:
        """Positions of the slices that are drawn, of so many."""
        if length <= self.slices:
            return list(range(length))
        return [int(at) for at in np.linspace(0, length - 1, self.slices).round()]


@dataclass(frozen=True, eq=False)
class Volume:
    """The maps of one item, or of the mean over items.

    Args:
        maps: The maps that are drawn.
        captions: A caption for each map; empty texts where there is only one.
        values: The saliency of the item, with all its axes.
    """

    maps: tuple[Map, ...]
    captions: tuple[str, ...]
    values: NDArray[Any]


def read_volume(
    explanation: Explanation,
    item: int | None,
    variable: str | None,
    cut: Cut,
    *,
    hatches: bool,
    behind: Any = None,
) -> Volume:
    """Read the maps of an item, or of the mean over all items.

    Args:
        explanation: The explanation.
        item: Index of the item; ``None`` for the mean over all items.
        variable: Name of the target variable; ``None`` where there is only one.
        cut: Which maps are cut from three axes.
        hatches: Whether places whose sign is uncertain are marked.
        behind: The data that is drawn behind the saliency; ``None`` for none.

    Raises:
        InputError: An item has other than two or three axes, or ``behind`` does not fit.
        NoMeanError: Items differ in size, so that there is no mean.
    """
    if reason := refusal_of(explanation, variable):
        raise InputError(reason)
    name = next(iter(explanation.saliency)) if variable is None else variable
    saliency = explanation[name]
    values = _values(saliency, item)
    names = axes_of(explanation, name, values.ndim)
    at = cut.position(names) if values.ndim == 3 else 0
    notes: list[str] = []
    uncertain = None
    share = is_top_share(explanation)
    if item is not None and hatches and not share:
        uncertain, found = uncertain_places(explanation, item, variable)
        notes += found
    if sides := blocks_of(explanation):
        notes.append(f"sums of blocks of {' × '.join(str(side) for side in sides)} places")
    shown = [0]
    if values.ndim == 3:
        shown = cut.chosen(values.shape[at])
        if len(shown) < values.shape[at]:
            notes.append(f"{len(shown)} of {values.shape[at]} slices along {names[at]}")
    photos = None if item is None else _behind(explanation, item, name, behind, values.shape)
    signed = not share and bool((saliency.flat < 0).any())
    maps = tuple(
        Map(
            _slice(values, at, one),
            None if photos is None else _grey(_slice(photos, at, one)),
            signed,
            None if uncertain is None else _slice(uncertain, at, one),
            tuple(notes),
            share,
        )
        for one in shown
    )
    captions = tuple(f"{names[at]} {one}" for one in shown) if values.ndim == 3 else ("",)
    return Volume(maps, captions, values)


def refusal_of(explanation: Explanation, variable: str | None) -> str | None:
    """Why no slices show a target variable of an explanation; ``None`` where they do."""
    try:
        saliency = explanation.only if variable is None else explanation[variable]
    except InputError as error:  # there are several variables, or none of that name
        return str(error)
    for shape in {tuple(values.shape) for values in saliency.values}:
        if len(shape) not in (2, 3):
            return (
                f"a montage draws items with two or three axes, but one has the shape {shape}; "
                f"pick a target variable with such axes"
            )
    return None


def volume_values(explanation: Explanation, item: int, variable: str | None) -> NDArray[Any]:
    """The saliency of an item, with all its axes."""
    return _values(explanation.only if variable is None else explanation[variable], item)


def axes_of(explanation: Explanation, variable: str, n_axes: int) -> tuple[str, ...]:
    """Names of the axes of an item; ``axis i`` where the domain has no names for them."""
    names = tuple(axis for axis, summed in _declared(explanation, variable) if not summed)
    return names if len(names) == n_axes else tuple(f"axis {i}" for i in range(n_axes))


def _declared(explanation: Explanation, variable: str) -> list[tuple[str, bool]]:
    """Names of a variable's axes but that of items, and whether the domain sums over them."""
    domain = explanation.domain
    if not isinstance(domain, Domain):
        return []
    layout = domain.layout
    name = layout.main if variable == "input" else variable
    own = layout.fields[name].axes if name in layout.fields else layout.inner
    summed = {*layout.reduce, *layout.components}
    return [(axis, axis in summed) for axis in own if axis != "item"]


def _values(saliency: Saliency, item: int | None) -> NDArray[Any]:
    """The values of an item, or their mean over items."""
    if item is None:
        if saliency.counts is not None:
            raise NoMeanError(
                "items of different sizes have no mean; pass the number of an item, e.g. "
                "visualize(0)"
            )
        return np.asarray(saliency.flat.detach().cpu().double().mean(0))
    return np.asarray(saliency.values[item].detach().cpu().double())


def _slice(values: NDArray[Any], axis: int, at: int) -> NDArray[Any]:
    """One map of a volume; a map is its own."""
    return values if values.ndim == 2 else np.take(values, at, axis)


def _grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    """A picture (height, width, 3) of a slice of what lies behind."""
    return np.repeat(values.astype(np.uint8)[..., None], 3, 2)


def _behind(
    explanation: Explanation, item: int, variable: str, behind: Any, shape: tuple[int, ...]
) -> NDArray[Any] | None:
    """What lies behind an item's saliency, of values from 0 to 255 and of the shape ``shape``."""
    if behind is None:
        photo = photo_of(explanation, item) if len(shape) == 2 else None
        if photo is None or photo.shape[:2] != shape:
            return None
        return np.asarray(np.rint(photo @ np.array([0.299, 0.587, 0.114])))
    if len(behind) != len(explanation):
        raise InputError(
            f"behind has {len(behind)} items, the explanation {len(explanation)}; pass the data "
            f"that was explained"
        )
    one = np.asarray(behind[item], dtype=np.float64)
    declared = _declared(explanation, variable)
    if len(declared) == one.ndim > len(shape):
        one = one.mean(tuple(i for i, (_, summed) in enumerate(declared) if summed))
    if one.shape != shape or not np.isfinite(one).all():
        raise InputError(
            f"behind has items of shape {one.shape}, the saliency has {shape}; pass the data that "
            f"was explained, as finite numbers"
        )
    low, high = float(one.min()), float(one.max())
    return np.asarray(np.rint(255 * (one - low) / (high - low or 1.0)))
