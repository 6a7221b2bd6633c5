"""The six hooks that a plugin may implement.

The name ``salience`` is used for the project, for pluggy's markers, as the prefix of the hooks and
as the entry-point group. Each hook returns a mapping: name → class, or name → ``"module:attr"``,
which is imported on first use. A plugin module that is named in an entry point should import
nothing but :data:`hookimpl`, so that listing plugins stays quick.
"""

from __future__ import annotations

from collections.abc import Mapping

import pluggy

GROUP = "salience"

hookspec = pluggy.HookspecMarker(GROUP)
#: Marks a function of a plugin module as the implementation of a hook.
hookimpl = pluggy.HookimplMarker(GROUP)

Parts = Mapping[str, "type | str"]


@hookspec
def salience_domains() -> Parts:
    """Domains: name → :class:`salience.Domain`, the adapter of a kind of data.

    A domain declares the input layout, the default target variable and the visualizer.
    """
    raise NotImplementedError


@hookspec
def salience_calculators() -> Parts:
    """Calculators: name → :class:`salience.Calculator`.

    A calculator turns a score function and a point into saliency.
    """
    raise NotImplementedError


@hookspec
def salience_samplers() -> Parts:
    """Samplers: name → :class:`salience.NoiseSampler` or :class:`salience.ParameterSampler`.

    A noise sampler perturbs the target variable, a parameter sampler perturbs the model.
    """
    raise NotImplementedError


@hookspec
def salience_aggregators() -> Parts:
    """Aggregators: name → :class:`salience.Aggregator`, which turns draws into one saliency."""
    raise NotImplementedError


@hookspec
def salience_visualizers() -> Parts:
    """Visualizers: name → :class:`salience.Visualizer`, which renders saliency."""
    raise NotImplementedError


@hookspec
def salience_executors() -> Parts:
    """Executors: name → :class:`salience.Executor`, which has units of items explained."""
    raise NotImplementedError
