"""The one exception for input that salience cannot serve."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# More names than this are no help in one sentence.
_LISTED = 12


class InputError(ValueError):
    """The model, the data or a setting cannot be served.

    Its message is one sentence that says what was wrong, what was expected and how to mend it. It
    is raised before any saliency is computed wherever the fault can be seen by then.
    """


def nearest(name: object, known: Iterable[str], n: int = 3) -> str:
    """A sentence part that offers the known names closest to ``name``, or lists them all."""
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=n, cutoff=0.4)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return "known are: " + (", ".join(known[:_LISTED]) or "none") + more


def brief(value: object, length: int = 120) -> str:
    """What an exception or a value says of itself: its first sentence, cut to that length."""
    text = str(value) if isinstance(value, BaseException) else repr(value)
    line = re.split(r"\n|\.\s+(?=[A-Z])", text.strip(), maxsplit=1)[0].rstrip(" .:")
    return line if len(line) <= length else line[: length - 1] + "…"
