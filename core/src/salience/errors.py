"""The one exception for unusable input, the one warning, and helpers that word messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# A longer list of names does not help the reader of one sentence.
_LISTED = 12
# Characters of a name that are compared with known names.
_WORD = 100
#: Characters of the longest message, and of its end, which holds the mend, that are always kept.
LONGEST, _END = 300, 110
# What Python shows of an object without a ``repr`` of its own; it differs from run to run.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}(?=[>\s,;)\]}]|$)")


class InputError(ValueError):
    """Raised where salience cannot work with the model, the data or a setting.

    The message is one sentence that says what was wrong, what was expected and how to mend it.
    The error is raised before any saliency is computed, wherever the fault can be detected then.

    Args:
        sentence: The message. Line breaks and addresses of objects in what it quotes are taken out,
            and the middle of what is longer than 300 characters: the end says how to mend it.

    Attributes:
        item_name: What the data calls the one item that cannot be read, where that is known.
    """

    item_name: object = None

    def __init__(self, sentence: object = "") -> None:
        super().__init__(one_line(str(sentence)))


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
    known = sorted({*known})
    word = name if isinstance(name, str) else brief(name)
    close = difflib.get_close_matches(word[:_WORD], known, n=n, cutoff=0.4)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return "known are: " + (", ".join(known[:_LISTED]) or "none") + more


def brief(value: object, length: int = 120) -> str:
    """First sentence of an exception's message or a value's ``repr``, cut to ``length``.

    Where an object has no ``repr`` that works, the name of its class stands for it.
    """
    try:
        text = str(value) if isinstance(value, BaseException) else _shown(value, length)
    except Exception:  # the code of the user's class may raise anything
        text = f"<{type(value).__name__} object>"
    line = re.split(r"\n|\.\s+(?=[A-Z])", text.strip(), maxsplit=1)[0].rstrip(" .:,")
    return shortened(one_line(line, None), length)  # an address that is cut is not found


# What begins with the sound of a vowel: "ndarray" does; "uint8", "unit", "user" and "one" do not.
_VOWEL = re.compile(r"[ai]|e(?!u)|o(?!ne)|u(?!int|ni|se|ti)|nd", re.IGNORECASE)


def an(noun: str) -> str:
    """A noun, such as the name of a type or of a kind of part, behind "a" or "an"."""
    return f"{'an' if _VOWEL.match(noun) else 'a'} {noun}"


def shortened(text: str, length: int) -> str:
    """A text whose end is left out where it has more than ``length`` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _shown(value: object, length: int) -> str:
    """The ``repr`` of a value, of which a long text shows no more than its beginning."""
    if isinstance(value, str) and len(value) > length:
        return repr(value[:length])[:-1] + "…"
    return repr(value)


def one_line(text: str, longest: int | None = LONGEST) -> str:
    """A text as one line without addresses of objects, cut in the middle.

    Args:
        text: The text; halves of characters in it are written as escapes.
        longest: Number of characters that are kept; all where ``None``.
    """
    readable = text.encode("utf-8", "backslashreplace").decode()
    line = _ADDRESS.sub("", " ".join(readable.split()))
    if longest is None or len(line) <= longest:
        return line
    # The last clause is the mend; it is kept whole where it is short enough.
    mend = len(line) - line.rfind("; ")
    end = max(mend, _END) if mend <= longest // 2 else _END
    return f"{line[: longest - end - 1]}…{line[-end:]}"
