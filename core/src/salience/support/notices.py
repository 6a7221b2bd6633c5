"""Notices: what a user is told about a computation that goes on, once for each explainer."""

from __future__ import annotations

import sys
import warnings
from contextvars import ContextVar, Token
from types import FrameType

from salience.errors import Notice, one_line

# Frames of these modules stand between the user's line and a notice.
_OURS = ("salience", "contextlib")

_current: ContextVar[Hearing | None] = ContextVar("hearing", default=None)


class Hearing:
    """Keeps the sentences that are told inside its ``with`` block, which may be entered repeatedly.

    Args:
        warned: Sentences that were shown to the user before. A sentence that is not among them is
            added and shown as a :class:`salience.Notice`. Where ``None``, no sentence is shown: it
            is kept for somebody else to tell, such as the process that started this one.

    Attributes:
        sentences: The sentences, each once, in the order in which they were told.
    """

    def __init__(self, warned: set[str] | None = None) -> None:
        self.sentences: list[str] = []
        self._warned = warned
        self._tokens: list[Token[Hearing | None]] = []

    def __enter__(self) -> Hearing:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, *raised: object) -> None:
        _current.reset(self._tokens.pop())

    def hear(self, sentence: str) -> None:
        """Keep a sentence, and show it where it is new to the user."""
        if sentence not in self.sentences:
            self.sentences.append(sentence)
        if self._warned is not None and sentence not in self._warned:
            self._warned.add(sentence)
            _warn(sentence)


def tell(sentence: str) -> None:
    """Tell the user something about the computation that goes on.

    The sentence becomes a :class:`salience.Notice`, once for each explainer, and an entry
    ``"notices"`` in the record of the explanation. Outside a computation it is a warning.

    Args:
        sentence: One sentence that says what was found and what was done about it.
    """
    sentence, hearing = one_line(sentence, None), _current.get()
    if hearing is None:
        _warn(sentence)
    else:
        hearing.hear(sentence)


def sentences() -> list[str]:
    """The sentences that were told so far in the computation that goes on."""
    hearing = _current.get()
    return [] if hearing is None else list(hearing.sentences)


def _warn(sentence: str) -> None:
    # The warning names the user's line, which is the first one outside this package.
    frame: FrameType | None = sys._getframe(0)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, Notice, stacklevel=level)
