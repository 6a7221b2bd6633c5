"""What a mutant is, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Part = TypeVar("Part", bound=type)


@dataclass(frozen=True)
class Mutant:
    """A class that breaks one promise, and the check that is meant to catch it.

    Args:
        cls: The class.
        check: Name of the check.
        kind: Kind of the part.
        given: What the kit is given of it, beside the part.
        make: Makes the part.
    """

    cls: type
    check: str
    kind: str
    given: dict[str, Any]
    make: Callable[[], Any]

    @property
    def words(self) -> str:
        """What it breaks: the first line of its docstring."""
        return (self.cls.__doc__ or "").strip().splitlines()[0].rstrip(".")


MUTANTS: list[Mutant] = []


def breaks(
    check: str, kind: str, make: Callable[[Any], Any] | None = None, **given: Any
) -> Callable[[Part], Part]:
    """Put a class on the list of mutants.

    Args:
        check: Name of the check that is meant to catch it.
        kind: Kind of the part.
        make: Makes the part from the class; where ``None``, the class without arguments.
        **given: What the kit is given beside the part.
    """

    def put(cls: Part) -> Part:
        MUTANTS.append(Mutant(cls, check, kind, given, lambda: (make or (lambda c: c()))(cls)))
        return cls

    return put
