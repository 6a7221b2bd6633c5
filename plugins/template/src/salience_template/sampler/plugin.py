"""The hook of this plugin, which names its part.

Name the part as ``"module:attr"`` and import nothing but ``hookimpl`` here. Listing plugins then
stays quick, and the part is imported on first use.
"""

from __future__ import annotations

from salience.hookspecs import hookimpl


@hookimpl
def salience_samplers() -> dict[str, str]:
    """Name → import path of the sampler; the user writes ``samplers=["laplace"]``."""
    return {"laplace": "salience_template.sampler.sampler:LaplaceNoise"}
