"""The code in the documents runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "core/README.md")]
    + sorted(ROOT.glob("plugins/*/README.md"))
    + sorted(ROOT.glob("docs/*.md"))
)


def programs(document: Path) -> list[str]:
    """The Python blocks; one that says it continues is joined to the one before."""
    found: list[str] = []
    for block in re.findall(r"^```python\n(.*?)^```", document.read_text(), re.M | re.S):
        if block.startswith("# continues"):
            found[-1] += block
        else:
            found.append(block)
    return found


CASES = [
    pytest.param(program, id=f"{document.relative_to(ROOT)}-{i}")
    for document in DOCUMENTS
    for i, program in enumerate(programs(document))
]


@pytest.mark.parametrize("program", CASES)
def test_code_in_a_document_runs(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "document", "exec"), {"__name__": "document"})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_in_a_document_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing
