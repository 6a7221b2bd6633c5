"""Values of a target variable as another tool gives them, laid out as saliency holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.data.domain import Domain
from salience.data.grid import Grid
from salience.data.layout import Layout, summed_axes
from salience.data.views import RowView
from salience.errors import InputError, brief
from salience.intake import finite, per_item
from salience.results.saliency import Saliency
from salience.support.numerics import at_least_float32


class Slice:
    """A batch of some of the items, and how its variables are arranged."""

    def __init__(self, domain: Domain, batch: Batch) -> None:
        self.domain, self.batch = domain, batch

    def view(self, name: str, axes: tuple[str, ...]) -> RowView:
        """How a variable with these axes hangs together with the items."""
        layout = self.domain.layout
        known = layout.main if name == "input" else name
        mask = layout.fields[known].mask if known in layout.fields else layout.inner_mask
        return RowView.of(self.batch, axes, mask)


def _axes(name: str, layout: Layout) -> tuple[str, ...]:
    known = layout.main if name == "input" else name
    if known in layout.fields:
        return layout.fields[known].axes
    return layout.inner or layout.fields[layout.main].axes


def saliency_of(name: str, values: Any, errors: Any, parts: Sequence[Slice]) -> Saliency:
    """The saliency of a target variable.

    Args:
        name: Name of the variable.
        values: Its values, as the user handed them in.
        errors: Their standard errors, or ``None``.
        parts: All items, in slices.

    Raises:
        InputError: The values or errors do not fit the items.
    """
    layout = parts[0].domain.layout
    axes = _axes(name, layout)
    kept = tuple(axis for i, axis in enumerate(axes) if i not in summed_axes(axes, layout))
    views = [part.view(name, axes) for part in parts]
    counts = [view.counts() for view in views]
    sizes = None if counts[0] is None else torch.cat([c for c in counts if c is not None])
    grid = Grid.join([view.grid() for view in views])
    flat, summed = _flat(values, f"the values of {name!r}", (axes, kept), parts, (name, sizes))
    error = torch.full_like(flat, torch.nan)
    if errors is not None:
        what = f"the errors of {name!r}"
        error, added = _flat(errors, what, (axes, kept), parts, (name, sizes))
        if added:
            raise InputError(
                f"{what} have the axes {axes}, over some of which values are summed, and errors do "
                f"not add up; pass the errors of the sums, with the axes {kept}"
            )
        if error.shape != flat.shape or bool((error < 0).any()):
            raise InputError(f"{what} are negative or of another shape; pass one for each value")
    _check_width(name, flat, summed, layout, parts)
    return Saliency(flat, error.to(flat.dtype), sizes, grid=grid)


def _flat(
    values: Any,
    what: str,
    axes: tuple[tuple[str, ...], tuple[str, ...]],
    parts: Sequence[Slice],
    of: tuple[str, Tensor | None],
) -> tuple[Tensor, bool]:
    """Given values as saliency holds them, shape (L, …), and whether axes were summed.

    Args:
        values: What the user handed in.
        what: What it is, for errors.
        axes: Names of all axes of the variable, and of those that saliency has.
        parts: The items, in slices.
        of: Name of the variable; number of positions of each item, or ``None``.
    """
    (name, sizes), layout = of, parts[0].domain.layout
    ragged = sizes is not None and not layout.masks
    n_items = sum(part.batch.n_items for part in parts)
    given = finite(per_item(values, what), what)
    if isinstance(given, list):
        if len(given) != n_items:
            raise InputError(
                f"{what} are of {len(given)} items, but the data has {n_items}; pass an array an "
                f"item or one for all, several variables as a mapping variable → array, and of "
                f"several outputs those of one"
            )
        if sizes is None:
            shapes = {tuple(one.shape) for one in given}
            if len(shapes) > 1:
                raise InputError(f"{what} have the shapes {brief(shapes)}; pass one shape an item")
            given = torch.stack(list(given))
        elif ragged:
            given = _elements(given, what, sizes)
        else:
            given = _padded(given, parts[0].view(name, _named(given[0].ndim + 1, what, axes)))
    own = _named(given.ndim, what, axes)
    lengths = int(sizes.sum()) if sizes is not None and ragged else n_items
    if given.shape[layout.row_axis(own)[0]] != lengths:
        raise InputError(
            f"{what} have the shape {tuple(given.shape)}, but the data has {n_items} items"
            + (f" with {lengths} positions in all" if ragged else "")
            + f"; pass an array with the axes {own}"
        )
    flat = _without_padding(given, [part.view(name, own) for part in parts])
    at = [
        1 + i for i, axis in enumerate(parts[0].view(name, own).inner_axes) if axis not in axes[1]
    ]
    return at_least_float32(flat.sum(at) if at else flat), bool(at)


def _named(ndim: int, what: str, axes: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[str, ...]:
    for own in axes:
        if len(own) == ndim:
            return own
    known = " or ".join(str(own) for own in dict.fromkeys(axes))
    raise InputError(f"{what} have {ndim} axes; pass an array with the axes {known}")


def _elements(given: Sequence[Tensor], what: str, sizes: Tensor) -> Tensor:
    for item, (one, size) in enumerate(zip(given, sizes.tolist(), strict=True)):
        if one.ndim == 0 or len(one) != size:
            raise InputError(
                f"{what} of item {item} have the shape {tuple(one.shape)}, but it has {size} "
                f"positions; pass one value for each"
            )
    return torch.cat(list(given))


def _padded(given: Sequence[Tensor], view: RowView) -> Tensor:
    """Arrays of single items, padded to one shape; their real positions come first."""
    shape = [max(n) for n in zip(*(one.shape for one in given), strict=True)]
    made = given[0].new_zeros(len(given), *shape)
    for row, one in zip(made, given, strict=True):
        row[tuple(slice(n) for n in one.shape)] = one
    return view.from_front(made.movedim(0, view.row_axis))


def _without_padding(given: Tensor, views: Sequence[RowView]) -> Tensor:
    """Values of all items at their real positions, shape (L, …)."""
    if len(views) == 1:
        return views[0].flat(given, 1)[0]
    return given.movedim(views[0].row_axis, 0)


def _check_width(
    name: str, flat: Tensor, summed: bool, layout: Layout, parts: Sequence[Slice]
) -> None:
    """Raise InputError where values of an argument have not as many positions as the argument."""
    known = layout.main if name == "input" else name
    argument = parts[0].batch.arguments.get(known)
    if known not in layout.fields or not isinstance(argument, Tensor):
        return
    view = parts[0].view(name, layout.fields[known].axes)
    own = view.flat(argument, 1)[0]
    kept = [
        n
        for n, axis in zip(own.shape[1:], view.inner_axes, strict=True)
        if axis not in view.reduced
    ]
    if list(flat.shape[1:]) != kept:
        raise InputError(
            f"the values of {name!r} have {tuple(flat.shape[1:])} positions an item, but the data "
            f"has {tuple(kept)}; pass one value for each"
        )
