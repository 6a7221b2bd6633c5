"""How objects show themselves in a terminal: on one short line, without the numbers they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import islice
from typing import Any, ClassVar

from salience.errors import brief, shortened

# Characters of the longest line, of a value in it, and entries of a collection that are shown.
_LONGEST, _VALUE, _ENTRIES = 300, 60, 3


class ShortRepr:
    """Base of dataclasses whose ``repr`` is one line of at most 300 characters.

    Tensors and arrays are given by their shape, long texts and collections by their beginning, and
    settings only where they differ from their defaults.
    """

    #: Whether fields that have their default values are shown as well.
    _shows_defaults: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A dataclass makes a repr of its own, unless the class itself has one.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = ShortRepr.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        shown = [f for f in fields(self) if f.repr and not f.name.startswith("_")]  # type: ignore[arg-type]
        parts = [
            f"{f.name}={short(value)}"
            for f in shown
            for value in [getattr(self, f.name, None)]
            if self._shows_defaults or not _is_default(f, value)
        ]
        return shortened(f"{type(self).__name__}({', '.join(parts)})", _LONGEST)


def short(value: Any, length: int = _VALUE) -> str:
    """A value in a few characters.

    Args:
        value: Anything.
        length: Largest number of characters.
    """
    try:
        return _short(value, length)
    except Exception:  # the code of the user's class may raise anything
        return shortened(f"<{type(value).__name__} object>", length)


def _short(value: Any, length: int) -> str:
    shape = None if isinstance(value, type) else getattr(value, "shape", None)
    if isinstance(shape, Sequence):
        if not shape and hasattr(value, "item"):
            return brief(value.item(), length)
        kind = str(getattr(value, "dtype", "")).removeprefix("torch.")
        shown = f"<{type(value).__name__} {tuple(shape)} {kind}>".replace(" >", ">")
        return shortened(shown, length)
    if is_dataclass(value) or isinstance(value, range | str | bytes):
        return brief(value, length)
    if not isinstance(value, Mapping | Sequence | Set):
        return brief(value, length)
    return shortened(_collection(value), 3 * length)


def _collection(value: Mapping[Any, Any] | Sequence[Any] | Set[Any]) -> str:
    entries = list(islice(value, _ENTRIES))
    if isinstance(value, Mapping):
        texts = [f"{short(key, 20)}: {short(value[key], 20)}" for key in entries]
    else:
        texts = [short(entry, 20) for entry in entries]
    if len(value) > len(entries):
        texts.append(f"… {len(value)} in all")
    tail = "," if isinstance(value, tuple) and len(value) == 1 else ""
    ends = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
    return f"{ends[0]}{', '.join(texts)}{tail}{ends[1]}"


def _is_default(field: Field[Any], value: Any) -> bool:
    default = field.default
    if default is MISSING and field.default_factory is not MISSING:
        default = field.default_factory()
    try:
        return default is not MISSING and type(default) is type(value) and bool(default == value)
    except Exception:  # arrays compare by element, and other classes as they like
        return False
