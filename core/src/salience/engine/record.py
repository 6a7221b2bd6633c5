"""What ran: parts, parameters, seed and versions, and how to run it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib import metadata
from typing import Any

import torch

from salience.calculators.base import Calculator
from salience.engine.settings import Settings
from salience.errors import InputError
from salience.model.outputs import output_config
from salience.model.targets import Target
from salience.plugins import host
from salience.plugins.parts import is_placeholder, to_config
from salience.samplers.base import WeightSampler, moves_model
from salience.samplers.design import Draws

part = to_config


def record(
    explainer: Settings, calculator: Calculator, samplers: Sequence[Any], draws: Draws, seed: int
) -> dict[str, Any]:
    """The record of a computation; only tensors and other data in it are not JSON types."""
    targets = explainer.target if isinstance(explainer.target, list | tuple) else [explainer.target]
    return {
        "model": type(explainer.model).__qualname__,
        "domain": part("domains", explainer.domain),
        "target": [asdict(t) if isinstance(t, Target) else t for t in targets],
        "output": output_config(explainer.output),
        "calculator": part("calculators", calculator),
        "samplers": [part("samplers", sampler) for sampler in samplers],
        "n_samples": draws.record(),
        "group": draws.group,
        "samples_parameters": any(moves_model(sampler) for sampler in samplers),
        "shared_draws": any(isinstance(sampler, WeightSampler) for sampler in samplers),
        "seed": seed,
        "precision": explainer.precision,
        "versions": _versions(),
    }


def settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`salience.explain` that a record stands for.

    Raises:
        InputError: A part in it is none that a plugin registers.
    """
    names = ("domain", "output", "calculator", "samplers", "n_samples", "seed", "precision")
    chosen = {name: record[name] for name in names}
    # Draws that were kept have no aggregator yet, and items without ids go by their positions.
    chosen |= {name: record[name] for name in ("aggregator", "ids") if name in record}
    for placeholder in _placeholders(chosen):
        raise InputError(
            f"the record tells of {placeholder} without holding it, since no plugin "
            f"registers it or it is no data; pass the object to salience.explain yourself"
        )
    targets = [Target(**t) if isinstance(t, Mapping) else t for t in record["target"]]
    chosen["target"] = targets[0] if len(targets) == 1 else targets
    return chosen


def _placeholders(value: Any) -> Iterator[str]:
    """What a record only tells of."""
    if is_placeholder(value):
        yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _placeholders(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _placeholders(item)


def _versions() -> dict[str, str]:
    plugins = {r.distribution: r.version for r in host().records if r.error is None}
    return plugins | {"salience": _own_version(), "torch": str(torch.__version__)}


@cache
def _own_version() -> str:
    return metadata.version("salience")
