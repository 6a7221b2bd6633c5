"""Test the distributions in clean environments; ``make test-isolated`` and ``make test-lowest``.

``isolated`` builds the wheel of each plugin and runs its tests in an environment that holds the
wheel, core's wheel, and what the two declare, with the extra ``test``. ``lowest`` runs the tests of
all distributions with the lowest version of each dependency that their metadata allow.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ("tabular", "vision", "molgraph", "template", "report")
#: What tests of core need besides.
TOOLS = ("hypothesis", "pytest-xdist")
#: Tests of core that compare with packages which ask for later versions, or that look at the tree.
LEFT_OUT = (
    "fuzz",
    "test_captum_parity.py",
    "test_compare.py",
    "test_examples.py",
    "test_families.py",
    "test_from_arrays.py",
    "test_house.py",
    "test_laplace.py",
    "test_notebooks.py",
    "test_wheels.py",
)


class FailedError(Exception):
    """Raised where a command failed; its output was printed."""


def run(*command: str | Path, cwd: Path, quiet: bool = True) -> None:
    """Run a command without the variables by which Python finds this repository.

    Raises:
        FailedError: Its exit status is not 0.
    """
    environment = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout or "", flush=True)
        raise FailedError(f"{' '.join(map(str, command))[:300]} ended with {done.returncode}")


def built(folder: Path) -> dict[str, Path]:
    """Build the wheels of all distributions into a folder: name of the package → wheel."""
    sources = [ROOT / "core", *(ROOT / "plugins" / plugin for plugin in PLUGINS)]
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, *sources, cwd=ROOT)
    return {wheel.name.partition("-")[0]: wheel for wheel in folder.glob("*.whl")}


def environment(folder: Path, requirements: Sequence[str], *options: str | Path) -> Path:
    """Make an environment with these requirements, and return its Python."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", *options, *requirements, cwd=ROOT)
    run(python, "-m", "pip", "check", cwd=ROOT)
    return python


def copied(plugins: Sequence[str], folder: Path) -> Path:
    """Copy the tests of plugins, and the settings of pytest, to where nothing else is."""
    for plugin in plugins:
        tests = Path("plugins", plugin, "tests")
        shutil.copytree(ROOT / tests, folder / tests, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_isolated(plugin: str, wheels: dict[str, Path], place: Path) -> None:
    """Run the tests of a plugin with only what it declares.

    Args:
        plugin: Its name.
        wheels: Name of a package → its wheel.
        place: An empty folder.

    Raises:
        FailedError: Something cannot be installed, or a test fails.
    """
    wheel = wheels[f"salience_{plugin}"]
    options = ("-c", ROOT / "constraints.txt", "--find-links", wheel.parent)
    python = environment(place / "env", [f"{wheel}[test]", str(wheels["salience"])], *options)
    tests = copied([plugin], place / "tree")
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "plugins", cwd=tests, quiet=False)


def lowest() -> dict[str, Version]:
    """The lowest version of each dependency that all the distributions allow.

    The extra ``test`` names what tests need, which no user of a distribution installs.
    """
    found: dict[str, Version] = {}
    for requirement in _requirements():
        name = canonicalize_name(requirement.name)
        bounds = [Version(s.version) for s in requirement.specifier if s.operator == ">="]
        if name.partition("-")[0] == "salience":
            continue
        if not bounds:
            raise SystemExit(f"{requirement} has no lower bound; write the lowest that was tested")
        found[name] = max([*bounds, found.get(name, bounds[0])])
    return found


def _requirements() -> Iterator[Requirement]:
    for folder in (ROOT / "core", *(ROOT / "plugins" / plugin for plugin in PLUGINS)):
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        lines = [line for extra, lines in extras.items() if extra != "test" for line in lines]
        yield from map(Requirement, [*project["dependencies"], *lines])


def test_lowest(place: Path, replaced: Sequence[str]) -> None:
    """Run the tests of core and of all plugins with the lowest versions that are allowed.

    Args:
        place: An empty folder.
        replaced: Versions in place of the lowest, as ``name==version``.

    Raises:
        FailedError: The versions cannot be installed together, or a test fails.
    """
    versions = lowest() | {
        r.name: Version(str(r.specifier)[2:]) for r in map(Requirement, replaced)
    }
    pins = [f"{name}=={version}" for name, version in sorted(versions.items())]
    print("with", *pins, flush=True)
    constraints = place / "constraints.txt"
    constraints.write_text("\n".join(pins), encoding="utf-8")
    wheels = built(place / "wheels")
    chosen = [f"{wheel}[test]" for name, wheel in wheels.items() if name != "salience"]
    python = environment(
        place / "env",
        [*chosen, str(wheels["salience"]), *pins, *TOOLS],
        *("-c", constraints, "--find-links", place / "wheels"),
    )
    tree = copied(PLUGINS, place / "tree")
    shutil.copytree(ROOT / "tests", tree / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    ignored = [f"--ignore=tests/{name}" for name in LEFT_OUT]
    options = ("-q", "-n", "auto", "-m", "not slow", "-p", "no:cacheprovider", *ignored)
    run(python, "-m", "pytest", *options, "tests", "plugins", cwd=tree, quiet=False)


def main() -> None:
    """Run what the command line asks for, and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    isolated = commands.add_parser("isolated", help="each plugin with only what it declares")
    isolated.add_argument("plugins", nargs="*", default=PLUGINS, help="all where none is named")
    low = commands.add_parser("lowest", help="the lowest versions of all dependencies")
    low.add_argument("--with", dest="replaced", action="append", default=[], help="torch==2.13.0")
    arguments = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        try:
            if arguments.command == "lowest":
                test_lowest(place, arguments.replaced)
            else:
                wheels = built(place / "wheels")
                for plugin in arguments.plugins:
                    started = time.perf_counter()
                    test_isolated(plugin, wheels, place / plugin)
                    shutil.rmtree(place / plugin)  # each environment takes .9 GB
                    print(f"{plugin}: {time.perf_counter() - started:.0f} s", flush=True)
        except FailedError as error:
            raise SystemExit(str(error)) from error
    print(f"{arguments.command}: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
