"""The hook of this plugin, which names its part.

Name the part as ``"module:attr"`` and import nothing but ``hookimpl`` here. Listing plugins then
stays quick, and the part is imported on first use.
"""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """Name → import path of the visualizer; for ``visualize(visualizer="stripes")``."""
    return {"stripes": "salience_template.visualizer.visualizer:Stripes"}
