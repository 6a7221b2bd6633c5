"""``salience new``: copies of the templates, each built, installed and tested on its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from salience.cli import main
from salience.cli.plugins.new import KINDS
from salience_template.project import TEMPLATES
from tests.copies import COMBINATIONS, DOMAINS

ROOT = Path(__file__).parents[1]


def new(*words: str) -> Result:
    return CliRunner().invoke(main, ["new", *words], prog_name="salience")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_a_template_of_every_kind() -> None:
    assert {template.kind.replace(" ", "_") for template in TEMPLATES.values()} == set(KINDS)


@pytest.mark.parametrize("folder", ["padded", "ragged"])
def test_a_domain_and_its_renderer_take_at_most_200_lines(folder: str) -> None:
    package = ROOT / "plugins" / "template" / "src" / "salience_template" / folder
    lines = [(package / f"{name}.py").read_text().count("\n") for name in ("domain", "visualizer")]
    assert 0 < sum(lines) <= 200


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_copy_has_no_name_of_its_template(name: str, place: Path) -> None:
    assert new(name, *COMBINATIONS[name]).exit_code == 0
    made = place / f"salience-{name.replace('_', '-')}"
    files = [path for path in made.rglob("*") if path.is_file()]
    assert {"pyproject.toml", "README.md", "LICENSE"} <= {path.name for path in files}
    assert any(path.name.startswith(f"test_{name}_") for path in files)
    names = {"template"}
    for one in TEMPLATES.values():
        names |= {f'"{one.part}"', one.cls, one.plot_cls or one.cls}
    left = [
        (path.name, word)
        for path in files
        for word in names
        if word in path.read_text(encoding="utf-8")
    ]
    # Prose may begin with the name of the data.
    assert [found for found in left if found[1] not in ("Spectra", "Signals", "Largest")] == []


def test_a_copy_asks_for_what_it_imports_only(place: Path) -> None:
    new("mine", "--kind", "aggregator")
    new("other")
    asked = [
        (place / f"salience-{name}" / "pyproject.toml").read_text() for name in ("mine", "other")
    ]
    assert ["matplotlib" in text for text in asked] == [False, True]
    assert all('"torch>=' in text and '"salience>=' in text for text in asked)


def test_the_target_is_the_one_asked_for(place: Path) -> None:
    for name, words in DOMAINS.items():
        new(name, *words)
        (domain,) = place.glob(f"*/src/salience_{name}/domain.py")
        expected = "input" if "input" in words else "encode"
        assert f'    target: str = "{expected}"\n' in domain.read_text()


@pytest.mark.parametrize(
    "name", ["Audio", "2d", "my-data", "class", "", "a b", "../x", "a__b", "ä"]
)
def test_names_that_are_no_identifiers_are_refused(name: str, place: Path) -> None:
    done = new(name)
    assert done.exit_code != 0
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["tabular", "gradient", "core", "spectra", "template", "plot"])
def test_names_that_are_taken_are_refused(name: str, place: Path) -> None:
    (place / "salience_plot.py").touch()
    sys.path.insert(0, str(place))
    try:
        done = new(name)
    finally:
        sys.path.remove(str(place))
    assert done.exit_code == 1
    assert "another" in done.output
    assert not list(place.glob("salience-*"))


@pytest.mark.parametrize("name", ["batch", "path", "field", "domain"])
def test_names_whose_class_would_hide_another_are_refused(name: str) -> None:
    done = new(name)
    assert done.exit_code == 1
    assert f"the class {name.title()} of a plugin" in done.output


def test_a_folder_that_exists_is_left_as_it_is(place: Path) -> None:
    (place / "salience-audio").mkdir()
    (place / "salience-audio" / "mine.txt").write_text("mine")
    done = new("audio")
    assert done.exit_code == 1
    assert "exists already" in done.output
    assert [path.name for path in (place / "salience-audio").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("option", [("--data", "dense"), ("--target", "input")])
def test_options_of_domains_are_refused_for_other_parts(option: tuple[str, str]) -> None:
    done = new("mine", "--kind", "sampler", *option)
    assert done.exit_code == 1
    assert f"leave {option[0]} out" in done.output


def test_without_the_templates_the_error_names_their_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Missing:
        """Finds no salience_template, as where it is not installed."""

        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name.split(".")[0] == "salience_template":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.split(".")[0] == "salience_template"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    done = new("audio")
    assert done.exit_code == 1
    assert "pip install salience-template" in done.output
