"""The files of a new plugin: those of a template, with its names exchanged.

``salience new`` calls :func:`files`. A template is a folder of this package with the folder of
:file:`tests` of the same name; what is the same for all of them is the project around.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from salience.errors import InputError

_PACKAGE = Path(__file__).parent
# Where the package is used from a checkout the project lies around it; a wheel carries a copy.
_CHECKOUT = _PACKAGE.parents[1]
_IS_CHECKOUT = (_CHECKOUT / "pyproject.toml").is_file() and _PACKAGE.parent.name == "src"
_PROJECT = _CHECKOUT if _IS_CHECKOUT else _PACKAGE / "project"
# Default of a domain's target, and what a domain with an inner target has in its place.
_TARGET, _INNER_TARGET = 'target: str = "input"', 'target: str = "encode"'


@dataclass(frozen=True)
class Template:
    """Names in a template that a copy exchanges.

    Args:
        kind: What it is, in words.
        part: Name of its part, as users write it.
        cls: Name of the class of the part.
        plot: Name of the domain's visualizer; empty without one.
        plot_cls: Name of the visualizer's class; empty without one.
    """

    kind: str
    part: str
    cls: str
    plot: str = ""
    plot_cls: str = ""


#: Folder → names.
TEMPLATES: Mapping[str, Template] = {
    "dense": Template("domain", "spectra", "Spectra", plot="spectrum", plot_cls="SpectrumPlot"),
    "padded": Template("domain", "signals", "Signals", plot="signal_plot", plot_cls="SignalPlot"),
    "ragged": Template(
        "domain", "point_sets", "PointSets", plot="point_plot", plot_cls="PointPlot"
    ),
    "calculator": Template("calculator", "deviation", "Deviation"),
    "sampler": Template("sampler", "laplace", "LaplaceNoise"),
    "weight_sampler": Template("weight sampler", "drop_connect", "DropConnect"),
    "aggregator": Template("aggregator", "largest", "Largest"),
    "visualizer": Template("visualizer", "stripes", "Stripes"),
}


def files(name: str, folder: str, inner_target: bool = False) -> dict[str, str]:
    """The files of a new plugin.

    Args:
        name: Name of the plugin and of its part, an identifier in lower case.
        folder: The template, one of :data:`TEMPLATES`.
        inner_target: Whether the domain's default target is the output of a module, ``encode``.

    Returns:
        Path of each file in the new project → its text.

    Raises:
        InputError: The class of that name would be called like another in the template.
    """
    made, cls = {}, name.title().replace("_", "")
    for path, text in _sources(folder):
        if path.endswith(".py") and re.search(rf"\b{cls}\b", text):
            raise InputError(
                f"the class {cls} of a plugin {name!r} would be called like another that it uses; "
                f"pick another name"
            )
        exchanged = _exchanged(text, name, folder)
        if inner_target and path.endswith("domain.py"):
            exchanged = exchanged.replace(_TARGET, _INNER_TARGET)
        path = path.replace("PACKAGE", f"salience_{name}")
        made[path.replace("test_template_", f"test_{name}_")] = exchanged
    sources = "".join(text for path, text in made.items() if path.startswith("src/"))
    made["pyproject.toml"] = _pyproject(name, folder, sources)
    made["LICENSE"] = (_PROJECT / "LICENSE").read_text(encoding="utf-8")
    return made


def _sources(folder: str) -> Iterator[tuple[str, str]]:
    """Path in a project, and text, of each file of a template's package and tests."""
    for path in sorted((_PACKAGE / folder).iterdir()):
        if path.is_file():
            place = path.name if path.name == "README.md" else f"src/PACKAGE/{path.name}"
            yield place, path.read_text(encoding="utf-8")
    yield "src/PACKAGE/py.typed", ""
    for path in sorted((_PROJECT / "tests" / folder).glob("test_*.py")):
        yield f"tests/{path.name}", path.read_text(encoding="utf-8")


def _exchanged(text: str, name: str, folder: str) -> str:
    template, camel = TEMPLATES[folder], name.title().replace("_", "")
    text = text.replace(f"salience_template.{folder}", f"salience_{name}")
    text = text.replace("salience-template", f"salience-{name.replace('_', '-')}")
    for word, own in ((template.cls, camel), (template.plot_cls, f"{camel}Plot")):
        text = re.sub(rf"\b{word}\b", own, text) if word else text
    for word, own in ((template.part, name), (template.plot, f"{name}_plot")):
        if "_" in word:  # no word of English, so never one of a sentence
            text = re.sub(rf"\b{word}\b", own, text)
        elif word:
            quoted = rf'(?<=["`]){word}(?=[":`])|(?<=--domain ){word}\b'
            text = re.sub(quoted, own, text)
    return text


def _pyproject(name: str, folder: str, sources: str) -> str:
    """The settings of a new plugin, which asks for nothing that its sources do not import."""
    text = (_PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    # The last section says what the wheel of the templates carries for copies.
    text = text[: text.index("\n# What `salience new` copies")]
    entry = f'{name} = "salience_{name}.plugin"'
    text = re.sub(r"(?:^template\w* = .*\n)+", f"{entry}\n", text, flags=re.M)
    text = text.replace("salience_template", f"salience_{name}")
    text = text.replace("salience-template", f"salience-{name.replace('_', '-')}")
    for package in ("matplotlib", "numpy"):
        if not re.search(rf"^(?:import|from) {package}\b", sources, re.M):
            text = re.sub(rf'^    "{package}>=.*\n', "", text, flags=re.M)
    own = f'description = "The {TEMPLATES[folder].kind} {name} for salience"'
    text = re.sub(r"^description = .*$", own, text, flags=re.M)
    return re.sub(r"^version = .*$", 'version = "0.1.0"', text, flags=re.M)
