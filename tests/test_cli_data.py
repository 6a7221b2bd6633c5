"""DATA of the command line: folders, patterns, objects, ids, names, and inputs that are broken."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch

import salience
from salience import Explanation, InputError
from salience.cli.inputs import class_names_of, data_of, make_domain, names_in
from tests.commands import Result, run

PLUGINS = ("salience_tabular", "salience_vision", "salience_molgraph")
pytestmark = pytest.mark.skipif(not all(map(find_spec, PLUGINS)), reason="needs the plugins")

MODELS = """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, IterableDataset, TensorDataset

    def net():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 2, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def rows():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    class atoms(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embed = nn.Embedding(100, 4)

        def forward(self, atoms, edge_index, owner):
            hidden = self.embed(atoms).tanh()
            return hidden.new_zeros(int(owner.max()) + 1, 4).index_add(0, owner, hidden)[:, :1]

    VALUES = torch.linspace(-1, 1, 12).reshape(4, 3)
    dataset = TensorDataset(VALUES)
    loader = DataLoader(dataset, batch_size=3)
    pairs = TensorDataset(VALUES, torch.arange(4))
    number = 3

    def make():
        return VALUES

    def failing():
        raise OSError("no database")

    class Endless(IterableDataset):
        def __iter__(self):
            while True:
                yield VALUES[0]

    endless = Endless()
    classes = ["no", "yes"]
    numbered = {1: "yes", 0: "no"}
    named = {"no": 0, "yes": 1}

    def small(image):
        values = torch.tensor(list(image.resize((8, 8)).tobytes()), dtype=torch.float32)
        return values.reshape(8, 8, 3).permute(2, 0, 1) / 255

    def wrong(image):
        return {}["size"]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with models, photos (one of them broken), molecules and a table."""
    from PIL import Image

    (tmp_path / "given.py").write_text(dedent(MODELS))
    photos = tmp_path / "photos"
    photos.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (3, 20, 20, 3), dtype=np.uint8)
    for name, pixels in zip(("b.png", "a.JPG", "d.jpg"), noise, strict=True):
        Image.fromarray(pixels).save(photos / name)
    (photos / "c.jpg").write_bytes(b"no photo")
    (photos / ".hidden.png").write_bytes(b"no photo")
    (photos / "notes.txt").write_text("no photo")
    (tmp_path / "mols.csv").write_text("code,smiles\nx,CCO\ny,C(\nz,N\n")
    (tmp_path / "more.smi").write_text("CC ethane\nO water\n")
    (tmp_path / "rows.csv").write_text("plant,a,b,c\np,1,2,3\nq,x,1,2\nr,0,1,0\ns,2,2,2\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("given", None)


def explained(place: Path, *words: str) -> tuple[Explanation, Result]:
    result = run("explain", *words, "--items", "0", "--out", "out", "--overwrite")
    assert result.exit_code == 0, result.output
    return Explanation.load(place / "out" / "run.salience"), result


VISION = ("--domain", "vision", "--model", "given:net")
MOLECULES = ("--domain", "molgraph", "--model", "given:atoms")
ROWS = ("--domain", "tabular", "--model", "given:rows")


# --- Files, folders and patterns -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "domain", "expected"),
    [
        (["photos"], "vision", ["photos/a.JPG", "photos/b.png", "photos/c.jpg", "photos/d.jpg"]),
        (["photos/*.jpg"], "vision", ["photos/c.jpg", "photos/d.jpg"]),
        (["photos/[ab].*"], "vision", ["photos/a.JPG", "photos/b.png"]),
        (["./*.csv"], "tabular", ["./mols.csv", "./rows.csv"]),
        (["**/*.png"], "vision", ["photos/b.png"]),
        (["photos/b.png", "photos/a.JPG"], "vision", ["photos/b.png", "photos/a.JPG"]),
        (["rows.csv"], "tabular", "rows.csv"),
        (["."], "molgraph", ["mols.csv", "more.smi", "rows.csv"]),
        # SMILES are no patterns, although they have their signs.
        (["C[C@H](N)O"], "molgraph", "C[C@H](N)O"),
        (["*CC*"], "molgraph", "*CC*"),
        (["F/C=C/[C@H](F)*", "[NH4+]"], "molgraph", ["F/C=C/[C@H](F)*", "[NH4+]"]),
    ],
)
def test_data_is_files_folders_patterns_or_text(
    given: list[str], domain: str, expected: object, place: Path
) -> None:
    assert data_of(given, make_domain(domain)) == expected


@pytest.mark.parametrize(
    ("given", "domain", "said"),
    [
        (["photos/*.tif"], "vision", ("no file matches", "'photos/*.tif'")),
        (["photos/*"], "tabular", ()),
        (["nowhere*.png"], "vision", ("no file matches",)),
        (["empty"], "vision", ("'empty' holds no file", ".jpg")),
        (["photos"], "molgraph", ("holds no file", ".csv, .sd, .sdf, .smi")),
        (["photos"], "tensor", ("is a folder", "module:name")),
        (["given:dataset", "rows.csv"], "tabular", ("beside other data", "only DATA")),
        (["given:nothing"], "tabular", ("cannot make DATA", "nothing", "DataLoader")),
        (["given:number"], "tabular", ("'given:number' is 3", "no data")),
        (["given:failing"], "tabular", ("OSError", "no database")),
        (["nowhere:x"], "tabular", ("No module named",)),
    ],
)
def test_data_that_is_not_there_is_refused_in_a_sentence(
    given: list[str], domain: str, said: tuple[str, ...], place: Path
) -> None:
    (place / "empty").mkdir()
    if not said:  # a pattern that matches is expanded, whatever the files are
        assert len(data_of(given, make_domain(domain))) == 5
        return
    with pytest.raises(InputError) as caught:
        data_of(given, make_domain(domain))
    assert all(part in str(caught.value) for part in said), caught.value


def test_what_is_passed_over_in_a_folder_is_said(place: Path) -> None:
    (place / "photos" / "c.jpg").unlink()
    found, result = explained(place, *VISION, "photos")
    assert list(found.ids) == ["a.JPG", "b.png", "d.jpg"]
    assert "note: 1 other files in 'photos' are passed over" in result.stderr


def test_molecules_come_from_several_files(place: Path) -> None:
    (place / "mols.csv").write_text("code,smiles\nx,CCO\n")
    found, _ = explained(place, *MOLECULES, "mols.csv", "more.smi")
    assert [len(values) for values in found.values] == [3, 2, 1]
    assert list(found.ids) == ["CCO", "ethane", "water"]


# --- Objects -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dataset", "loader", "make", "VALUES"])
def test_data_is_named_by_module_and_attribute(name: str, place: Path) -> None:
    found, _ = explained(place, *ROWS, f"given:{name}")
    import given  # type: ignore[import-not-found]

    expected = salience.explain(given.rows(), given.VALUES, "tabular")
    assert torch.equal(found.values, expected.values)


@pytest.mark.parametrize(
    ("name", "said"),
    [("pairs", "labels"), ("endless", "may never end")],
)
def test_datasets_that_cannot_be_read_are_refused(name: str, said: str, place: Path) -> None:
    result = run("explain", *ROWS, "--out", "out", f"given:{name}")
    assert result.exit_code == 1 and said in result.output
    assert not (place / "out").exists()


# --- Ids, names of columns and classes, transforms, targets ---------------------------------------


def test_ids_of_a_file_key_the_draws(place: Path) -> None:
    (place / "ids.txt").write_text("seven\neight\nnine\nten\n")
    settings = ("--sampler", "gaussian", "--n-samples", "3", "--seed", "2")
    found, _ = explained(place, *ROWS, *settings, "--ids", "ids.txt", "given:make")
    import given

    expected = salience.explain(
        given.rows(),
        given.VALUES,
        "tabular",
        samplers=["gaussian"],
        n_samples=3,
        seed=2,
        ids=["seven", "eight", "nine", "ten"],
    )
    assert list(found.ids) == list(expected.ids)
    assert torch.equal(found.values, expected.values)


def test_ids_are_numbers_where_all_are(place: Path) -> None:
    (place / "ids.txt").write_bytes(b"\xef\xbb\xbf7\r\n8\r\n")
    assert names_in(str(place / "ids.txt"), "--ids") == [7, 8]
    (place / "ids.txt").write_text("007\n8\n")
    assert names_in(str(place / "ids.txt"), "--ids") == ["007", "8"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\n\nb\n", "line 2 of --ids 'ids.txt' is empty"),
        ("", "line 1 of --ids 'ids.txt' is empty"),
        ("a\nb\n", "got 2 ids for 4 items"),
        ("a\na\nb\nc\n", "two items share an id"),
    ],
)
def test_ids_that_do_not_fit_are_refused(content: str, said: str, place: Path) -> None:
    (place / "ids.txt").write_text(content)
    result = run("explain", *ROWS, "--out", "out", "--ids", "ids.txt", "given:make")
    assert result.exit_code == 1 and said in result.output, result.output
    assert (
        "--ids 'none' cannot be read (No such file"
        in run("explain", *ROWS, "--out", "out", "--ids", "none", "given:make").output
    )


def test_a_column_names_the_items(place: Path) -> None:
    (place / "rows.csv").write_text("plant,a,b,c\np,1,2,3\nq,0,1,2\n")
    found, _ = explained(place, *ROWS, "--id-column", "plant", "rows.csv")
    assert list(found.ids) == ["p", "q"] and found.values.shape == (2, 3)
    result = run("explain", *VISION, "--out", "out2", "--id-column", "x", "photos/b.png")
    assert result.exit_code == 1 and "no parameter 'id_column'" in result.output


def test_classes_are_named_by_a_file_or_an_object(place: Path) -> None:
    (place / "classes.txt").write_text("cat\ndog\n")
    assert class_names_of("classes.txt") == ["cat", "dog"]
    sys.path.insert(0, str(place))
    assert class_names_of("given:classes") == ["no", "yes"]
    assert class_names_of("given:numbered") == ["no", "yes"]
    with pytest.raises(InputError, match="other keys than 0, 1, 2"):
        class_names_of("given:named")
    sys.path.remove(str(place))
    found, _ = explained(place, *VISION, "--class-names", "classes.txt", "photos/b.png")
    assert found.dataset_info["class_names"] == ["cat", "dog"]


def test_a_transform_of_the_users_own_makes_the_tensors(place: Path) -> None:
    found, _ = explained(place, *VISION, "--transform", "given:small", "photos/b.png")
    assert tuple(found.values.shape) == (1, 8, 8)
    result = run("explain", *VISION, "--transform", "given:wrong", "--out", "o", "photos/b.png")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("Error: KeyError in given.py, line ")


def test_a_run_with_a_transform_is_computed_again_with_it(place: Path) -> None:
    (place / "ids.txt").write_text("one\n")
    noise = ("--sampler", "gaussian", "--n-samples", "2", "--ids", "ids.txt")
    found, _ = explained(place, *VISION, *noise, "--transform", "given:small", "photos/b.png")
    words = ("rerun", "out/run.salience", "--model", "given:net", "--items", "0", "--out", "again")
    result = run(*words, "photos/b.png")
    assert result.exit_code == 1 and "the record tells of" in result.output
    result = run(*words, "--transform", "given:small", "photos/b.png")
    assert result.exit_code == 0, result.output
    again = Explanation.load(place / "again" / "run.salience")
    assert torch.equal(again.values, found.values) and list(again.ids) == ["one"]


def test_a_target_has_axes_of_its_own(place: Path) -> None:
    target = "embed:axes=atom,unit"
    found, _ = explained(place, *MOLECULES, "--target", target, "CCO")
    (recorded,) = found.provenance["target"]
    assert recorded["module"] == "embed" and list(recorded["axes"]) == ["atom", "unit"]
    for text, said in (("embed:axis=atom", "no setting 'axis'"), ("embed:axes=[a", "cannot read")):
        result = run("explain", *MOLECULES, "--target", text, "--out", "o", "CCO")
        assert result.exit_code == 1 and said in result.output


def test_lists_of_settings_are_written_with_or_without_brackets(place: Path) -> None:
    for text in ("feature_names=x,y,z,on_error=skip", "feature_names=[x,y,z],on_error=skip"):
        found, _ = explained(
            place, "--domain", f"tabular:{text}", "--model", "given:rows", "given:make"
        )
        assert list(found.dataset_info["columns"]) == ["x", "y", "z"]


# --- Broken inputs -------------------------------------------------------------------------------


def test_broken_photos_are_left_out_and_named(place: Path) -> None:
    settings = ("--sampler", "gaussian:scale=0.1", "--n-samples", "2", "--on-error", "skip")
    found, result = explained(place, *VISION, *settings, "photos")
    assert list(found.ids) == ["a.JPG", "b.png", "d.jpg"]
    assert "note: left out: item 2 ('c.jpg')" in result.stderr
    assert sum("c.jpg" in line for line in result.stderr.splitlines()) == 1
    assert "1 of 4 inputs were left out" in result.stdout
    assert found.provenance["positions"] == [0, 1, 3]
    assert any("left out" in sentence for sentence in found.provenance["notices"])
    refused = run("explain", *VISION, "--out", "out2", "photos")
    assert refused.exit_code == 1 and "c.jpg" in refused.output


def test_ids_stay_those_of_their_items_where_others_are_left_out(place: Path) -> None:
    (place / "ids.txt").write_text("w\nx\ny\nz\n")
    skip = ("--on-error", "skip", "--id-column", "plant")
    ids = ("--ids", "ids.txt")
    noise = ("--sampler", "gaussian", "--n-samples", "4")
    found, _ = explained(place, *ROWS, *skip, *ids, *noise, "rows.csv")
    assert list(found.ids) == ["w", "y", "z"]
    (place / "rows.csv").write_text("plant,a,b,c\np,1,2,3\nr,0,1,0\ns,2,2,2\n")
    (place / "ids.txt").write_text("w\ny\nz\n")
    expected, _ = explained(place, *ROWS, *skip, *ids, *noise, "rows.csv")
    torch.testing.assert_close(found.values, expected.values, rtol=1e-12, atol=0)


def test_draws_are_those_of_the_positions_in_the_data() -> None:
    """Leaving out a broken row changes no number of the others."""
    from salience_tabular import Tabular

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    rows = np.random.default_rng(0).normal(size=(6, 3))
    settings = {"samplers": ["gaussian"], "n_samples": 3, "output": "value"}
    full = salience.explain(model.double(), rows, "tabular", **settings)
    broken = rows.copy()
    broken[2, 1] = np.nan
    with pytest.warns(salience.Notice, match="1 of 6"):
        part = salience.explain(model, broken, Tabular(on_error="skip"), **settings)
    kept = [0, 1, 3, 4, 5]
    assert list(part.ids) == kept
    # The first pass of another size may round otherwise.
    torch.testing.assert_close(part.values, full.values[kept], rtol=1e-12, atol=1e-14)
    with pytest.warns(salience.Notice):
        again = salience.rerun(model, broken, part.provenance)
    assert torch.equal(again.values, part.values)


def test_draws_of_a_stream_go_by_the_positions_in_the_data() -> None:
    """What is left out of a chunk moves no key of the chunks behind it."""
    from salience_tabular import Tabular

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    rows = np.random.default_rng(0).normal(size=(6, 3))
    rows[1, 0] = np.inf
    own = salience.Explainer(model.double(), Tabular(on_error="skip"), output="value", max_rows=4)
    settings = {"samplers": ["gaussian"], "n_samples": 3}
    with pytest.warns(salience.Notice):
        once = own.explain(rows, **settings)
        parts = list(own.stream([rows[:3], rows[3:]], **settings))
    assert [part.ids[0] for part in parts] == list(once.ids) == [0, 2, 3, 4, 5]
    for at, part in enumerate(parts):
        torch.testing.assert_close(part.values[0], once.values[at], rtol=1e-12, atol=1e-14)


def test_where_all_are_broken_nothing_is_explained(place: Path) -> None:
    result = run("explain", *VISION, "--on-error", "skip", "--out", "out", "photos/c.jpg")
    assert result.exit_code == 1 and "c.jpg" in result.output
    result = run("explain", *MOLECULES, "--on-error", "skip", "--out", "out", "mols.csv")
    assert result.exit_code == 0 and "note: left out: item 1 (line 3 of mols.csv)" in result.stderr


def test_a_domain_that_reads_all_or_nothing_has_nothing_to_skip(place: Path) -> None:
    words = ("--domain", "tensor", "--model", "given:rows", "--items", "0", "given:make")
    assert run("explain", *words, "--on-error", "raise", "--out", "a").exit_code == 0
    result = run("explain", *words, "--on-error", "skip", "--out", "b")
    assert result.exit_code == 1 and "no parameter 'on_error'" in result.output


def test_an_empty_text_is_not_the_working_folder(place: Path) -> None:
    for data in ([""], ["more.smi", " "]):
        result = run("explain", *MOLECULES, "--out", "out", *data)
        assert result.exit_code == 1
        assert "DATA holds an empty text" in result.output


def test_what_may_never_end_is_refused(place: Path) -> None:
    with (place / "given.py").open("a") as file:
        file.write("def forever():\n    while True:\n        yield 'CC'\n")
    result = run("explain", *MOLECULES, "--out", "out", "given:forever")
    assert result.exit_code == 1
    assert "which is no data; pass module:name of a Dataset" in result.output


def test_a_column_of_ids_that_is_missing_is_said_to_be(place: Path) -> None:
    result = run("explain", *MOLECULES, "--id-column", "cod", "--out", "out", "mols.csv")
    assert "the table has no column 'cod'; did you mean 'code'?" in result.output
