"""The floor plan holds: layers, sizes of folders, words and the map in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx as nx
import pytest

TOP = Path(__file__).parents[1]
CORE = TOP / "core" / "src" / "salience"
LINTER = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["importlinter"]
LAYERS, PLUGINS = LINTER["contracts"]
#: What authors outside of this repository may import, beside ``salience`` itself.
PUBLIC = {"errors", "scalers", "colors", "hookspecs", "testing"}

# Words that said nothing before their docstring was read, and what stands in their place.
OLD_WORDS = {
    "Found": "Estimate",
    "Facts": "ItemTable",
    "facts": "dataset_info",
    "describe": "dataset_info",
    "Clean": "PredictedBatch",
    "Tally": "CompletenessSums",
    "tally": "completeness",
    "Task": "Worker",
    "task": "worker",
    "Plan": "Request",
    "plan": "request",
    "First": "ReusablePass",
    "go_on": "from_reusable",
    "told": "placeholder",
    "is_told": "is_placeholder",
    "most": "max_draws",
    "least": "min_draws",
    "whole": "is_identity or full",
    "alone": "one_row_per_pass",
    "together": "weight_draws_per_pass",
    "lead": "row_axis",
    "leads": "row_axes",
    "Picked": "RowSelection",
    "picked": "selection",
    "pick": "select",
    "wide": "as_float64",
    "holders": "passes",
    "Seen": "DropoutShapes",
    "Dropping": "DropoutMode",
    "still": "deterministic",
    "swaps": "weights_vary",
    "reads_inside": "has_inner_targets",
    "bar": "progress",
    "trial": "prepare",
    "agree": "close",
}
# A colour bar or a bar of a chart is called so in the field, and so is a table that is not long.
ALLOWED = {("plugins", "bar"), ("core", "wide")}


def modules(folder: Path) -> list[str]:
    """Names of the modules in a folder; its packages are folders of their own."""
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def wings() -> list[Path]:
    return sorted(path.parent for path in CORE.glob("*/__init__.py"))


def sources() -> list[Path]:
    plugins = (TOP / "plugins").glob("*/src/**/*.py")
    return sorted([*CORE.rglob("*.py"), *plugins])


def identifiers(source: str) -> Iterator[tuple[str, int]]:
    """Every name that the code defines or uses, with its line."""
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str) and hasattr(node, "lineno"):
                yield name, node.lineno
        if isinstance(node, ast.ImportFrom | ast.Import):
            for module in [getattr(node, "module", None), *(alias.name for alias in node.names)]:
                for name in (module or "").split("."):
                    yield name, node.lineno


def test_imports_go_round_nowhere_beyond_the_two_exemptions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for source in TOP.glob("plugins/*/src"):  # whether it is installed or not
        monkeypatch.syspath_prepend(str(source))
    exempt = {tuple(line.split(" -> ")) for line in LAYERS["ignore_imports"]}
    assert len(exempt) <= 2
    assert LINTER["exclude_type_checking_imports"] is False
    graph = grimp.build_graph(*LINTER["root_packages"], cache_dir=None)
    edges = {(a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)}
    assert exempt <= edges
    circles = nx.simple_cycles(nx.DiGraph(sorted(edges - exempt)))
    assert list(circles) == []


def test_every_wing_has_its_layer_and_is_closed_to_plugins() -> None:
    layers = set(LAYERS["layers"]) | set(LAYERS.get("exhaustive_ignores", ()))
    there = {path.name for path in wings()} | set(modules(CORE))
    assert there <= layers
    closed = {name.removeprefix("salience.") for name in PLUGINS["forbidden_modules"]}
    assert closed | PUBLIC | {"__main__", "_version"} >= there
    assert not closed & PUBLIC
    packages = {path.parent.name for path in (TOP / "plugins").glob("*/src/*/__init__.py")}
    assert set(PLUGINS["source_modules"]) == packages


@pytest.mark.parametrize("folder", [CORE, *wings()], ids=lambda folder: folder.name)
def test_no_folder_holds_more_modules_than_one_sees_at_a_glance(folder: Path) -> None:
    assert len(modules(folder)) <= 14


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(TOP)))
def test_the_code_has_none_of_the_old_words(path: Path) -> None:
    place = path.relative_to(TOP).parts[0]
    found = [
        f"line {line}: {name} is now {OLD_WORDS[word]}"
        for name, line in identifiers(path.read_text())
        if (word := name.strip("_")) in OLD_WORDS and (place, word) not in ALLOWED
    ]
    assert found == []


def test_the_map_is_the_tree() -> None:
    text = (TOP / "CONTRIBUTING.md").read_text()
    block = text[text.index("core/src/salience/") :]
    block = block[: block.index("\n```")]
    drawn: dict[str, list[str]] = {}
    wing = ""
    for line in block.splitlines()[1:]:
        folder, module = re.match(r"  (\w+)/", line), re.match(r" {2,4}(\w+)\.py ", line)
        if folder:
            wing = folder[1]
            drawn[wing] = []
        elif module:
            drawn.setdefault(wing if line.startswith("    ") else "", []).append(module[1])
        elif not line.startswith(" "):
            break
    there = {path.name: modules(path) for path in wings()} | {"": modules(CORE)}
    assert {name: sorted(found) for name, found in drawn.items()} == there


# --- Sizes ----------------------------------------------------------------------------------------

#: Bases of parts: their fields are the parameters that users set, however many there are.
PARTS = {"Calculator", "NoiseSampler", "ParameterSampler", "WeightSampler", "Aggregator", "Domain"}


def classes() -> dict[str, ast.ClassDef]:
    trees = [ast.parse(path.read_text()) for path in CORE.rglob("*.py")]
    return {n.name: n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}


def fields_of(name: str, known: dict[str, ast.ClassDef]) -> set[str]:
    """Fields of a class and of its bases: of a dataclass, or what ``__init__`` sets."""
    if name not in known:
        return set()
    node = known[name]
    own = {
        s.target.id
        for s in node.body
        if isinstance(s, ast.AnnAssign)
        and isinstance(s.target, ast.Name)
        and "ClassVar" not in ast.unparse(s.annotation)
    }
    bases = [ast.unparse(base).split("[")[0] for base in node.bases]
    return own.union(*[fields_of(base, known) for base in bases])


def is_part(name: str, known: dict[str, ast.ClassDef]) -> bool:
    bases = [ast.unparse(base) for base in known[name].bases] if name in known else []
    return name in PARTS or any(is_part(base, known) for base in bases)


def test_no_class_but_the_explanation_has_more_than_ten_fields() -> None:
    known = classes()
    counted = {name: len(fields_of(name, known)) for name in known if not is_part(name, known)}
    assert counted["Explanation"] > counted["ItemTable"] == 10  # fields of bases count
    assert {name for name, number in counted.items() if number > 10} == {"Explanation"}


def test_no_constructor_is_called_with_more_than_four_arguments_by_position() -> None:
    known = classes()
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).split(".")[-1]
            if name in known and len(node.args) > 4:
                found.append(f"{path.relative_to(TOP)}:{node.lineno}: {name}")
    assert found == []


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_no_module_of_core_has_more_than_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_explain_reads_as_a_page() -> None:
    tree = ast.parse((CORE / "explainer.py").read_text())
    (found,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "explain"
    ]
    documented = found.body[0]
    assert isinstance(documented, ast.Expr)
    assert found.end_lineno is not None and documented.end_lineno is not None
    lines = found.end_lineno - found.lineno + 1
    assert lines - (documented.end_lineno - documented.lineno + 1) <= 35


def test_the_top_level_has_no_other_folders() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True).stdout
    folders = {name.split("/")[0] for name in listed.splitlines() if "/" in name}
    known = {".ci", "benchmarks", "core", "docs", "examples", "plugins", "scripts", "tests"}
    assert folders <= known
