"""Everything that authors of plugins need has a place in the documents, which say what is so."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from textwrap import dedent, indent

import pytest

import salience
from salience import hookspecs
from salience.cli.plugins.new import KINDS

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core" / "src" / "salience"
PAGES = sorted((ROOT / "docs" / "authors").glob("*.md"))
TEXT = "\n".join(page.read_text() for page in PAGES)
#: What stands between backticks, in prose and tables; blocks of code are left out.
CODE = set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", TEXT, flags=re.M | re.S)))
WORDS = {word for code in CODE for word in re.findall(r"\w+", code)}

#: Classes whose methods and fields authors call, read or override.
PROTOCOLS = (
    "Domain",
    "Layout",
    "Field",
    "Batch",
    "Calculator",
    "Attribution",
    "Score",
    "Part",
    "RowView",
    "NoiseSampler",
    "AdditiveNoise",
    "VariableDraw",
    "Numbers",
    "ParameterSampler",
    "ModelDraw",
    "WeightSampler",
    "WeightDraw",
    "Aggregator",
    "Visualizer",
    "Executor",
    "Worker",
    "Unit",
    "UnitResult",
    "Target",
    "Output",
)

#: Modules whose every message has a row in docs/errors.md: what authors and users of plugins meet.
EXPLAINED = (
    "data/batch.py",
    "data/broken.py",
    "data/domain.py",
    "data/labels.py",
    "data/layout.py",
    "data/per_item.py",
    "data/tensors.py",
    "model/targets.py",
    "model/checks.py",
    "samplers/additive.py",
    "samplers/dropout_mode.py",
    "samplers/weight_source.py",
    "engine/promises.py",
    "engine/executors/chosen.py",
    "engine/executors/pool.py",
    "engine/executors/process.py",
    "visualize/visualizer.py",
    "scalers.py",
    "colors.py",
    *(str(path.relative_to(CORE)) for path in (CORE / "engine" / "preflight").glob("*.py")),
    *("plugins/" + path.name for path in (CORE / "plugins").glob("*.py")),
    *("cli/plugins/" + path.name for path in (CORE / "cli" / "plugins").glob("*.py")),
    *(str(path.relative_to(CORE)) for path in (CORE / "testing").rglob("*.py")),
)
ERRORS = {"InputError", "NoMeanError", "_RefusedError"}


def public(cls: type) -> set[str]:
    """Names of the fields, methods and properties of a class."""
    fields = {f.name for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    return {name for name in {*vars(cls), *fields} if not name.startswith("_")}


def messages(path: Path) -> set[str]:
    """The texts of errors that a module raises, with … in the place of what differs."""
    found = {_message(node) for node in ast.walk(ast.parse(path.read_text()))}
    return {text for text in found if text.strip("… ;:")} | promises(path)


def _message(node: ast.AST) -> str:
    """What an error says, or a function that returns a sentence for one; else no text."""
    name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
    if isinstance(node, ast.Call) and name in ERRORS and node.args:
        return _text(node.args[0])
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Constant | ast.JoinedStr):
        text = _text(node.value)
        return text if re.search("; |: it raised ", text) else ""  # a mend, or a cause
    return ""


def promises(path: Path) -> set[str]:
    """What a module says of parts that break a promise, with … in the place of what differs."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        name = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and name in ("expect", "broken") and len(node.args) > 1:
            *_, returned, expected = map(_text, node.args)
            returned = "…" if name == "expect" else returned
            if (returned + expected).strip("…"):
                found.add(f"returned {returned}, expected {expected}")
    return found


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return "…"


def rows() -> list[str]:
    """The messages in docs/errors.md."""
    page = (ROOT / "docs" / "errors.md").read_text()
    return re.findall(r"^\| `([^`]+)` \| ", page, re.M)


def test_every_hook_has_a_place() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("salience_")}
    assert hooks and hooks <= CODE


def test_every_public_name_has_a_place() -> None:
    assert set(salience.__all__) - WORDS == set()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_method_and_field_of_a_protocol_has_a_place(name: str) -> None:
    assert public(getattr(salience, name)) - WORDS == set()


def test_class_variables_of_an_aggregator_have_the_defaults_that_the_page_says() -> None:
    page = (ROOT / "docs" / "authors" / "aggregator.md").read_text()
    said = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ", page, re.M))
    declared = {
        name: repr(getattr(salience.Aggregator, name))
        for cls in salience.Aggregator.__mro__
        for name, kind in vars(cls).get("__annotations__", {}).items()
        if str(kind).startswith("ClassVar") and not name.startswith("_")
    }
    assert len(declared) > 4
    assert said == declared


def test_every_kind_of_salience_new_has_a_page() -> None:
    index = (ROOT / "docs" / "authors" / "README.md").read_text()
    linked = set(re.findall(r"\]\((\w+\.md)\)", index))
    assert {page.name for page in PAGES} - {"README.md"} == linked
    for kind in KINDS[1:]:
        assert f"`--kind {kind}`" in index


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_excerpts_are_of_the_templates_as_they_are(page: Path) -> None:
    text = page.read_text()
    found = re.findall(r"<!-- (\S+) -->\n```py\n(.*?)```\n", text, re.S)
    assert len(found) == text.count("```py\n")
    for path, excerpt in found:
        source = (ROOT / path).read_text()
        depths = [indent(excerpt, " " * depth) for depth in range(0, 20, 4)]
        assert any(f"\n{one}" in source for one in depths), dedent(excerpt)


@pytest.mark.parametrize("module", EXPLAINED)
def test_every_message_of_these_modules_is_explained(module: str) -> None:
    assert set(messages(CORE / module)) - set(rows()) == set()


def test_every_promise_of_a_part_is_explained() -> None:
    found = set().union(*(promises(path) for path in CORE.rglob("*.py")))
    assert len(found) > 20
    assert found - set(rows()) == set()


def test_every_message_that_is_explained_is_raised_somewhere() -> None:
    sources = [*CORE.rglob("*.py"), *(ROOT / "plugins" / "template").rglob("*.py")]
    raised = {text for path in sources for text in messages(path)}
    assert rows() and set(rows()) - raised == set()
    assert len(rows()) == len(set(rows()))
