"""The hooks of this plugin, which name its parts.

Name each part as ``"module:attr"`` and import nothing but ``hookimpl`` here. Listing plugins then
stays quick, and each part is imported on first use. ``salience.hookspecs`` describes the hooks for
parts of other kinds.
"""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """Name → import path of the domain; the user writes ``domain="spectra"``."""
    return {"spectra": "salience_template.dense.domain:Spectra"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """Name → import path of the visualizer; ``Spectra.visualizer`` is this name."""
    return {"spectrum": "salience_template.dense.visualizer:SpectrumPlot"}
