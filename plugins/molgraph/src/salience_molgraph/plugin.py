"""What this plugin adds; imports nothing heavy."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """The domain of molecules."""
    return {"molgraph": "salience_molgraph.domain:MolGraph"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """The picture of a molecule."""
    return {"molecule": "salience_molgraph.plot:MoleculePlot"}
