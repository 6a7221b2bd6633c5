"""The hook of this plugin."""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_executors() -> dict[str, str]:
    """Name the executor; the user writes ``executor="ray"``."""
    return {"ray": "salience_ray.executor:RayExecutor"}
