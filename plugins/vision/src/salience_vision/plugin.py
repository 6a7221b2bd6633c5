"""What this plugin adds; nothing is imported until it is used."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Photos and image tensors."""
    return {"vision": "salience_vision.domain:Vision"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """A colour map laid over the photo."""
    return {"overlay": "salience_vision.overlay:Overlay"}
