"""``salience new``: copies of the templates, each built, installed and tested on its own."""

from __future__ import annotations

import json
import venv
from pathlib import Path

from tests.copies import COMBINATIONS
from tests.isolated.clean import run

ROOT = Path(__file__).parents[2]


def test_every_copy_is_built_installed_tested_and_listed(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "-q")
    install = (*pip, "install", "-c", str(ROOT / "constraints.txt"))
    build = (*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path / "wheels"))

    run(*install, "hatchling", "pytest", cwd=tmp_path)
    run(*build, str(ROOT / "core"), str(ROOT / "plugins" / "template"), cwd=tmp_path)
    run(*install, *map(str, (tmp_path / "wheels").glob("*.whl")), cwd=tmp_path)
    for name, words in COMBINATIONS.items():
        run(python, "-m", "salience", "new", name, *words, cwd=tmp_path)
    run(*pip, "uninstall", "-y", "salience-template", cwd=tmp_path)

    copies = sorted(tmp_path.glob("salience-*"))
    run(*build, *map(str, copies), cwd=tmp_path)
    own = [str(next((tmp_path / "wheels").glob(f"salience_{name}-*.whl"))) for name in COMBINATIONS]
    run(*install, *own, cwd=tmp_path)
    listed = json.loads(run(python, "-m", "salience", "plugins", "--json", cwd=tmp_path))
    assert {one["name"]: one["status"] for one in listed} == dict.fromkeys(
        ["core", *COMBINATIONS], "registered"
    )
    tests = [str(path / "tests") for path in copies]
    run(python, "-m", "pytest", "-q", "--import-mode=importlib", *tests, cwd=tmp_path)
