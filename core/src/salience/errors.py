"""The one exception for unusable input, the one warning, and helpers that word messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# A longer list of names does not help the reader of one sentence.
_LISTED = 12


class InputError(ValueError):
    """Raised where salience cannot work with the model, the data or a setting.

    The message is one sentence that says what was wrong, what was expected and how to mend it.
    The error is raised before any saliency is computed, wherever the fault can be detected then.
    """


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
    close = difflib.get_close_matches(str(name), known, n=n, cutoff=0.4)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return "known are: " + (", ".join(known[:_LISTED]) or "none") + more


def brief(value: object, length: int = 120) -> str:
    """First sentence of an exception's message or a value's ``repr``, cut to ``length``."""
    text = str(value) if isinstance(value, BaseException) else repr(value)
    line = re.split(r"\n|\.\s+(?=[A-Z])", text.strip(), maxsplit=1)[0].rstrip(" .:")
    return line if len(line) <= length else line[: length - 1] + "…"
