"""Finding items: by position, by id, by a mask or by what their columns hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from salience.data.names import plain_name
from salience.errors import InputError, brief, nearest
from salience.intake import array, integer

if TYPE_CHECKING:
    from salience.results.items import ItemTable

# Of more ids, those closest to an unknown one are not looked for.
_COMPARED = 10_000


@dataclass(frozen=True, repr=False)
class ByPosition:
    """What ``explanation.iloc`` is: items by their positions.

    Args:
        explanation: The explanation.
    """

    explanation: Any

    def __getitem__(self, chosen: Any) -> Any:
        """The explanation of the items at a position, a slice, positions, or where a mask is true.

        Args:
            chosen: A whole number from 0, where negative ones count from the end; a slice; several
                numbers; or a truth value for each item.

        Raises:
            InputError: There is no such item, or no item is chosen.
        """
        return self.explanation._at(positions(chosen, len(self.explanation)))

    def __repr__(self) -> str:
        return f"iloc of {len(self.explanation)} items: iloc[0], iloc[2:5], iloc[mask]"


@dataclass(frozen=True, repr=False)
class ById:
    """What ``explanation.loc`` is: items by their ids.

    Args:
        explanation: The explanation.
    """

    explanation: Any

    def __getitem__(self, chosen: Any) -> Any:
        """The explanation of all items with an id, or with each of several ids in their order.

        Args:
            chosen: An id; a list of ids; or a truth value for each item.

        Raises:
            InputError: No item has such an id.
        """
        if isinstance(chosen, slice):
            raise InputError("loc takes an id or a list of ids; write iloc[2:5] for a slice")
        wanted = None if isinstance(chosen, tuple) else entries(chosen)
        if wanted is None:
            return self.explanation._at(positions_of(self.explanation.ids, [chosen]))
        if _is_mask(wanted):
            return self.explanation._at(positions(wanted, len(self.explanation)))
        if not wanted:
            raise InputError("no id was given; pass at least one")
        return self.explanation._at(positions_of(self.explanation.ids, wanted))

    def __repr__(self) -> str:
        shown = brief(next(iter(self.explanation.ids), 0), 60)
        return f"loc of {len(self.explanation)} items: loc[{shown}], loc[[{shown}]]"


def positions(chosen: Any, n_items: int) -> Tensor:
    """Positions of items, from 0, int64; the argument is that of :class:`ByPosition`.

    Raises:
        InputError: There is no such item, or no item is chosen.
    """
    every = torch.arange(n_items, device="cpu")
    if isinstance(chosen, slice):
        found = torch.tensor(sliced(chosen, n_items), dtype=torch.int64, device="cpu")
        return _some(found, f"the slice {brief(chosen)}")
    several = entries(chosen)
    if several is None:
        return torch.tensor([position(chosen, n_items)], device="cpu")
    if any(isinstance(entry, bool | np.bool_) for entry in several):
        return _some(every[_mask(chosen, n_items)], "the mask")
    at = [position(entry, n_items) for entry in several]
    return _some(torch.tensor(at, dtype=torch.int64, device="cpu"), "the list of positions")


def sliced(chosen: slice, n_items: int) -> range:
    """Positions of the items of a slice.

    Raises:
        InputError: An end or the step is no whole number, or the step is 0.
    """
    ends = (chosen.start, chosen.stop, chosen.step)
    start, stop, step = (None if end is None else integer(end, "slice") for end in ends)
    if step == 0:
        raise InputError("slice has a step of 0; pass one such as 1")
    return range(n_items)[slice(start, stop, step)]


def position(item: Any, n_items: int) -> int:
    """Position of an item, from 0, where a negative number counts from the end.

    Raises:
        InputError: There is no such item.
    """
    number = integer(item, "item")
    if not -n_items <= number < n_items:
        raise InputError(
            f"no item {number}: the explanation holds items 0 to {n_items - 1}; write "
            f"loc[{number}] for an id"
        )
    return number % n_items


def positions_of(ids: Sequence[int | str], wanted: Sequence[Any]) -> Tensor:
    """Positions of all items with each of the wanted ids, int64, in the order of these.

    Raises:
        InputError: No item has such an id.
    """
    if len(wanted) == 1 and (name := plain_name(wanted[0])) in ids:
        return torch.tensor([at for at, own in enumerate(ids) if own == name], device="cpu")
    places: dict[int | str, list[int]] = {}
    for at, own in enumerate(ids):
        places.setdefault(own, []).append(at)
    found: list[int] = []
    for label in wanted:
        name = plain_name(label)
        if name is None or name not in places:
            raise InputError(_unknown(label, places))
        found += places[name]
    return torch.tensor(found, dtype=torch.int64, device="cpu")


def position_of(ids: Sequence[int | str], item: Any) -> int:
    """Position of one item, given by its position or, as a string, by its id.

    Raises:
        InputError: There is no such item, or several have the id.
    """
    if not isinstance(item, str):
        return position(item, len(ids))
    found = positions_of(ids, [item])
    if len(found) > 1:
        raise InputError(
            f"{len(found)} items have the id {brief(item)}; take all of them by .loc[{brief(item)}]"
            f", or one by its position"
        )
    return int(found[0])


def where(table: ItemTable, chosen: Any = None, columns: Mapping[str, Any] | None = None) -> Tensor:
    """Positions of the items that fit; see :meth:`salience.Explanation.where`.

    Raises:
        InputError: No item fits, or there is no such column.
    """
    mask = torch.ones(len(table), dtype=torch.bool, device="cpu")
    if chosen is None and not columns:
        raise InputError("where() has no condition; pass a mask, or where(converged=False)")
    if callable(chosen):
        chosen = chosen(table)
    if chosen is not None:
        mask &= _mask(chosen, len(table))
    for name, value in (columns or {}).items():
        if name == "ids" and isinstance(value, list | set):
            raise InputError(
                f"ids={brief(value, 60)} are several, and where() asks for one value; take the "
                f"items of several ids by loc[[...]]"
            )
        wanted = plain_name(value) if name == "ids" else value
        mask &= torch.tensor(
            [_equal(entry, wanted) for entry in _column(table, name)], device="cpu"
        )
    asked = " and ".join(f"{name}={brief(value, 40)}" for name, value in (columns or {}).items())
    return _some(mask.nonzero()[:, 0], asked or "the mask")


def _mask(chosen: Any, n_items: int) -> Tensor:
    several = entries(chosen) or []
    if not _is_mask(several):
        raise InputError(
            f"{brief(chosen, 60)} is no truth value for each of {n_items} items; pass a mask, such "
            f"as explanation.score > 0, or a function that returns one"
        )
    if len(several) != n_items:
        raise InputError(
            f"the mask has {len(several)} entries for {n_items} items; pass a truth value for each"
        )
    return array(several, "mask", "a truth value for each item")


def _column(table: ItemTable, name: str) -> Sequence[Any]:
    columns = table.columns()
    known = [key for key in columns if key != "annotations"]
    if name in known:
        column = columns[name]
        return column.tolist() if isinstance(column, Tensor) else list(column)
    entries = [dict(annotation) for annotation in table.annotations]
    if not any(name in entry for entry in entries):
        known += sorted({key for entry in entries[:100] for key in entry})
        raise InputError(f"items have no column {brief(name)}; {nearest(name, known)}")
    return [entry.get(name) for entry in entries]


def _equal(entry: Any, value: Any) -> bool:
    try:
        return bool(np.all(np.asarray(entry == value)))
    except (TypeError, ValueError, RuntimeError):
        return False


def _some(found: Tensor, what: str) -> Tensor:
    if not len(found):
        raise InputError(f"{what} fits no item; choose at least one")
    return found


def entries(chosen: Any) -> list[Any] | None:
    """The entries of a list, array or series; ``None`` for a single value, as a string is.

    Raises:
        InputError: They have more than one axis, or no order.
    """
    if isinstance(chosen, Tensor | np.ndarray):
        one_axis = chosen.ndim == 1
        if chosen.ndim == 0:
            return None
    elif hasattr(chosen, "to_numpy") and hasattr(chosen, "__len__"):  # a time stamp has no length
        one_axis = getattr(chosen, "ndim", 1) == 1
    elif isinstance(chosen, list | tuple | range):
        one_axis = True
    elif isinstance(chosen, set | frozenset | Mapping):
        one_axis = False
    else:
        return None
    if not one_axis:
        raise InputError(
            f"items are chosen by one id or position, a list of them or a mask of one axis, not by "
            f"this {type(chosen).__name__}; write iloc[[0, 4]], loc[[id]] or where(mask)"
        )
    if isinstance(chosen, Tensor):
        return list(array(chosen, "the choice", "positions or truth values").tolist())
    return list(chosen)


def _is_mask(entries: Sequence[Any]) -> bool:
    return bool(entries) and all(isinstance(entry, bool | np.bool_) for entry in entries)


def _unknown(label: Any, known: Mapping[int | str, Any]) -> str:
    said = f"no item has the id {brief(label, 60)}"
    name = plain_name(label)
    others = (str(name), int(name) if isinstance(name, str) and name.isdecimal() else None)
    alike = next((other for other in others if other is not None and other in known), None)
    if alike is not None:
        return f"{said}; did you mean loc[{brief(alike, 60)}]?"
    number = isinstance(label, Integral) and label in range(-len(known), len(known))
    more = f"; a position is iloc[{label}]" if number else ""
    if len(known) > _COMPARED:
        return f"{said}, nor has it any of the {len(known)} ids{more or '; look at .ids'}"
    return f"{said}; {nearest(str(name), map(str, known))}{more}"
