"""What a mutant is, the list of all of them, and their table."""

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
        check: Name of the check; empty where none catches it.
        kind: Kind of the part.
        given: What the kit is given of it, beside the part.
        make: Makes the part.
        reason: Why none catches it.
    """

    cls: type
    check: str
    kind: str
    given: dict[str, Any]
    make: Callable[[], Any]
    reason: str = ""

    @property
    def words(self) -> str:
        """What it breaks: the first line of its docstring."""
        return (self.cls.__doc__ or "").strip().splitlines()[0].rstrip(".")


MUTANTS: list[Mutant] = []


def breaks(
    check: str,
    kind: str,
    make: Callable[[Any], Any] | None = None,
    reason: str = "",
    **given: Any,
) -> Callable[[Part], Part]:
    """Put a class on the list of mutants.

    Args:
        check: Name of the check that is meant to catch it; empty where none catches it.
        kind: Kind of the part.
        make: Makes the part from the class; where ``None``, the class without arguments.
        reason: Why none catches it.
        **given: What the kit is given beside the part.
    """

    def put(cls: Part) -> Part:
        made = (lambda: cls()) if make is None else lambda: make(cls)
        MUTANTS.append(Mutant(cls, check, kind, given=given, make=made, reason=reason))
        return cls

    return put


def table() -> str:
    """The mutants as a table of Markdown: what each breaks, and which check catches it."""
    lines = ["| part | what the mutant does | caught by |", "|---|---|---|"]
    for mutant in MUTANTS:
        caught = f"[{mutant.check}](#{mutant.check})" if mutant.check else f"none: {mutant.reason}"
        lines.append(f"| {mutant.kind} | {mutant.words} | {caught} |")
    return "\n".join(lines)
