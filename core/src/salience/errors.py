"""The one exception for input that salience cannot serve."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The model, the data or a setting cannot be served.

    Its message is one sentence that says what was wrong, what was expected and how to mend it. It
    is raised before any saliency is computed wherever the fault can be seen by then.
    """


def nearest(name: str, known: Iterable[str], n: int = 3) -> str:
    """A sentence part that offers the known names closest to ``name``, or lists them all."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=n, cutoff=0.4)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    return "known are: " + (", ".join(known) or "none")
