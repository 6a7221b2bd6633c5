"""Hooks of salience-molgraph, which name its parts; a part is imported on first use."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Name → import path of the domain of molecules."""
    return {"molgraph": "salience_molgraph.domain:MolGraph"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """Name → import path of the visualizer of molecules."""
    return {"molecule": "salience_molgraph.plot:MoleculePlot"}
