"""Test the distributions in clean environments; ``make test-isolated`` and ``make test-lowest``.

``isolated`` builds the wheel of each plugin and runs its tests in an environment that holds the
wheel, core's wheel, and what the two declare, with the extra ``test``. ``lowest`` runs the tests of
core and the plugins with the lowest version of each dependency that their metadata allow.
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
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
#: Ray asks for a later packaging than core, so the lowest of all cannot be installed together;
#: ``make test-scale`` tests the lowest version of Ray that its plugin allows.
TOGETHER = ("tabular", "vision", "molgraph", "template", "report")
PLUGINS = (*TOGETHER, "ray")
#: What of Ray's tests is run alone: those that kill processes are left to ``make test-scale``.
RAY = ("plugins/ray/tests/scale", "-k", "not kill and not stopped")
#: What the tests with the lowest versions need besides what the examples do.
TOOLS = ("captum", "hypothesis", "ipykernel", "nbclient", "pytest-xdist", "sybil", "xarray")
#: Tests that no version changes: of the tree's own sources, and with a package that is installed
#: without what it declares. Besides, what is left to ``make test-scale`` and ``test-isolated``.
LEFT_OUT = (
    *("tests/test_compare.py", "tests/test_house.py", "tests/test_laplace.py"),
    *("tests/isolated", "tests/scale/test_faults.py", "plugins/ray"),
)
#: Plugins that are tested at a time. Each environment takes 1 GB.
AT_A_TIME = 2


class FailedError(Exception):
    """Raised where a command failed; its output was printed."""


def run(*command: str | Path, cwd: Path, shown: bool = False) -> str:
    """Run a command without the variables by which Python finds this repository.

    Args:
        *command: Its words.
        cwd: Where it runs.
        shown: Whether what it prints is printed at once.

    Returns:
        What it printed.

    Raises:
        FailedError: Its exit status is not 0; what was not shown of it is in the message.
    """
    environment = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    # Several commands run at a time, and threads of torch would stand in each other's way.
    environment["OMP_NUM_THREADS"] = "1"
    words, lines = [str(word) for word in command], []
    with subprocess.Popen(
        words,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            if shown:
                print(line, end="", flush=True)
    said = "".join(lines)
    if running.returncode:
        failed = f"{' '.join(words)[:300]} ended with {running.returncode}"
        raise FailedError(failed if shown else f"{said}\n{failed}")
    return said


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
    run(python, "-m", "pip", "install", "-q", "--no-compile", *options, *requirements, cwd=ROOT)
    run(python, "-m", "pip", "check", cwd=ROOT)
    return python


def copied(names: Sequence[str], folder: Path) -> Path:
    """Copy those of the repository's files that git does not ignore to where nothing else is."""
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *names)
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():  # it may be deleted and not committed yet
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def test_isolated(plugin: str, wheels: dict[str, Path], place: Path) -> str:
    """Run the tests of a plugin with only what it declares.

    Args:
        plugin: Its name.
        wheels: Name of a package → its wheel.
        place: Where an environment and the tests go; removed in the end.

    Returns:
        What pytest printed, and how long it all took.

    Raises:
        FailedError: Something cannot be installed, or a test fails.
    """
    began = time.perf_counter()
    wheel = wheels[f"salience_{plugin}"]
    options = ("-c", ROOT / "constraints.txt", "--find-links", wheel.parent)
    try:
        python = environment(place / "env", [f"{wheel}[test]", str(wheels["salience"])], *options)
        chosen = RAY if plugin == "ray" else (f"plugins/{plugin}/tests",)
        models = ["tests/scale"] if plugin == "ray" else []
        tree = copied([chosen[0], *models, "pyproject.toml"], place / "tree")
        said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen, cwd=tree)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return f"{said}{plugin}: {time.perf_counter() - began:.0f} s"


def all_isolated(plugins: Sequence[str], wheels: dict[str, Path], place: Path) -> None:
    """Run the tests of plugins, some at a time, and print what each said when it has ended.

    Raises:
        FailedError: A plugin failed; raised when all have ended.
    """
    failed = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = [pool.submit(test_isolated, name, wheels, place / name) for name in plugins]
        for each in as_completed(running):
            try:
                print(each.result(), flush=True)
            except FailedError as error:
                failed.append(str(error))
    if failed:
        raise FailedError("\n".join(failed))


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
    for folder in (ROOT / "core", *(ROOT / "plugins" / plugin for plugin in TOGETHER)):
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
    plugins = [f"{wheels[f'salience_{plugin}']}[test]" for plugin in TOGETHER]
    python = environment(
        place / "env",
        [*plugins, str(wheels["salience"]), *pins, *TOOLS],
        *("-r", ROOT / "examples" / "requirements.txt"),
        *("-c", constraints, "--find-links", place / "wheels"),
    )
    tree = copied(["."], place / "tree")
    # The settings of pytest pass over folders that are called scale; here they are found.
    chosen = ["-m", "not slow", "-o", "norecursedirs=browser"]
    chosen += [f"--ignore={name}" for name in LEFT_OUT]
    options = ("-q", "-n", "auto", "-p", "no:cacheprovider")
    run(python, "-m", "pytest", *options, *chosen, "tests", "plugins", cwd=tree, shown=True)


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
                all_isolated(arguments.plugins, built(place / "wheels"), place)
        except FailedError as error:
            raise SystemExit(str(error)) from error
    print(f"{arguments.command}: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
