"""Hooks of salience-vision, which name its parts; a part is imported on first use."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Name → import path of the domain of photos and image tensors."""
    return {"vision": "salience_vision.domain:Vision"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """Name → import path of the overlay over a photo, and of the montage of slices or photos."""
    return {
        "overlay": "salience_vision.pictures.overlay:Overlay",
        "montage": "salience_vision.pictures.montage:Montage",
    }
