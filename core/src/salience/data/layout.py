"""Named axes: how the arguments of a model are indexed.

A layout suffices to repeat, select and split any batch: dense, padded or ragged. The axis that
counts items is named ``"item"``. An axis listed in :attr:`Layout.elements` is ragged: it counts the
elements (atoms, bonds, …) of all the items, one item after the other. Every other axis has the same
length for all the items of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

from salience.errors import InputError, brief, nearest
from salience.shown import ShortRepr

ITEM = "item"


def summed_axes(axes: tuple[str, ...], layout: Layout) -> tuple[int, ...]:
    """Positions, among some axes, of those over which a layout sums saliency."""
    summed = (*layout.reduce, *layout.components)
    return tuple(i for i, axis in enumerate(axes) if axis in summed)


@dataclass(frozen=True)
class Field(ShortRepr):
    """How one model argument is indexed.

    Args:
        axes: A name for each axis, e.g. ``("item", "channel", "height", "width")``,
            ``("atom", "channel")`` or ``("end", "bond")``. An argument with neither an item axis
            nor an element axis is shared: all the rows get the same value.
        refers_to: The axis whose positions the integers in this argument are: ``"atom"`` for an
            ``edge_index``, ``"item"`` for the item of each atom; or the name of an entry of
            :attr:`Batch.counts` that says how far each item shifts them. These integers are
            shifted when the batch is repeated or split.
        counts: The axis whose length this argument holds (``"item"`` for a number of graphs). The
            argument is then a plain ``int``.
        mask: Name of the boolean argument that is true at this argument's real positions, where
            batches are padded. The axes of the mask are among ``axes``.
    """

    axes: tuple[str, ...] = ()
    refers_to: str | None = None
    counts: str | None = None
    mask: str | None = None

    _shows_defaults: ClassVar[bool] = False


@dataclass(frozen=True)
class Layout(ShortRepr):
    """How the arguments of a model are indexed, and which axes a domain reduces.

    Args:
        fields: Argument name → :class:`Field`, in the order of the model's arguments. Arguments of
            the domain's own, which no user names, have names that are no identifiers.
        elements: The ragged axes, e.g. ``("atom", "bond")``; the budget counts the elements along
            the first.
        reduce: The axes that aggregators sum over, e.g. ``("channel",)`` for the colours of a
            pixel; magnitudes are taken before.
        components: The axes that together are one variable, e.g. ``("channel",)`` for the units of
            an embedding. They are summed before magnitudes are taken where the values of the
            calculator add up (:attr:`salience.Calculator.additive`), and else as those of
            ``reduce``.
        main: The argument that ``target="input"`` means; the first field where it is empty.
        inner: The axes of a target variable inside the model, unless its target names others.
        inner_mask: Name of the boolean argument that is true at the real positions of a target
            variable inside the model, or ``None``.

    Raises:
        InputError: A name is not that of an axis or of an argument of this layout; a mask has axes
            that what it masks lacks; or an axis that is summed differs in length from item to item.
    """

    fields: Mapping[str, Field]
    elements: tuple[str, ...] = ()
    reduce: tuple[str, ...] = ()
    main: str = ""
    inner: tuple[str, ...] = ()
    inner_mask: str | None = None
    components: tuple[str, ...] = ()

    _shows_defaults: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.fields, Mapping):
            raise InputError(
                f"fields of a layout are {brief(self.fields, 60)}; pass a mapping from the name of "
                f"each argument of the model to its Field"
            )
        for name, spec in self.fields.items():
            if not isinstance(spec, Field):
                raise InputError(
                    f"argument {name!r} of a layout is {brief(spec, 60)}; pass a Field, such as "
                    f'Field(("item", "feature"))'
                )
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        if not self.main:
            object.__setattr__(self, "main", next(iter(self.fields), ""))

        self._check()

    @cached_property
    def masks(self) -> frozenset[str]:
        """Names of the arguments that mark real positions."""
        named = {spec.mask for spec in self.fields.values()} | {self.inner_mask}
        return frozenset(name for name in named if name is not None)

    def _check(self) -> None:
        """Raise InputError where a name is not that of an axis or of an argument of this layout."""
        self._check_tuples()
        axes = {axis for spec in self.fields.values() for axis in spec.axes} | set(self.inner)
        if self.fields and self.main not in self.fields:
            raise InputError(
                f"main={brief(self.main)} is no argument; {nearest(self.main, self.fields)}"
            )
        for name, spec in self.fields.items():
            if spec.mask is not None:
                self._check_mask(f"the mask of argument {name!r}", spec.mask, spec.axes)
            axis = spec.counts
            if axis is not None and axis != ITEM and axis not in self.elements:
                known = [ITEM, *self.elements]
                raise InputError(
                    f"counts={axis!r} of argument {name!r} is neither the item axis nor an axis of "
                    f"elements; {nearest(axis, known)}"
                )
        if self.inner_mask is not None:
            self._check_mask("inner_mask", self.inner_mask, self.inner or None)
        padded = {axis for mask in self.masks for axis in self.fields[mask].axes}
        for what, axis in self._summed():
            if axis not in axes and self.inner:  # else a target may bring further axes
                raise InputError(f"{what} names the axis {axis!r}; {nearest(axis, axes)}")
            if axis == ITEM or axis in self.elements or axis in padded:
                raise InputError(
                    f"{what} names the axis {axis!r}, whose length differs from item to item; "
                    f"name axes that all items share"
                )
        if both := set(self.reduce) & set(self.components):
            raise InputError(
                f"the axis {min(both)!r} is in reduce and in components; name it in components "
                f"where it counts parts of one variable, else in reduce"
            )

    def _check_tuples(self) -> None:
        """Raise InputError where one name stands in the place of a tuple of names."""
        given = {f"axes of argument {n!r}": spec.axes for n, spec in self.fields.items()}
        given |= {w: getattr(self, w) for w in ("elements", "reduce", "components", "inner")}
        for what, names in given.items():
            if isinstance(names, str):
                raise InputError(
                    f"{what} is the word {brief(names)}; pass a tuple, ({brief(names)},)"
                )

    def check_reduced(self, targets: Iterable[tuple[str, ...]]) -> None:
        """Raise InputError where no argument and no target variable has an axis that is summed.

        Args:
            targets: Names of the axes of each target variable.
        """
        axes = {axis for spec in self.fields.values() for axis in spec.axes}
        axes |= {axis for own in targets for axis in own} | set(self.inner)
        for what, axis in self._summed():
            if axis not in axes:
                raise InputError(f"{what} names the axis {axis!r}; {nearest(axis, axes)}")

    def _summed(self) -> list[tuple[str, str]]:
        """The axes that are summed, each with the name of the setting that lists it."""
        return [(w, axis) for w in ("reduce", "components") for axis in getattr(self, w)]

    def _check_mask(self, what: str, mask: str, axes: tuple[str, ...] | None) -> None:
        if mask not in self.fields:
            known = nearest(mask, self.fields)
            raise InputError(f"{what} is {brief(mask)}, which is no argument; {known}")
        own = self.fields[mask].axes
        if ITEM not in own or set(own) & set(self.elements):
            raise InputError(
                f"{what} is {brief(mask)} with the axes {own}; a mask has the axis {ITEM!r} and "
                f"the padded axes, none of which counts elements"
            )
        for axis in own:
            if axes is not None and axis not in axes:
                raise InputError(
                    f"{what} has the axis {axis!r}, which is none of {', '.join(axes)}; a mask has "
                    f"axes of what it masks"
                )

    def __reduce__(self) -> Any:
        # The mapping proxy, which makes ``fields`` read-only, cannot be pickled.
        others = [getattr(self, f.name) for f in fields(self)[1:]]
        return Layout, (dict(self.fields), *others)

    @property
    def shown(self) -> list[str]:
        """Names of the arguments that messages to the user name."""
        return [name for name in self.fields if name.isidentifier()]

    def has_rows(self, axes: tuple[str, ...]) -> bool:
        """Whether a tensor with these axes has an item axis or an element axis."""
        return any(axis == ITEM or axis in self.elements for axis in axes)

    def row_axis(self, axes: tuple[str, ...]) -> tuple[int, str]:
        """Position and name of the axis along which rows are counted.

        Args:
            axes: Name of each axis of a tensor.

        Returns:
            Position and name of the first item or element axis.

        Raises:
            InputError: There is none, as in an argument that all items share.
        """
        for position, name in enumerate(axes):
            if name == ITEM or name in self.elements:
                return position, name
        raise InputError(f"axes {axes} have no item axis and no element axis; name one of them")
