"""Inputs: data of the plain tensors, of tables and of spectra, and baselines made of data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

import salience
from salience import Explainer, IntegratedGradients, Mean, PerItem, Tensors
from salience_tabular import Tabular
from salience_template.dense import Spectra

from .oracle import Case
from .specs import brief
from .subject import N_ITEMS, WIDTH, explainer, network, rows, slow, told
from .values import MAYBE, NONE, wild


@cache
def folder() -> Path:
    """A folder for files that inputs are made of."""
    return Path(mkdtemp(prefix="salience-fuzz-"))


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(tensors(), tables(), csv_files(), spectra(), baselines(), settings())


def by_rows(values: Any) -> Callable[[], dict[str, Any]]:
    """The right gradients: each row of a matrix by itself, in its own precision."""

    def expected() -> dict[str, Any]:
        given = torch.as_tensor(np.asarray(values, dtype=np.float64))
        return {"values": [torch.stack([slow("gradient", x, {}) for x in given])]}

    return expected


class Any64(nn.Module):
    """The network, whatever precision its rows have."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inner(x.double())
        return found


#: Entries of a matrix that are numbers, and those that are none.
_NUMBERS = st.one_of(st.integers(-3, 3), st.floats(-2, 2, width=16))
_ODD = st.sampled_from(
    (
        float("nan"),
        float("inf"),
        None,
        "x",
        "1.5",
        True,
        1j,
        10**400,
        1e308,
        b"1",
        pd.NA,
        pd.NaT,
        [1],
    )
)


@st.composite
def matrices(draw: Any) -> list[list[Any]]:
    """Rows of numbers; WIDTH columns."""
    row = st.lists(_NUMBERS, min_size=WIDTH, max_size=WIDTH)
    return draw(st.lists(row, min_size=1, max_size=N_ITEMS))


_FORMS: dict[str, Callable[[Any], Any]] = {
    "tensor": lambda m: torch.tensor(m, dtype=torch.float64),
    "float32": lambda m: torch.tensor(m, dtype=torch.float32),
    "array": lambda m: np.array(m, dtype=float),
    "big-endian": lambda m: np.array(m, dtype=">f8"),
    "Fortran": lambda m: np.asfortranarray(np.array(m, dtype=float)),
    "turned": lambda m: np.array(m, dtype=float)[::-1][::-1],
    "frame": lambda m: pd.DataFrame(np.array(m, dtype=float), columns=["a", "b", "c"]),
    "numbered frame": lambda m: pd.DataFrame(np.array(m, dtype=float)),
    "objects": lambda m: np.array(m, dtype=object),
    "nullable": lambda m: pd.DataFrame(
        np.array(m, dtype=float), columns=list("abc")
    ).convert_dtypes(),
    "needs gradient": lambda m: torch.tensor(m, dtype=torch.float64, requires_grad=True),
    "longdouble": lambda m: np.array(m, dtype=np.longdouble),
    "masked": lambda m: np.ma.masked_array(np.array(m, dtype=float), False),
    "list": lambda m: [list(map(float, r)) for r in m],
}


@st.composite
def _matrix(draw: Any, forms: tuple[str, ...]) -> tuple[str, Any, Any]:
    """Words, a matrix in some form, and its plain form."""
    matrix = draw(matrices())
    form = draw(st.sampled_from(forms))
    if draw(st.integers(0, 3)):
        return f"{form} {matrix}", _FORMS[form](matrix), matrix
    odd = [list(row) for row in matrix]
    odd[draw(st.integers(0, len(odd) - 1))][draw(st.integers(0, WIDTH - 1))] = draw(_ODD)
    how = draw(st.sampled_from(("list", "objects", "frame", "ragged", "empty", "deep", "half")))
    if how == "ragged":
        odd[0] = odd[0][:-1]
        return f"ragged {odd}", odd, MAYBE
    if how == "empty":
        return "empty", np.zeros((0, WIDTH)), NONE
    if how == "deep":
        return "three axes", np.zeros((2, WIDTH, 1)), NONE
    if how == "half":
        return f"half {matrix}", torch.tensor(matrix, dtype=torch.bfloat16), matrix
    if how == "frame":
        return f"frame {brief(odd)}", pd.DataFrame(odd, columns=list("abc")), MAYBE
    return (
        f"odd {brief(odd)}",
        odd if how == "list" else np.array([*odd, [None] * WIDTH], object)[:-1],
        MAYBE,
    )


@st.composite
def tensors(draw: Any) -> Case:
    """Data of the domain of plain tensors."""
    if draw(st.integers(0, 4)) == 0:
        given = draw(wild())
        if draw(st.booleans()):
            given = {draw(st.sampled_from(("x", "y", 1))): given}
        return Case(f"Tensors: {brief(given)}", lambda: told(explainer().explain(given)))
    text, given, plain = draw(_matrix(tuple(_FORMS)))
    domain = Tensors()

    def run() -> Any:
        return told(Explainer(Any64(), domain).explain(given))

    right = plain if plain in (NONE, MAYBE) else by_rows(plain)
    return Case(f"Tensors: {text}", run, right, tolerance=_tolerance(given))


_NAMES = (
    "a",
    "b",
    "",
    "two\nlines",
    "ü" * 300,
    0,
    1,
    -1,
    1.5,
    None,
    float("nan"),
    ("a", "b"),
    True,
)


@st.composite
def tables(draw: Any) -> Case:
    """Data of the domain of tables."""
    if draw(st.integers(0, 4)) == 0:
        given = draw(wild())
        return Case(
            f"Tabular: {brief(given)}",
            lambda: told(Explainer(Any64(), Tabular()).explain(given)),
        )
    forms = tuple(name for name in _FORMS if name != "list")
    text, given, plain = draw(_matrix(forms))
    if isinstance(given, pd.DataFrame) and draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(_NAMES), min_size=WIDTH, max_size=WIDTH))
        given = given.set_axis(pd.Index(names, dtype=object, tupleize_cols=False), axis=1)
        text += f" columns {brief(list(given.columns))}"
        plain = MAYBE if plain is NONE else plain

    def run() -> Any:
        found = Explainer(Any64(), Tabular()).explain(given)
        found.to_dataframe()
        return told(found)

    right = plain if plain in (NONE, MAYBE) else by_rows(plain)
    return Case(f"Tabular: {text}", run, right, tolerance=_tolerance(given))


def _tolerance(given: Any) -> float:
    dtype = str(getattr(given, "dtype", ""))
    return 1e-2 if "16" in dtype else 1e-5 if "32" in dtype else 1e-6


@st.composite
def csv_files(draw: Any) -> Case:
    """A table as a file, with faults of all kinds."""
    matrix = draw(matrices())
    lines = ["a,b,c", *(",".join(map(repr, row)) for row in matrix)]
    data, plain = "\n".join(lines).encode() + b"\n", matrix
    fault = draw(st.sampled_from(("none", "none", "bytes", "cut", "cell", "line", "encoding")))
    if fault == "bytes":
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(min_size=0, max_size=3)) + data[at + 1 :]
    elif fault == "cut":
        data = data[: draw(st.integers(0, len(data)))]
    elif fault == "cell":
        cell = draw(st.text(max_size=6)).encode(errors="replace")
        data = data.replace(b",", b"," + cell + b",", 1)
    elif fault == "line":
        data += draw(
            st.sampled_from((b"1,2\n", b"1,2,3,4\n", b",,\n", b"\n\n", b'"\n', b"#\n", b"\xff\n"))
        )
    elif fault == "encoding":
        data = data.decode().encode(draw(st.sampled_from(("utf-16", "utf-8-sig", "utf-32"))))
        plain = MAYBE
    if fault in ("bytes", "cut", "cell", "line"):
        plain = MAYBE
    skip = draw(st.booleans())

    def run() -> Any:
        path = folder() / "table.csv"
        path.write_bytes(data)
        domain = Tabular(on_error="skip" if skip else "raise")
        return told(Explainer(Any64(), domain).explain(str(path)))

    right = MAYBE if plain is MAYBE else by_rows(plain)
    return Case(f"CSV {data!r} skip={skip}", run, right)


class Peaks(nn.Module):
    """Scores of two classes of a spectrum."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv = nn.Conv1d(2, 3, 2).double()

    def forward(self, intensity: Tensor) -> Tensor:
        found: Tensor = self.conv(intensity.double()).tanh().mean(2)
        return found


@st.composite
def spectra(draw: Any) -> Case:
    """Data and settings of the template's domain."""
    shape = draw(st.sampled_from(((3, 2, 5), (1, 2, 4), (2, 2, 0), (2, 5), (0, 2, 5), (2, 3, 5))))
    values = np.random.default_rng(0).normal(size=shape)
    kind = draw(st.sampled_from(("array", "float32", "file", "broken file", "wild", "settings")))
    options: dict[str, Any] = {}
    given: Any = values
    if kind == "float32":
        given = torch.tensor(values).float()
    elif kind == "wild":
        given = draw(wild())
    elif kind == "settings":
        options = {draw(st.sampled_from(("wavelengths", "unit"))): draw(wild())}
    fault = draw(st.tuples(st.integers(0, 200), st.binary(max_size=3)))
    wanted = kind in ("array", "float32", "file")
    right_shape = len(shape) == 3 and 0 not in shape and shape[1] == 2

    def data() -> Any:
        if "file" not in kind:
            return given
        path = folder() / "spectra.npy"
        np.save(path, values)
        if kind == "broken file":
            raw = path.read_bytes()
            path.write_bytes(raw[: fault[0]] + fault[1] + raw[fault[0] + 1 :])
        return str(path)

    def run() -> Any:
        found = Explainer(Peaks(), Spectra(**options)).explain(data())
        return told(found)

    def expected() -> Any:
        each = [
            Explainer(Peaks(), Spectra(), max_rows=1).explain(values[i : i + 1])
            for i in range(len(values))
        ]
        return {"values": [torch.cat([e.values for e in each])]}

    text = (
        f"Spectra: {kind} {shape} {brief(given) if kind == 'wild' else ''} {brief(options)}{fault}"
    )
    if not right_shape and wanted and not (len(shape) == 3 and shape[1] == 3):
        return Case(text, run, NONE)
    tolerance = 1e-4 if kind == "float32" else 1e-6
    return Case(text, run, expected if wanted and right_shape else MAYBE, tolerance)


@st.composite
def baselines(draw: Any) -> Case:
    """Baselines of items, and means of data."""
    kind = draw(
        st.sampled_from(("per item", "mean", "wild item", "wild mean", "wild entry", "mapping"))
    )
    base = np.random.default_rng(1).normal(size=(N_ITEMS, WIDTH))
    text = kind
    if kind == "per item":
        forms = (
            torch.tensor(base),
            base,
            pd.DataFrame(base),
            list(base),
            [r.tolist() for r in base],
        )
        form = draw(st.sampled_from(forms))
        made: Callable[[], Any] = lambda: PerItem(form)  # noqa: E731
        text += f" as {type(form).__name__}"
        right = list(base)
    elif kind == "mean":
        made, right = (lambda: Mean(base)), [base.mean(0)] * N_ITEMS
    else:
        right = MAYBE
        odd = draw(wild())
        entry = [*base[:-1], odd]
        makers: dict[str, Callable[[], Any]] = {
            "wild item": lambda: PerItem(odd),
            "wild mean": lambda: Mean(odd),
            "wild entry": lambda: PerItem(entry),
            "mapping": lambda: {"x": odd},
        }
        made = makers[kind]
        text += f" {brief(odd)}"
    method = draw(st.sampled_from(("integrated_gradients", "occlusion")))

    def run() -> Any:
        at = made()
        part = (
            IntegratedGradients(steps=4, baseline=at)
            if "int" in method
            else salience.Occlusion(value=at)
        )
        return told(explainer().explain(rows(), part))

    def expected() -> Any:
        name = "baseline" if "int" in method else "value"
        each = [
            slow(method, x, {"steps": 4, name: torch.as_tensor(b)})
            for x, b in zip(rows(), right, strict=True)
        ]
        return {"values": [torch.stack(each)]}

    return Case(f"{method} baseline {text}", run, right if right is MAYBE else expected)


@st.composite
def settings(draw: Any) -> Case:
    """Settings of the domain of tables."""
    names = ("categorical", "feature_names", "on_error", "id_column")
    names += ("categories", "scaler", "class_names")
    given = draw(st.dictionaries(st.sampled_from(names), wild(), min_size=1, max_size=2))
    frame = pd.DataFrame(rows().numpy(), columns=["a", "b", "c"])
    as_mapping = draw(st.booleans())

    def run() -> Any:
        domain = {"name": "tabular", **given} if as_mapping else Tabular(**given)
        return told(Explainer(Any64(), domain).explain(frame))

    return Case(f"Tabular(**{brief(given)})", run)
