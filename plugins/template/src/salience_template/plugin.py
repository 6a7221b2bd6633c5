"""The hooks of this plugin: what it brings, by name.

Name parts as ``"module:attr"`` and import nothing but ``hookimpl`` here: then listing plugins stays
quick, and each part is imported when it is first used. There are three more hooks for calculators,
samplers and aggregators, see ``salience.hookspecs``.
"""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_domains() -> dict[str, str]:
    """What the user writes as ``domain="spectra"``."""
    return {"spectra": "salience_template.domain:Spectra"}


@hookimpl
def salience_visualizers() -> dict[str, str]:
    """What the domain names as its ``visualizer``."""
    return {"spectrum": "salience_template.visualizer:SpectrumPlot"}
