"""Which package of the salience project brings a part, named where the part is not installed."""

from __future__ import annotations

# Kind → name of a part → distribution.
_PACKAGES = {
    "domains": {
        "tabular": "salience-tabular",
        "vision": "salience-vision",
        "molgraph": "salience-molgraph",
        "point_sets": "salience-template",
        "signals": "salience-template",
        "spectra": "salience-template",
    },
    "visualizers": {
        "bar": "salience-tabular",
        "beeswarm": "salience-tabular",
        "heatmap": "salience-tabular",
        "molecule": "salience-molgraph",
        "montage": "salience-vision",
        "overlay": "salience-vision",
        "point_plot": "salience-template",
        "points": "salience-tabular",
        "scatter": "salience-tabular",
        "signal_plot": "salience-template",
        "spectrum": "salience-template",
        "stripes": "salience-template",
        "waterfall": "salience-tabular",
    },
}


def package_of(kind: str, name: str) -> str | None:
    """The distribution of the salience project that brings a part; ``None`` where none does."""
    return _PACKAGES.get(kind, {}).get(name)


def names_in_packages(kind: str) -> list[str]:
    """Names of the parts of one kind that packages of the salience project bring."""
    return sorted(_PACKAGES.get(kind, {}))
