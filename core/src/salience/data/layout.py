"""Named axes: how the arguments of a model are indexed.

A layout suffices to repeat, select and split any batch: dense, padded or ragged. The axis that
counts items is named ``"item"``. An axis listed in :attr:`Layout.elements` is ragged: it counts the
elements (atoms, bonds, …) of all the items, one item after the other. Every other axis has the same
length for all the items of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from salience.errors import InputError

ITEM = "item"


@dataclass(frozen=True)
class Field:
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


@dataclass(frozen=True)
class Layout:
    """How the arguments of a model are indexed, and which axes a domain reduces.

    Args:
        fields: Argument name → :class:`Field`, in the order of the model's arguments. Arguments of
            the domain's own, which no user names, have names that are no identifiers.
        elements: The ragged axes, e.g. ``("atom", "bond")``; the budget counts the elements along
            the first.
        reduce: The axes that aggregators sum over, e.g. ``("channel",)``.
        main: The argument that ``target="input"`` means; the first field where it is empty.
        inner: The axes of a target variable inside the model, unless its target names others.
        inner_mask: Name of the boolean argument that is true at the real positions of a target
            variable inside the model, or ``None``.
    """

    fields: Mapping[str, Field]
    elements: tuple[str, ...] = ()
    reduce: tuple[str, ...] = ()
    main: str = ""
    inner: tuple[str, ...] = ()
    inner_mask: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        if not self.main:
            object.__setattr__(self, "main", next(iter(self.fields), ""))

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
