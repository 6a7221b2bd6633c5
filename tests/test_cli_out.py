"""What the command line writes: folders as one, pictures by ids, reports, runs drawn again."""

from __future__ import annotations

import importlib
import importlib.util
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch

import salience
from salience import Explanation, InputError, Saliency
from salience.cli.pictures import picture_names
from salience.cli.saved import difference_words
from tests.commands import run

pytestmark = pytest.mark.skipif(
    not find_spec("salience_tabular") or not find_spec("salience_report"),
    reason="needs salience-tabular and salience-report",
)

MODELS = """
    import torch
    from torch import nn

    def rows():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))

    def other():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(3, 2))
"""
ROWS = ("--domain", "tabular:id_column=plant", "--model", "given:rows", "rows.csv")
NOISE = ("--sampler", "mc_dropout", "--sampler", "gaussian", "--n-samples", "3", "--seed", "4")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "given.py").write_text(dedent(MODELS))
    (tmp_path / "rows.csv").write_text("plant,a,b,c\nroot,1,2,3\nstem,0,1,2\nleaf,2,2,-2\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("given", None)


def refused(*words: str, said: str) -> None:
    result = run(*words)
    assert result.exit_code == 1, result.output
    last = result.output.splitlines()[-1]
    assert last.startswith("Error: ") and said in last, result.output
    assert len(last) <= 400


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- The folder ----------------------------------------------------------------------------------


def test_a_folder_of_another_run_is_refused_or_replaced_as_one(place: Path) -> None:
    assert run("explain", *ROWS, "--out", "out").exit_code == 0
    first = names(place / "out")
    assert first == ["leaf.png", "mean.png", "root.png", "run.salience", "stem.png"]
    before = (place / "out" / "run.salience").read_bytes()
    refused("explain", *ROWS, "--items", "1", "--out", "out", said="--overwrite")
    assert names(place / "out") == first
    assert (place / "out" / "run.salience").read_bytes() == before
    words = (*ROWS, "--items", "1", "--format", "svg", "--out", "out", "--overwrite")
    assert run("explain", *words).exit_code == 0
    assert names(place / "out") == ["mean.svg", "root.svg", "run.salience"]
    assert not list(place.glob(".*"))


def test_files_that_no_run_wrote_are_never_replaced(place: Path) -> None:
    run("explain", *ROWS, "--items", "0", "--out", "out")
    (place / "out" / "thesis.txt").write_text("years of work")
    refused("explain", *ROWS, "--out", "out", "--overwrite", said="'thesis.txt', which no run")
    (place / "out" / "thesis.txt").rename(place / "thesis.txt")
    (place / "out" / "more").mkdir()
    refused("explain", *ROWS, "--out", "out", "--overwrite", said="'more', which no run wrote")
    (place / "mine").mkdir()
    (place / "mine" / "photo.png").write_bytes(b"")
    refused("explain", *ROWS, "--out", "mine", "--overwrite", said="which no run wrote")
    refused("explain", *ROWS, "--out", ".", "--overwrite", said="the folder that you are in")
    refused("explain", *ROWS, "--out", "..", "--overwrite", said="the folder that you are in")
    (place / "data").mkdir()
    (place / "rows.csv").rename(place / "data" / "rows.csv")
    own = (*ROWS[:-1], "data/rows.csv")
    refused("explain", *own, "--out", "data", "--overwrite", said="'rows.csv', which is read")
    assert names(place / "data") == ["rows.csv"]


def test_an_empty_folder_is_used_and_parents_are_made(place: Path) -> None:
    (place / "empty").mkdir()
    for out in ("empty", "new/inner"):
        assert run("explain", *ROWS, "--items", "0", "--out", out).exit_code == 0
        assert names(place / out) == ["mean.png", "run.salience"]
    (place / "link").symlink_to(place / "target")
    assert run("explain", *ROWS, "--items", "0", "--out", "link").exit_code == 0
    assert (place / "link").is_symlink() and (place / "target" / "run.salience").is_file()


def test_the_explanation_is_kept_where_a_picture_fails(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Explanation.visualize

    def failing(self: Explanation, item: Any = None, **settings: Any) -> Any:
        if len(self) == 3 and item == 1:  # not in the rehearsal, which has two items
            raise salience.InputError("no ink; buy some")
        return draw(self, item, **settings)

    monkeypatch.setattr(Explanation, "visualize", failing)
    refused(
        "explain",
        *ROWS,
        "--out",
        "out",
        said="1 files could not be written, such as item 'stem' (no ink; buy some)",
    )
    assert names(place / "out") == ["leaf.png", "mean.png", "root.png", "run.salience"]

    def interrupted(self: Explanation, item: Any = None, **settings: Any) -> Any:
        if len(self) == 3 and item == 1:
            raise KeyboardInterrupt
        return draw(self, item, **settings)

    monkeypatch.setattr(Explanation, "visualize", interrupted)
    assert run("explain", *ROWS, "--out", "out2").exit_code == 1
    assert names(place / "out2") == ["root.png", "run.salience"]
    assert not list(place.glob(".*"))


# --- What could be refused is refused before the run ---------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "xyz"), "cannot write a picture as 'xyz'"),
        (("--format", "../x"), "--format '../x' is no format"),
        (("--visualizer", "overlay"), ""),
        (("--export", "t.xlsx"), "cannot export to '.xlsx'"),
        (("--export", "rows.csv"), "--export 'rows.csv' is a file that is read"),
        (("--export", "given.py/t.csv"), "a file; pass another path"),
        (("--report", "r.pdf"), "a report is an HTML file"),
        (("--report", "."), "a report is an HTML file"),
        (("--export", "folder.csv"), "is a folder"),
    ],
)
def test_outputs_are_refused_before_the_run(
    words: tuple[str, ...], said: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "folder.csv").mkdir()
    explained: list[int] = []
    explain = salience.Explainer.explain

    def counting(self: salience.Explainer, data: Any, *args: Any, **settings: Any) -> Explanation:
        explained.append(len(data))
        return explain(self, data, *args, **settings)

    monkeypatch.setattr(salience.Explainer, "explain", counting)
    refused("explain", *ROWS, *words, "--out", "out", said=said)
    assert 3 not in explained  # two rows at most, of a rehearsal
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("missing", "words", "said"),
    [
        ("salience_report", ("--report", "r.html"), "pip install salience-report"),
        ("pyarrow", ("--export", "t.parquet"), "pip install pyarrow"),
        ("pandas", ("--export", "t.csv"), "pip install pandas"),
    ],
)
def test_missing_packages_are_named_before_the_run(
    missing: str, words: tuple[str, ...], said: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from salience.results.files import export

    load, find = importlib.import_module, importlib.util.find_spec

    def loaded(name: str, package: str | None = None) -> Any:
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return load(name, package)

    monkeypatch.setattr(importlib, "import_module", loaded)
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == missing else find(name))
    refused("explain", *ROWS, *words, "--out", "out", said=said)
    assert not (place / "out").exists()


def test_a_ragged_table_is_no_array_and_is_refused_before_the_run(place: Path) -> None:
    pytest.importorskip("salience_molgraph")
    (place / "atoms.py").write_text(
        dedent("""
        import torch
        from torch import nn

        class atoms(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Embedding(100, 4)

            def forward(self, atoms, edge_index, owner):
                hidden = self.embed(atoms).tanh()
                return hidden.new_zeros(int(owner.max()) + 1, 4).index_add(0, owner, hidden)[:, :1]
        """)
    )
    words = ("--domain", "molgraph", "--model", "atoms:atoms", "--out", "out", "CCO", "N", "CC")
    refused("explain", *words, "--export", "t.npy", said="no single array")
    assert not (place / "out").exists()


def test_tables_and_reports_are_written_beside_or_inside_the_folder(place: Path) -> None:
    import numpy as np
    import pandas as pd

    words = ("--export", "out/t.csv", "--report", "r.html", "--out", "out")
    result = run("explain", *ROWS, *words, "--items", "0")
    assert result.exit_code == 0, result.output
    assert names(place / "out") == ["mean.png", "run.salience", "t.csv"]
    saved = Explanation.load(place / "out" / "run.salience")
    frame = pd.read_csv(place / "out" / "t.csv")
    np.testing.assert_allclose(frame["saliency"], saved.values.flatten().numpy(), rtol=1e-6)
    assert set(frame["id"]) == {"root", "stem", "leaf"}
    assert "leaf" in (place / "r.html").read_text()
    result = run("explain", *ROWS, "--export", "t.npy", "--items", "0", "--out", "out3")
    assert np.array_equal(np.load(place / "t.npy"), saved.values.numpy())


def test_a_single_item_without_draws_is_explained_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "rows.csv").write_text("plant,a,b,c\nroot,1,2,3\n")
    calls: list[int] = []
    explain = salience.Explainer.explain

    def counting(self: salience.Explainer, data: Any, *args: Any, **settings: Any) -> Explanation:
        calls.append(len(data))
        return explain(self, data, *args, **settings)

    monkeypatch.setattr(salience.Explainer, "explain", counting)
    assert run("explain", *ROWS, "--out", "out").exit_code == 0
    assert calls == [1]  # the rehearsal was all there is
    assert run("explain", *ROWS, *NOISE, "--out", "out2").exit_code == 0
    assert calls == [1, 1, 1]
    expected = salience.explain(
        _rows(),
        "rows.csv",
        "tabular:id_column=plant",
        samplers=["mc_dropout", "gaussian"],
        n_samples=3,
        seed=4,
    )
    found = Explanation.load(place / "out2" / "run.salience")
    assert torch.equal(found.values, expected.values) and found.n_samples == 3


def _rows() -> torch.nn.Module:
    torch.manual_seed(0)
    return _model()


def test_a_folder_keeps_its_permissions(place: Path) -> None:
    run("explain", *ROWS, "--items", "0", "--out", "out")
    (place / "out").chmod(0o750)
    run("explain", *ROWS, "--items", "0", "--out", "out", "--overwrite")
    assert stat.S_IMODE((place / "out").stat().st_mode) == 0o750


# --- Names of pictures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([0, 1, 12], ["0000", "0001", "0012"]),
        ([-3, 12345], ["_-003", "12345"]),
        (["CCO", "c1ccccc1O"], ["CCO", "c1ccccc1O"]),
        (["CCO", "CCO", "CCO-2"], ["CCO", "CCO-2", "CCO-2-2"]),
        (["a", "A"], ["a", "A-2"]),
        (["F/C=C/F", "F/C=C\\F"], ["F_C=C_F", "F_C=C_F-2"]),
        (["../../etc/passwd", "/", "..", "."], ["__.._etc_passwd", "_", "item", "item-2"]),
        (["", " ", "mean", "Mean"], ["item", "item-2", "mean-2", "Mean-3"]),
        ([".hidden", "-rf", "~root", "con", "NUL.png"], None),
        (["$(reboot)", "`id`", "a;b|c&d>e", "a\nb\tc\0d"], None),
        (["\u202egnp.exe", "e\u0301", "\u200b", "日本"], None),
        (["x" * 5000, "日" * 5000, "x" * 4999], None),
        (["a.jpg", "b.png"], ["a", "b"]),
        (["a.jpg", "a.png"], ["a.jpg", "a.png"]),
        (["1.5", "v1.2"], ["1.5", "v1.2"]),
    ],
)
def test_pictures_have_safe_names_by_the_ids_of_their_items(
    ids: list[int | str], expected: list[str] | None, tmp_path: Path
) -> None:
    found = picture_names(ids, (".jpg", ".png"))
    assert expected is None or found == expected
    assert len({name.casefold() for name in found}) == len(ids)
    for name in found:
        assert re.fullmatch(r"[^/\\:*?\"<>|$`;&'!~\x00-\x1f\x7f]+", name)
        assert not name.startswith((".", "-", " ")) and not name.endswith((".", " "))
        assert name.isprintable() and len(name.encode()) <= 96
        assert name.casefold() not in ("mean", "con", "nul")
        (tmp_path / f"{name}.png").write_bytes(b"")
    assert len(list(tmp_path.iterdir())) == len(ids)


def test_hostile_ids_write_nothing_outside_of_the_folder(place: Path) -> None:
    rows = "\n".join(["plant,a,b,c", "../../up,1,2,3", "/etc/x,1,1,1", '"a\nb",2,1,0'])
    (place / "rows.csv").write_text(rows + "\n")
    before = names(place.parent)
    assert run("explain", *ROWS, "--out", "out").exit_code == 0
    assert len(names(place / "out")) == 5 and names(place.parent) == before


# --- Runs drawn again, computed again, and reported ----------------------------------------------


@pytest.fixture
def saved(place: Path) -> Path:
    result = run("explain", *ROWS, *NOISE, "--items", "0", "--out", "out")
    assert result.exit_code == 0, result.output
    return place / "out" / "run.salience"


def test_a_run_is_drawn_again_without_its_model(saved: Path, place: Path) -> None:
    (place / "given.py").unlink()
    result = run("show", "out/run.salience")
    assert result.exit_code == 0, result.output
    expected = ["leaf.png", "mean.png", "pictures.csv", "root.png", "stem.png"]
    assert names(place / "out" / "run_pictures") == expected
    words = ("--item", "stem", "--item", "0", "--item", "-1", "--format", "svg")
    result = run("show", "out/run.salience", *words, "--out", "some")
    assert names(place / "some") == ["leaf.svg", "pictures.csv", "root.svg", "stem.svg"]
    listed = (place / "some" / "pictures.csv").read_text().split()
    assert listed == ["file,id", "stem.svg,stem", "root.svg,root", "leaf.svg,leaf"]
    refused("show", "out/run.salience", "--out", "some", said="--overwrite")
    result = run("show", "out/run.salience", "--visualizer", "bar", "--overwrite", "--out", "some")
    assert names(place / "some") == expected


def test_a_folder_of_photos_is_never_replaced(saved: Path, place: Path) -> None:
    (place / "photos").mkdir()
    (place / "photos" / "a.png").write_bytes(b"mine")
    words = ("show", "out/run.salience", "--out", "photos", "--overwrite")
    refused(*words, said="'a.png', which no run wrote")
    assert names(place / "photos") == ["a.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.salience",), "none.salience"),
        (("rows.csv",), "rows.csv"),
        (("out/run.salience", "--item", "rot"), "did you mean 'root'"),
        (("out/run.salience", "--item", "3"), "from 0 to 2"),
        (("out/run.salience", "--visualizer", "pie"), "unknown visualizer 'pie'"),
        (("out/run.salience", "--format", "xyz"), "cannot write a picture"),
        (("out/run.salience", "--out", "out", "--overwrite"), "'run.salience', which is read"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    words: tuple[str, ...], said: str, saved: Path, place: Path
) -> None:
    before = saved.read_bytes()
    refused("show", *words, said=said)
    assert saved.read_bytes() == before and not (place / "out" / "run_pictures").exists()


def test_an_id_is_looked_for_before_a_position(saved: Path, place: Path) -> None:
    explanation = Explanation.load(saved)
    for ids, text, expected in (([2, 1, 0], "2", "0002"), (["7", "0", "x"], "0", "0")):
        renamed = replace(explanation, ids=ids)
        renamed.save(place / "renamed.salience")
        words = ("renamed.salience", "--item", text, "--out", "one", "--overwrite")
        assert run("show", *words).exit_code == 0
        assert names(place / "one") == sorted([f"{expected}.png", "pictures.csv"])
    replace(explanation, ids=["x", "x", "y"]).save(place / "renamed.salience")
    refused("show", "renamed.salience", "--item", "x", "--out", "t", said="all have the id 'x'")


def test_a_run_is_computed_again_from_its_record(saved: Path, place: Path) -> None:
    words = ("out/run.salience", "--model", "given:rows", "--out", "again", "rows.csv")
    result = run("rerun", *words, "--items", "0")
    assert result.exit_code == 0, result.output
    assert "values are equal to those of out/run.salience, to the bit" in result.output
    once, again = Explanation.load(saved), Explanation.load(place / "again" / "run.salience")
    assert torch.equal(once.values, again.values) and torch.equal(once.std_error, again.std_error)
    assert once.ids == again.ids == ["root", "stem", "leaf"]
    other = ("out/run.salience", "--model", "given:other", "--out", "other", "rows.csv")
    refused("rerun", *other, said="dropout")
    refused("rerun", "none.salience", *words[1:-2], "new", "rows.csv", said="none.salience")


def test_a_rerun_says_how_far_it_is_from_the_saved_run(saved: Path, place: Path) -> None:
    explanation = Explanation.load(saved)
    (name, saliency) = next(iter(explanation.saliency.items()))
    values = saliency.flat.clone()
    values.flatten()[0] += 0.25
    moved = {**explanation.saliency, name: Saliency(values, saliency.flat_error)}
    replace(explanation, saliency=moved).save(place / "moved.salience")
    words = ("--model", "given:rows", "--items", "0", "--out")
    result = run("rerun", "moved.salience", *words, "far", "rows.csv")
    assert "values differ from those of moved.salience by at most 0.25" in result.output
    assert "not compared with it" in difference_words(explanation.iloc[:2], explanation, "it")


def test_runs_become_one_report(saved: Path, place: Path) -> None:
    run("explain", *ROWS, "--items", "0", "--out", "plain")
    words = ("report", "noise=out/run.salience", "plain/run.salience")
    result = run(*words, "--title", "Two <b>ways</b>", "--out", "both.html")
    assert result.exit_code == 0, result.output
    page = (place / "both.html").read_text()
    assert "noise" in page and "plain" in page and "<b>ways" not in page
    one = ("report", "out/run.salience", "out/run.salience", "--out", "r.html")
    refused(*one, said="two runs are called 'out'")
    refused("report", "out/run.salience", "--out", "r.txt", said="end the path in .html")
    refused("report", "gone.salience", "--out", "r.html", said="gone.salience")
    refused("report", "rows.csv", "--out", "r.html", said="rows.csv")


# --- What is missing or unknown ------------------------------------------------------------------


def test_all_that_is_missing_or_unknown_is_said_at_once(place: Path) -> None:
    result = run("explain")
    assert result.exit_code == 2
    assert "missing: --domain, --model, DATA, --out" in result.output.replace("\n", " ")
    result = run("explain", "--modle", "a:b", "--sed=3", "--domain", "tabular", "--xyz", "x.csv")
    assert result.exit_code == 2
    last = result.output.splitlines()[-1]
    assert "no such option --modle (did you mean --model?)" in last
    assert "no such option --sed (did you mean --seed?)" in last
    assert "no such option --xyz" in last and "missing: --model, --out" in last
    for command, needs in (
        ("check", ("--domain", "--model", "DATA")),
        ("show", ("RUN",)),
        ("rerun", ("RUN", "--model", "DATA", "--out")),
        ("report", ("RUNS", "--out")),
    ):
        result = run(command)
        assert result.exit_code == 2
        assert all(name in result.output.splitlines()[-1] for name in needs), result.output
    assert "no such option -z" in run("explain", "-z").output


def test_weights_that_are_as_made_are_said_once(place: Path) -> None:
    torch.save(dict(_model().state_dict()), place / "w.pt")
    result = run("explain", *ROWS, "--items", "0", "--out", "a")
    assert result.stderr == "note: no --weights, so the weights are as given:rows makes them\n"
    result = run("explain", *ROWS, "--items", "0", "--weights", "w.pt", "--out", "b")
    assert result.stderr == ""


def _model() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))


@pytest.mark.parametrize("suffix", ["webp", "svgz", "PNG"])
def test_a_run_in_any_format_of_pictures_is_replaced(place: Path, suffix: str) -> None:
    words = ("explain", *ROWS, "--items", "1", "--out", "out", "--format", suffix)
    assert run(*words).exit_code == 0
    assert run(*words, "--overwrite").exit_code == 0


def test_what_would_not_be_known_as_that_of_a_run_is_not_written(place: Path) -> None:
    refused("explain", *ROWS, "--out", "out", "--format", "docx", said="picture as 'docx'")
    inner = str(Path("out") / "inner" / "page.html")
    refused("explain", *ROWS, "--out", "out", "--report", inner, said="a folder inside --out")
    assert not (place / "out").exists()


def test_a_folder_in_place_of_a_run_is_told_to_be_one(place: Path) -> None:
    assert run("explain", *ROWS, "--items", "0", "--out", "out").exit_code == 0
    for words in (("show", "out"), ("report", "out", "--out", "page.html")):
        refused(*words, said=f"is a folder; pass the file in it, such as {'out/run.salience'!r}")


def test_a_refusal_of_our_own_is_not_cut_again(place: Path) -> None:
    lines = "".join(f"part of the plant number {i},1,,2\n" for i in range(2))
    (place / "holes.csv").write_text(f"plant,a,b,c\n{lines}")
    with pytest.raises(InputError) as error:
        salience.explain(torch.nn.Linear(3, 2), place / "holes.csv", "tabular:id_column=plant")
    assert len(str(error.value)) > 240
    words = [word if word != "rows.csv" else "holes.csv" for word in ROWS]
    refused("explain", *words, "--out", "out", said=str(error.value))
