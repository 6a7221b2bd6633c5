"""Inputs: the command line, called in this process."""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner
from hypothesis import strategies as st
from safetensors.torch import save_file

from salience import Explanation, InputError, Tensors
from salience.cli import main

from .data import folder
from .oracle import Case
from .specs import Spec, of_name, specs
from .subject import explainer, network, rows
from .values import MAYBE
from .values import TEXTS as ANY_TEXTS

#: Texts that a shell can hand over.
TEXTS = tuple(text for text in ANY_TEXTS if "\0" not in text and "\ud800" not in text)

_MODEL = """
import torch
from tests.fuzz.subject import network
def made():
    return network()
def failing():
    raise ValueError("no\\nsuch size at 0x7f0123456789")
def nothing():
    return None
number = 3
def table():
    from tests.fuzz.subject import rows
    return rows()
"""


@cache
def _prepared() -> Path:
    """A folder with a model, its weights and rows."""
    place = folder() / "command"
    place.mkdir()
    (place / "fuzzed_model.py").write_text(_MODEL)
    (place / "broken_model.py").write_text("def (:\n")
    names = ",".join("abc")
    lines = [",".join(repr(v) for v in row) for row in rows().tolist()]
    (place / "rows.csv").write_text("\n".join([names, *lines]) + "\n")
    save_file(dict(network().state_dict()), place / "weights.safetensors")
    torch.save(network().state_dict(), place / "weights.pt")
    (place / "no.pt").write_bytes(b"PK\x03\x04 nothing")
    (place / "no.csv").write_bytes(b"\xff\xfe\x00")
    (place / "ids.txt").write_text("".join(f"row {at}\n" for at in range(len(rows()))))
    (place / "few.txt").write_text("a\nb\n")
    (place / "classes.txt").write_text("no\nyes\nmay be\n")
    own = explainer(domain="tabular", max_rows=5)
    own.explain(rows(), samplers=["gaussian"], n_samples=2).save(place / "saved.salience")
    return place


#: Option → valid texts.
_GOOD: dict[str, tuple[str, ...]] = {
    "--domain": ("tabular",),
    "--model": ("fuzzed_model:made",),
    "--weights": ("weights.safetensors", "weights.pt"),
    "--target": ("input", "numeric"),
    "--output": ("predicted", "class:1", "cross_entropy", "value:2"),
    "--seed": ("0", "7"),
    "--device": ("cpu",),
    "--max-rows": ("auto", "1", "5"),
    "--items": ("0", "1"),
    "--format": ("png", "svg"),
    "--visualizer": ("bar", "bar:sort=false", "heatmap"),
    "--n-samples": ("1",),
    "--ids": ("ids.txt",),
    "--class-names": ("classes.txt",),
    "--on-error": ("raise", "skip"),
    "--export": ("table.csv", "table.npy", "table.parquet"),
    "--report": ("report.html",),
}
#: Options of explain alone.
_WRITTEN = ("--items", "--format", "--visualizer", "--export", "--report")
_BAD: dict[str, tuple[str, ...]] = {
    "--domain": ("tabula", "vision", "tabular:on_error=x", "molgraph", "spectra"),
    "--model": (
        "fuzzed_model",
        "fuzzed_model:failing",
        "fuzzed_model:nothing",
        "fuzzed_model:number",
        "broken_model:x",
        "os:getcwd",
        ":",
        "nowhere:x",
        "sys:exit",
    ),
    "--weights": ("no.pt", "rows.csv", "nowhere.pt", "."),
    "--target": ("0", "1", "9", "input.x", "0:axes=item,x", "0:axes=[", ":", "0:axis=item"),
    "--output": ("class:9", "class", "value", "tap", "tap:module=1", "class:index=x", "custom"),
    "--seed": ("9" * 5000, "x", "1.5", "-1", "99999999999999999999999999"),
    "--device": ("cuda:9", "meta", "nowhere", "xla"),
    "--max-rows": ("9" * 5000, "0", "-1", "x", "1.5", "²"),
    "--items": ("-1", "x"),
    "--format": ("xyz", "a/b", "jpg", ""),
    "--visualizer": ("overlay", "bar:sort=x", "bar:", "molecule"),
    "--n-samples": (
        "9" * 5000,
        "0",
        "2",
        "x",
        "2,3",
        "until:max=4",
        "until:x=1",
        "1,1",
        "²",
        "1,",
        ",",
    ),
    "--ids": ("few.txt", "nowhere.txt", ".", "weights.pt"),
    "--id-column": ("nowhere", "a", ""),
    "--transform": ("fuzzed_model:made", "nowhere:x", ":"),
    "--class-names": ("nowhere.txt", "fuzzed_model:number", "fuzzed_model:failing"),
    "--on-error": ("x", ""),
    "--export": ("table.xyz", ".", "", "rows.csv", "rows.csv/t.csv"),
    "--report": ("report.pdf", ".", "", "rows.csv/r.html"),
    "--out": ("rows.csv", "rows.csv/x", "", "z" * 300, "two\nlines"),
    "data": (
        *("no.csv", "nowhere.csv", ".", "rows.csv", "-", "weights.pt", "*.csv", "no*.xyz"),
        *("fuzzed_model:number", "fuzzed_model:failing", "nowhere:x", "os:sep", "[", "**/*"),
    ),
}
#: Words behind a command on a run that was saved.
_SAVED: dict[str, tuple[str, ...]] = {
    "show": (
        *("--item=0", "--item=-1", "--item=99", "--item=x", "--items=0", "--format=xyz"),
        *("--visualizer=bar", "--visualizer=overlay", "--out=out", "--out=.", "--overwrite"),
    ),
    "report": ("--out=out.html", "--out=out.pdf", "--title=<b>", "a=saved.salience", "rows.csv"),
    "rerun": (
        *("--model=fuzzed_model:made", "--model=fuzzed_model:number", "--out=out", "rows.csv"),
        *("--weights=weights.pt", "--items=0", "--device=nowhere", "--max-rows=5", "no.csv"),
    ),
}


@st.composite
def cases(draw: Any) -> Case:
    """One command with at most one option out of the way."""
    command = draw(st.sampled_from(("explain", "explain", "check", "plugins", *_SAVED)))
    if command in _SAVED:
        words = st.one_of(st.sampled_from(_SAVED[command]), st.sampled_from(TEXTS))
        saved = draw(st.sampled_from(("saved.salience", "saved.salience", "rows.csv", "")))
        line = [command, saved, *draw(st.lists(words, max_size=4))]
        return Case(f"salience {line}", lambda: _called(line), late=True)
    if command == "plugins":
        more = draw(st.lists(st.sampled_from(("--json", "--help", *TEXTS)), max_size=2))
        return Case(f"plugins {more}", lambda: _called(["plugins", *more]))
    chosen = {name: draw(st.sampled_from(_GOOD[name])) for name in ("--domain", "--model")}
    optional = sorted(set(_GOOD) - set(chosen))
    for name in draw(st.lists(st.sampled_from(optional), max_size=3, unique=True)):
        if command == "explain" or name not in _WRITTEN:
            chosen[name] = draw(st.sampled_from(_GOOD[name]))
    calculator = draw(_written("calculators", good=True))
    data, out = [draw(st.sampled_from(("rows.csv", "fuzzed_model:table")))], "out"
    odd = draw(st.sampled_from(("", "", "option", "option", "calculator", "data")))
    late = False
    if odd == "option":
        name = draw(st.sampled_from(sorted(set(_BAD) - {"data"})))
        value = draw(st.one_of(st.sampled_from(_BAD[name]), st.sampled_from(TEXTS)))
        if name == "--out":
            out = value.replace("..", "")
        else:
            chosen[name] = value
        late = name == "--visualizer"  # whether it fits the saliency is seen in the rehearsal
    elif odd == "calculator":
        calculator = draw(_written("calculators", good=False))
    elif odd == "data":
        data = draw(st.lists(st.sampled_from((*_BAD["data"], *TEXTS)), max_size=2))
    aggregator = draw(_written("aggregators", good=True))
    line = [command, "--calculator", calculator.given]
    for name, value in chosen.items():
        line += [name, value]
    if command == "explain":
        line += ["--out", out, "--aggregator", "raw", "--no-progress"]
    text = f"salience {line + data}"
    settled = not odd and command == "explain" and not isinstance(calculator.plain, type(MAYBE))
    del aggregator

    def expected() -> dict[str, Any]:
        own = explainer(domain=Tensors(), output=chosen.get("--output"), max_rows=1)
        return {"values": own.explain(rows(), calculator.plainly()).values}

    return Case(text, lambda: _called(line + data), expected if settled else MAYBE, 1e-5, late)


def _written(kind: str, good: bool) -> st.SearchStrategy[Spec]:
    """Parts as text."""
    made = (
        specs(kind, good=good)
        if not good
        else of_name(kind, "gradient" if kind == "calculators" else "raw", True)
    )
    return made.filter(lambda s: isinstance(s.given, str))


def _called(line: list[str]) -> dict[str, Any]:
    """Call the command; a refusal becomes an InputError, so that one judge serves all."""
    place, before = _prepared(), Path.cwd()
    sys.path.insert(0, str(Path(__file__).parents[2]))
    os.chdir(place)
    for left in ("out", "saved_pictures"):
        shutil.rmtree(place / left, ignore_errors=True)
    try:
        result = CliRunner().invoke(main, line)
    finally:
        os.chdir(before)
        sys.path.pop(0)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if "Traceback" in result.output:
        raise RuntimeError(result.output)
    if result.exit_code == 2:  # click says how the command is used, then one line of what is wrong
        raise InputError(result.output.strip().splitlines()[-1].removeprefix("Error: "))
    if result.exit_code == 1 and line[0] in ("explain", *_SAVED):
        raise InputError(result.output.strip().splitlines()[-1].removeprefix("Error: "))
    if line[0] == "explain" and "--help" not in line:
        out = line[line.index("--out") + 1]
        return {"values": Explanation.load(place / out / "run.salience").values}
    return {}
