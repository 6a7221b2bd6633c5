"""Build the seven distributions into dist/ and check them; ``make release`` runs this.

Each source archive is built from its folder and each wheel from its source archive. Nothing is
downloaded and nothing is published.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
PLUGINS = ("tabular", "vision", "molgraph", "template", "report", "ray")
# The address that stands in the metadata until there is a public one.
PLACEHOLDER = "https://example.org/"
IN_THE_ENVIRONMENT = """
import sys, salience
assert salience.__file__.startswith(sys.prefix), salience.__file__
assert "torch" not in sys.modules, "importing salience imports torch"
print(salience.__version__)
"""


@dataclass(frozen=True)
class Distribution:
    """A distribution of this repository.

    Args:
        name: Its name for pip.
        folder: Where its pyproject.toml is.
    """

    name: str
    folder: Path

    @property
    def package(self) -> str:
        """Name of the package that it installs."""
        return self.name.replace("-", "_")

    @property
    def has_hooks(self) -> bool:
        """Whether it registers a plugin."""
        project = (self.folder / "pyproject.toml").read_text(encoding="utf-8")
        return self.name == "salience" or "[project.entry-points.salience]" in project

    @property
    def wheel(self) -> Path:
        """The wheel in dist/."""
        return self._only(f"{self.package}-*.whl")

    @property
    def source(self) -> Path:
        """The source archive in dist/."""
        return self._only(f"{self.package}-*.tar.gz")

    def carried(self) -> set[str]:
        """What the wheel has besides its package, as its pyproject.toml says: for copies of it."""
        tool = tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
        given = tool["hatch"]["build"]["targets"]["wheel"].get("force-include", {})
        found = set()
        for source, place in given.items():
            inside = files(self.folder, source)
            found |= {f"{place}{name.removeprefix(source)}" for name in inside} or {place}
        return found

    def _only(self, pattern: str) -> Path:
        found = list(DIST.glob(pattern))
        expect(len(found) == 1, f"dist/ has {len(found)} files {pattern}; expected one")
        return found[0]

    def build(self) -> None:
        """Make both files."""
        run(
            [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST), "."],
            self.folder,
        )

    def metadata(self) -> Message:
        """The metadata in the wheel, equal to that in the source archive."""
        with zipfile.ZipFile(self.wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            metadata = archive.read(name)
        with tarfile.open(self.source) as archive:
            stored = archive.extractfile(f"{self.source.name.removesuffix('.tar.gz')}/PKG-INFO")
            assert stored is not None
            expect(
                stored.read() == metadata, f"metadata differ in {self.source.name} and its wheel"
            )
        return message_from_bytes(metadata)

    def check_files(self) -> None:
        """Compare the files in both archives with those in the folder."""
        expected = {"LICENSE", "README.md", "pyproject.toml"}
        expected |= files(self.folder, "src") | files(self.folder, "tests")
        with tarfile.open(self.source) as archive:
            names = [member.name for member in archive.getmembers() if member.isfile()]
        packed = {name.partition("/")[2] for name in names} - {"PKG-INFO", ".gitignore"}
        check_same(packed, expected, self.source.name)

        with zipfile.ZipFile(self.wheel) as archive:
            names = archive.namelist()
        expect(
            any(name.endswith(".dist-info/licenses/LICENSE") for name in names),
            f"{self.wheel.name} has no LICENSE",
        )
        installed = {name for name in names if ".dist-info/" not in name}
        package = {name.removeprefix("src/") for name in files(self.folder, "src")}
        package |= self.carried()
        check_same(installed, package, self.wheel.name)

        own = (self.folder / "LICENSE").read_text(encoding="utf-8")
        common = (ROOT / "LICENSE").read_text(encoding="utf-8")
        expect(own == common, f"{self.folder / 'LICENSE'} differs from {ROOT / 'LICENSE'}")


CORE = Distribution("salience", ROOT / "core")
DISTRIBUTIONS = (
    CORE,
    *(Distribution(f"salience-{name}", ROOT / "plugins" / name) for name in PLUGINS),
)


def main() -> None:
    """Build, check, and say what is in dist/."""
    DIST.mkdir(exist_ok=True)
    for pattern in ("*.whl", "*.tar.gz"):
        for old in DIST.glob(pattern):
            old.unlink()
    with ThreadPoolExecutor() as pool:
        list(pool.map(Distribution.build, DISTRIBUTIONS))
        for distribution in DISTRIBUTIONS:
            distribution.check_files()
        version = check_versions()
        archives = [str(path) for d in DISTRIBUTIONS for path in (d.source, d.wheel)]
        run([sys.executable, "-m", "twine", "check", "--strict", *archives])
        with tempfile.TemporaryDirectory() as folder:
            needed = link_dependencies(Path(folder) / "dependencies")
            list(pool.map(lambda d: check_install(d, version, Path(folder), needed), DISTRIBUTIONS))
    for archive in archives:
        path = Path(archive)
        print(f"{path.stat().st_size / 1024:6.0f} KiB  {path.relative_to(ROOT)}")
    print(f"salience {version}: seven distributions built, checked and installed.")
    if any(PLACEHOLDER in str(d.metadata()) for d in DISTRIBUTIONS):
        print(f"Before they are published: put the true address in the place of {PLACEHOLDER}…")


def check_versions() -> str:
    """The version that all distributions, the changelog and the citation agree on."""
    version = str(CORE.metadata()["Version"])
    changelog = first(r"^## (\S+)", ROOT / "CHANGELOG.md")
    citation = first(r"^version: (\S+)", ROOT / "CITATION.cff")
    said = {d.name: str(d.metadata()["Version"]) for d in DISTRIBUTIONS}
    said |= {"CHANGELOG.md": changelog, "CITATION.cff": citation}
    other = {name: one for name, one in said.items() if one != version}
    expect(not other, f"salience has version {version}, but there are {other}")
    return version


def check_install(
    distribution: Distribution, version: str, folder: Path, dependencies: Path
) -> None:
    """Install a wheel into an environment of its own, with core from dist/, and list plugins.

    Args:
        distribution: What is installed.
        version: The version that it must have.
        folder: Where the environment is made.
        dependencies: Packages that the environment sees besides.
    """
    environment = folder / distribution.name
    venv.create(environment, with_pip=False)
    base = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", "venv", base))
    # A folder named in a .pth file is looked into for packages only, not for further .pth files.
    (packages / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
    scripts = Path(sysconfig.get_path("scripts", "venv", base))
    python = str(scripts / "python")

    pip = [sys.executable, "-m", "pip", "--isolated", "--python", python, "install", "--quiet"]
    run([*pip, "--no-index", "--find-links", str(DIST), f"{distribution.name}=={version}"], folder)
    found = run([python, "-c", IN_THE_ENVIRONMENT], folder).strip()
    expect(found == version, f"{distribution.name} came with salience {found}, not {version}")
    listed = json.loads(run([str(scripts / "salience"), "plugins", "--json"], folder))
    names = sorted({record["distribution"] for record in listed})
    expected = sorted({one.name for one in (CORE, distribution) if one.has_hooks})
    expect(names == expected, f"`salience plugins` lists {names}; expected {expected}")


def link_dependencies(folder: Path) -> Path:
    """A folder of links to all packages of this environment but those of this repository."""
    folder.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        own = package.name.startswith(("salience", "_editable_impl_salience"))
        if not own and package.suffix != ".pth":
            (folder / package.name).symlink_to(package)
    return folder


def run(command: list[str], cwd: Path = ROOT) -> str:
    """What a command prints; ends the script where it fails."""
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PIP_CONFIG_FILE"] = os.devnull
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    expect(done.returncode == 0, f"failed: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def files(folder: Path, part: str) -> set[str]:
    """Paths of the files in a part of a folder, relative to the folder."""
    found = (path for path in (folder / part).rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix() for p in found if "__pycache__" not in p.parts}


def check_same(packed: Iterable[str], expected: Iterable[str], archive: str) -> None:
    """Expect an archive to hold these files and no others."""
    missing, extra = sorted({*expected} - {*packed}), sorted({*packed} - {*expected})
    expect(not missing and not extra, f"{archive} lacks {missing} and has besides {extra}")


def first(pattern: str, path: Path) -> str:
    """What the group of a pattern matches first in a file."""
    match = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    expect(match is not None, f"{path.name} has no line that matches {pattern}")
    assert match is not None
    return match[1]


def expect(condition: bool, message: str) -> None:
    """End the script with a message unless the condition holds."""
    if not condition:
        raise SystemExit(message)


if __name__ == "__main__":
    main()
