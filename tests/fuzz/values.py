"""Values of any kind, and what a setting means by them, worked out apart from salience."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from torch import nn


class Mark:
    """A word about a meaning, told apart from all values."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


NONE = Mark("nothing")  # the value has no meaning for the setting and is to be refused
MAYBE = Mark("maybe")  # refusing and serving are both right


class Rude:
    """An object whose ``repr`` has an address and several lines."""

    def __repr__(self) -> str:
        return f"<Rude object at {hex(id(self))}>\nand more\n" + "x" * 500


class Broken:
    """An object of which nothing can be asked."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no array")


class Endless:
    """A sequence by protocol, without an end."""

    def __getitem__(self, index: int) -> int:
        return index


def _recursive() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


TEXTS = (
    "",
    " ",
    "x",
    "True",
    "3",
    "nan",
    "none",
    "raw",
    "gaussian",
    "input",
    "two\nlines",
    "tab\there",
    "\x00",
    "\ud800",
    "ß→😀",
    "é" * 400,
    "x" * 5000,
    "a:b=c:d",
    "gaussian:scale=",
    "../../etc",
    "%s %d {0}",
    "__class__",
    "0.weight",
    "0x7f00deadbeef",
    "('item', 'feature')",
)

_MAKERS: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: True,
    lambda: False,
    lambda: np.True_,
    lambda: 0,
    lambda: 1,
    lambda: 2,
    lambda: -1,
    lambda: 2**31,
    lambda: -(2**63),
    lambda: 0.0,
    lambda: -0.0,
    lambda: 0.5,
    lambda: 1.0,
    lambda: 1.5,
    lambda: -0.5,
    lambda: 1e-320,
    lambda: math.nan,
    lambda: math.inf,
    lambda: -math.inf,
    lambda: 1j,
    lambda: b"bytes",
    lambda: bytearray(b"3"),
    lambda: Decimal("0.5"),
    lambda: Decimal("NaN"),
    lambda: Decimal("1e400"),
    lambda: Fraction(1, 2),
    lambda: np.float32(0.5),
    lambda: np.float64("nan"),
    lambda: np.float16(2),
    lambda: np.longdouble(0.5),
    lambda: np.int8(3),
    lambda: np.uint64(2),
    lambda: np.complex64(1),
    lambda: np.str_("raw"),
    lambda: np.array(2),
    lambda: np.array(0.5),
    lambda: np.array(True),
    lambda: np.array(None),
    lambda: np.array([1]),
    lambda: np.array([]),
    lambda: np.arange(3.0),
    lambda: np.zeros((3, 3)),
    lambda: np.array(["a", "b"]),
    lambda: np.array([1, "a", None], dtype=object),
    lambda: np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]),
    lambda: np.ma.masked,
    lambda: np.datetime64("2020-01-01"),
    lambda: np.timedelta64(3, "s"),
    lambda: np.zeros(3, dtype=[("a", "f4")]),
    lambda: torch.tensor(2),
    lambda: torch.tensor(0.5),
    lambda: torch.tensor(True),
    lambda: torch.tensor(math.nan),
    lambda: torch.tensor([1]),
    lambda: torch.zeros(3),
    lambda: torch.zeros(0),
    lambda: torch.ones(2, 3, 4),
    lambda: torch.ones(3, dtype=torch.complex64),
    lambda: torch.ones(3, dtype=torch.bfloat16),
    lambda: torch.ones(3, requires_grad=True),
    lambda: torch.eye(3).to_sparse(),
    lambda: torch.empty(3, device="meta"),
    lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    lambda: torch.float32,
    lambda: torch.device("cpu"),
    lambda: pd.NA,
    lambda: pd.NaT,
    lambda: pd.Series([0.1, 0.2, 0.3]),
    lambda: pd.Series([1, 2, 3], index=["a", "b", "c"]),
    lambda: pd.Series(["a", None, "b"]),
    lambda: pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 2.0]}),
    lambda: pd.Index([0, 1, 2]),
    lambda: pd.Categorical(["x", "y", "x"]),
    lambda: pd.Timestamp("2020-01-01"),
    lambda: pd.array([1, None, 3], dtype="Int64"),
    list,
    lambda: (),
    dict,
    lambda: set(),
    lambda: {1, 2},
    lambda: [0],
    lambda: [1, 2],
    lambda: (4, 5),
    lambda: [0.1, 0.2, 0.3],
    lambda: [1, "a"],
    lambda: [None],
    lambda: [[1, 2], [3]],
    lambda: ["input"],
    lambda: {"name": "raw"},
    lambda: {"name": None},
    lambda: {1: 2},
    lambda: {"x": 1},
    lambda: {"feature": 1},
    lambda: {None: None},
    lambda: range(3),
    lambda: (i for i in range(3)),
    lambda: iter([1]),
    lambda: map(str, [1]),
    lambda: slice(3),
    _recursive,
    Rude,
    Broken,
    Endless,
    object,
    lambda: object,
    lambda: int,
    lambda: len,
    lambda: lambda x: x,
    lambda: lambda: None,
    lambda: nn.Linear(3, 2),
    lambda: nn.Linear,
    lambda: Path("nowhere"),
    lambda: Ellipsis,
    lambda: NotImplemented,
    lambda: ValueError("a\nb"),
)

#: Numbers that no machine can serve; kept apart, since a limit is another matter than a type.
_ASTRONOMIC = (
    10**9,
    2**63,
    2**64,
    10**30,
    10**400,
    -(10**400),
    1e308,
    -1e308,
    np.uint64(2**64 - 1),
)


def wild() -> st.SearchStrategy[Any]:
    """Anything, mostly what people bring by mistake."""
    made = st.sampled_from(range(len(_MAKERS))).map(lambda at: _MAKERS[at]())
    drawn = st.one_of(
        st.integers(-5, 50),
        st.floats(width=32),
        st.text(max_size=12),
        st.lists(st.one_of(st.none(), st.integers(-3, 3), st.floats(-1, 1)), max_size=4),
        st.dictionaries(
            st.sampled_from(("name", "x", "feature", "scale")), st.integers(), max_size=2
        ),
    )
    return st.one_of(made, made, made, st.sampled_from(TEXTS), drawn, st.sampled_from(_ASTRONOMIC))


# --- What a setting means ------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """A setting of a part or an argument of a call.

    Args:
        plain: Valid values.
        meaning: What a value means: a plain value, ``NONE`` or ``MAYBE``.
    """

    plain: st.SearchStrategy[Any]
    meaning: Callable[[Any], Any]

    def good(self) -> st.SearchStrategy[Any]:
        return self.plain.flatmap(dressed)

    def any(self) -> st.SearchStrategy[Any]:
        return st.one_of(self.good(), wild())


def dressed(value: Any) -> st.SearchStrategy[Any]:
    """A value as libraries give it: scalars of NumPy, arrays and tensors without axes."""
    forms: list[Any] = [value]
    if type(value) is bool:
        forms += [np.bool_(value)]
    elif type(value) is int and abs(value) < 2**31:
        forms += [np.int64(value), np.int32(value), np.array(value), torch.tensor(value)]
    elif type(value) is float:
        forms += [np.float64(value), np.array(value), torch.tensor(value, dtype=torch.float64)]
    return st.sampled_from(forms)


def bare(value: Any) -> Any:
    if isinstance(value, np.ma.MaskedArray):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value.item()
    if isinstance(value, torch.Tensor) and value.ndim == 0 and not value.is_complex():
        return value.item()
    return value


def whole(low: int | None = None, high: int | None = None, good: int = 5) -> Setting:
    """A whole number from ``low`` to ``high``; plain values do not exceed ``good``."""

    def meaning(value: Any) -> Any:
        value = bare(value)
        if isinstance(value, bool | np.bool_ | np.timedelta64) or not isinstance(
            value, int | np.integer
        ):
            return NONE
        found = int(value)
        fits = (low is None or found >= low) and (high is None or found <= high)
        if not fits:
            return NONE
        return found if abs(found) <= 1000 else MAYBE

    return Setting(st.integers(0 if low is None else low, good), meaning)


def real(fits: Callable[[float], bool], *good: float) -> Setting:
    """A finite real number that ``fits``."""

    def meaning(value: Any) -> Any:
        value = bare(value)
        if isinstance(value, Decimal | np.longdouble | Fraction):
            return MAYBE
        if isinstance(value, bool | np.bool_ | np.timedelta64):
            return NONE
        if not isinstance(value, int | float | np.integer | np.floating):
            return NONE
        if isinstance(value, int) and abs(value) > 10**30:
            return MAYBE if fits(1e30 if value > 0 else -1e30) else NONE
        found = float(value)
        if not math.isfinite(found) or not fits(found):
            return NONE
        return found if abs(found) <= 1e6 else MAYBE

    return Setting(st.sampled_from(good), meaning)


def truth() -> Setting:
    def meaning(value: Any) -> Any:
        if isinstance(value, bool | np.bool_):
            return bool(value)
        # An array without axes that holds a truth value is one to some, and not to others.
        return MAYBE if isinstance(bare(value), bool) else NONE

    return Setting(st.booleans(), meaning)


def word(*known: str) -> Setting:
    def meaning(value: Any) -> Any:
        return str(value) if isinstance(value, str) and value in known else NONE

    return Setting(st.sampled_from(known), meaning)


def optional(setting: Setting) -> Setting:
    def meaning(value: Any) -> Any:
        return None if value is None else setting.meaning(value)

    return Setting(st.one_of(st.none(), setting.plain), meaning)


def free(good: st.SearchStrategy[Any]) -> Setting:
    """A setting of many forms, of which nothing is known but that some are good."""

    def meaning(value: Any) -> Any:
        return MAYBE

    return Setting(good, meaning)


def numbers(width: int, low: float = -math.inf) -> Setting:
    """A number, or numbers that broadcast against the ``width`` features of a row."""

    def meaning(value: Any) -> Any:
        value = bare(value)
        if isinstance(value, bool | np.bool_ | str | bytes | None | dict | set):
            return NONE
        if isinstance(value, int | float | np.integer | np.floating):
            if not abs(value) <= 1e6:
                return MAYBE if value >= low and abs(value) != math.inf else NONE
            found = torch.tensor(float(value), dtype=torch.float64)
        elif (
            isinstance(value, list | tuple)
            and value
            and all(type(v) in (int, float) for v in value)
        ):
            found = torch.tensor(value, dtype=torch.float64)
        elif type(value) is np.ndarray and value.dtype.kind in "fi":
            found = torch.from_numpy(value.astype(np.float64))
        else:
            return MAYBE
        if not bool(found.isfinite().all()) or bool((found < low).any()):
            return NONE
        try:
            return found.expand(width)
        except RuntimeError:
            return NONE

    scalars = st.sampled_from((0.0, 0.1, 0.25, 1.0))
    rows = st.lists(st.sampled_from((0.0, 0.1, 0.5)), min_size=width, max_size=width)
    forms = rows.flatmap(
        lambda row: st.sampled_from(
            [row, tuple(row), np.array(row), torch.tensor(row), pd.Series(row)]
        )
    )
    return Setting(st.one_of(scalars, forms), meaning)
