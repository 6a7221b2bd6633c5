"""The one exception for unusable input, the one warning, and helpers that word messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# A longer list of names does not help the reader of one sentence.
_LISTED = 12


# Length of a sentence, and of its beginning and its end where it is cut.
_LONGEST, _BEGIN, _END = 300, 150, 149
# A longer name is no misspelt one; to compare it with the known ones takes long.
_A_NAME = 100


class InputError(ValueError):
    """Raised where salience cannot work with the model, the data or a setting.

    The message is one sentence that says what was wrong, what was expected and how to mend it.
    The error is raised before any saliency is computed, wherever the fault can be detected then.
    A sentence of more than 300 characters is cut in its middle, where what was handed in is shown.
    """

    def __init__(self, *args: object) -> None:
        if args and isinstance(args[0], str):
            args = (_one_line(args[0]), *args[1:])
        super().__init__(*args)


class Notice(UserWarning):
    """Shown where salience goes on, and the user should know how.

    The message is one sentence that says what was found and what was done about it. It is shown
    once for each explainer, and is kept in the record of the explanation.
    """


def nearest(name: object, known: Iterable[str], n: int = 3) -> str:
    """Part of a sentence that offers the known names closest to ``name``, or lists known names.

    Args:
        name: The unknown name.
        known: The valid names. Where none is close to ``name``, the first 12 in alphabetical order
            are listed, with the number of the others.
        n: Largest number of close names to offer.
    """
    known = sorted(known)
    text = name if isinstance(name, str) else brief(name)
    short = len(text) <= _A_NAME
    close = difflib.get_close_matches(text, known, n=n, cutoff=0.4) if short else []
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return "known are: " + (", ".join(known[:_LISTED]) or "none") + more


def brief(value: object, length: int = 120) -> str:
    """First sentence of an exception's message or a value's ``repr``, cut to ``length``."""
    try:
        text = str(value) if isinstance(value, BaseException) else _shown(value, length)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return f"a {type(value).__name__} with a number of thousands of digits"
    line = re.split(r"\n|\.\s+(?=[A-Z])", text.strip(), maxsplit=1)[0].rstrip(" .:")
    return line if len(line) <= length else line[: length - 1] + "…"


def _shown(value: object, length: int) -> str:
    """The ``repr`` of a value, of which a long text shows no more than its beginning."""
    if isinstance(value, str) and len(value) > length:
        return repr(value[:length])[:-1] + "…"
    return repr(value)


def _one_line(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_BEGIN]}…{text[-_END:]}"
    return " ".join(text.splitlines()) if "\n" in text else text
