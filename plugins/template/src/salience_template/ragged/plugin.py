"""The hooks of this plugin, which name its parts.

Name each part as ``"module:attr"`` and import nothing but ``hookimpl`` here. Listing plugins then
stays quick, and each part is imported on first use.
"""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Name → import path of the domain; the user writes ``domain="point_sets"``."""
    return {"point_sets": "salience_template.ragged.domain:PointSets"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """Name → import path of the visualizer; ``PointSets.visualizer`` is this name."""
    return {"point_plot": "salience_template.ragged.visualizer:PointPlot"}
