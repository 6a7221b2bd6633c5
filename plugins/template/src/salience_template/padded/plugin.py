"""The hooks of this plugin, which name its parts.

Name each part as ``"module:attr"`` and import nothing but ``hookimpl`` here. Listing plugins then
stays quick, and each part is imported on first use.
"""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Name → import path of the domain; the user writes ``domain="signals"``."""
    return {"signals": "salience_template.padded.domain:Signals"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """Name → import path of the visualizer; ``Signals.visualizer`` is this name."""
    return {"signal_plot": "salience_template.padded.visualizer:SignalPlot"}
