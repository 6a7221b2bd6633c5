"""Items of the user's data that cannot be read: all named at once, or left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from typing import Any

from salience.errors import LONGEST, InputError, brief, nearest, one_line, shortened
from salience.support.notices import tell

_SETTINGS = ("raise", "skip")
# Reasons in a message, and positions or ranges of positions in it.
_REASONS = 5
_LISTED = 100
# Characters of the reasons together.
_ROOM = 190
# Characters for the positions in a refusal.
_POSITIONS = 60


class LeftOut:
    """Context that learns which items of the data are left out while it is open.

    Attributes:
        n_items: Number of all items of the data, broken ones included; 0 where none is left out.
        reasons: Position of each item that is left out → what is wrong with it.
        names: Position of such items → what the data calls them, as far as that is known.
        sentence: What the user is told about all of them.
    """

    def __init__(self) -> None:
        self.n_items = 0
        self.reasons: dict[int, str] = {}
        self.names: dict[int, Any] = {}
        self.sentence = ""
        self._tokens: list[Token[tuple[LeftOut, ...]]] = []

    def __enter__(self) -> LeftOut:
        self._tokens.append(_open.set((*_open.get(), self)))
        return self

    def __exit__(self, *raised: object) -> None:
        _open.reset(self._tokens.pop())

    def note(
        self, n_items: int, reasons: dict[int, str], sentence: str, names: Mapping[int, Any]
    ) -> None:
        """Note what is left out of one reading."""
        self.n_items, self.reasons, self.sentence = n_items, reasons, sentence
        self.names = {at: names[at] for at in reasons if at in names}

    def kept(self, n_samples: int) -> list[int] | None:
        """Positions in the data of the items that were read; ``None`` where all were.

        Args:
            n_samples: Number of items that were read.
        """
        kept = [at for at in range(self.n_items) if at not in self.reasons]
        return kept if self.n_items and len(kept) == n_samples else None


_open: ContextVar[tuple[LeftOut, ...]] = ContextVar("open", default=())


class BrokenItems:
    """Collects the items that a domain cannot read, for a message that names them all.

    Args:
        on_error: ``"raise"`` refuses the data; ``"skip"`` goes on without the broken items and
            tells which.

    Raises:
        InputError: ``on_error`` is unknown.
    """

    def __init__(self, on_error: str = "raise") -> None:
        if on_error not in _SETTINGS:
            raise InputError(
                f"unknown on_error={brief(on_error)}; {nearest(on_error, _SETTINGS)} (refuse the "
                f"data, or go on without the items that cannot be read)"
            )
        self._skip = on_error == "skip"
        self._sentences: dict[int, str] = {}

    def __repr__(self) -> str:
        return f"BrokenItems({len(self._sentences)} noted)"

    def add(self, position: int, sentence: str) -> None:
        """Note a broken item; of several faults the first one noted counts.

        Args:
            position: Its position in the user's data.
            sentence: What is wrong with it and how to mend it; begins with its name.
        """
        self._sentences.setdefault(position, sentence)

    @property
    def positions(self) -> list[int]:
        """Positions of the broken items in the user's data, ascending."""
        return sorted(self._sentences)

    def settle(self, n_items: int, names: Mapping[int, Any] | None = None) -> None:
        """Refuse the data, or tell which items are left out; of no effect where none is broken.

        Args:
            n_items: Number of all items, broken ones included.
            names: Position → what the data calls an item, of broken ones as far as that is known.
                A run over a data set lists those that failed by these names.

        Raises:
            InputError: An item is broken and ``on_error`` is ``"raise"``, or all are broken.
        """
        if not self.positions:
            return
        if not self._skip:
            error = self._refusal(n_items)
            if names is not None and len(self.positions) == 1:
                error.item_name = names.get(self.positions[0])
            raise error
        if len(self.positions) >= n_items:
            raise self._refusal(n_items, "no item is left by on_error='skip': ")
        sentence = one_line(
            f"{len(self.positions)} of {n_items} items cannot be read and are left out, items "
            f"{as_text(self.positions)} by their positions in the data: {self._reasons()}",
            None,
        )
        reasons = {position: self._sentences[position] for position in self.positions}
        for listener in _open.get():
            listener.note(n_items, reasons, sentence, names or {})
        tell(sentence)

    def _refusal(self, n_items: int, before: str = "") -> InputError:
        """The refusal in a short sentence; where items are several, notes tell all the reasons."""
        if len(self.positions) == 1:
            return InputError(f"{before}{self._reasons()}")
        where = shortened(as_text(self.positions), _POSITIONS)
        head = f"{before}{len(self.positions)} of {n_items} items cannot be read, items {where}: "
        end = "; mend them or leave them out, as on_error='skip' does"
        shown = self.positions[:_REASONS]
        room = (LONGEST - len(head) - len(end)) // len(shown) - len(" | ")
        reasons = [shortened(self._sentences[position], room) for position in shown]
        error = InputError(head + " | ".join(reasons) + end)
        for sentence in self._sentences.values():
            error.add_note(sentence)
        return error

    def _reasons(self) -> str:
        shown = [self._sentences[position] for position in self.positions[:_REASONS]]
        left = len(self._sentences) - len(shown)
        if len(shown) > 1:
            shown = [shortened(sentence, _ROOM // len(shown)) for sentence in shown]
        return " | ".join([*shown, f"and {left} more"] if left else shown)


def as_text(positions: Sequence[int]) -> str:
    """Ascending positions as text; from 100 on, with neighbours as ranges: ``"1, 4-6"``."""
    if len(positions) <= _LISTED:
        return ", ".join(map(str, positions))
    spans: list[list[int]] = []
    for position in positions:
        if spans and position == spans[-1][1] + 1:
            spans[-1][1] = position
        else:
            spans.append([position, position])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in spans[:_LISTED]]
    left = len(spans) - len(shown)
    return ", ".join(shown) + (f" and {left} more ranges" if left else "")
