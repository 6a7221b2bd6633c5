"""The code in the documents runs as it stands, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sybil import Document
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "core/README.md")]
    + sorted(ROOT.glob("plugins/*/README.md"))
    + sorted(ROOT.glob("plugins/template/src/*/*/README.md"))
    + sorted(ROOT.glob("docs/*.md"))
    + sorted(ROOT.glob("docs/authors/*.md"))
)
WITH_CODE = [path for path in DOCUMENTS if "```python\n" in path.read_text()]


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", WITH_CODE, ids=name_of)
def test_code_in_a_document_runs(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read = Document.parse(str(document), PythonCodeBlockParser())
    read.namespace["__name__"] = "document"
    examples = list(read.examples())
    assert len(examples) == document.read_text().count("```python\n")
    for example in examples:  # each sees the names of those before it
        example.evaluate()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_in_a_document_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing
