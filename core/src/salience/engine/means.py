"""Baselines that are means of data, computed before anything is explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from salience.aggregators.moments import as_float64
from salience.calculators.base import Calculator
from salience.data.per_item import Mean
from salience.datasets import items_of
from salience.engine.batching import unexplained
from salience.engine.promises import info_of
from salience.engine.units import Unit
from salience.engine.worker import Worker
from salience.errors import InputError
from salience.model.probe import Values
from salience.plugins.faults import Asked


def with_means(worker: Worker, samples: Sequence[Any]) -> Worker:
    """Replace the calculator's :class:`Mean` parameters by the means of their data.

    A :class:`Mean` becomes a mapping target variable → mean; one inside a mapping becomes the mean
    of the target variable that the mapping names.

    Args:
        worker: The worker, whose domain reads the data and whose model runs it.
        samples: Items that are explained, whose columns the data has, in any order.
    """
    calculator: Any = worker.request.calculator
    if not is_dataclass(calculator):
        return worker
    means: dict[str, Any] = {}
    for f in fields(calculator):
        value = getattr(calculator, f.name)
        if isinstance(value, Mean):
            means[f.name] = _mean(worker, value.data, samples)
        elif isinstance(value, Mapping) and any(isinstance(v, Mean) for v in value.values()):
            means[f.name] = {
                k: _mean(worker, v.data, samples).get(k, v) if isinstance(v, Mean) else v
                for k, v in value.items()
            }
    if not means:
        return worker
    made: Calculator = replace(calculator, **means)  # type: ignore[type-var, assignment]
    return worker.having(replace(worker.request, calculator=made))


def _mean(worker: Worker, data: Any, like: Sequence[Any]) -> Values:
    domain = worker.request.settings.domain
    samples = Asked("domains", domain, "read_like")(items_of(data), info_of(domain, like))
    if len(samples) == 0:
        raise InputError("Mean(...) got empty data; pass at least one item")
    unit = Unit(samples, range(len(samples)))
    sums: dict[str, tuple[Tensor, int]] = {}
    runner = replace(worker.runner, observer=None)
    for predicted in unexplained(runner, unit, worker.request):
        for name, value in predicted.x.items():
            view = predicted.view(name)
            values = as_float64(view.flat(value, 1)[0])
            total, count = values.sum(0), len(values)
            for place in view.places:  # the mean is that of every position along a padded axis
                total = total.unsqueeze(place)
            if name in sums:
                total, count = total + sums[name][0], count + sums[name][1]
            sums[name] = total, count
    return {name: (total / count).cpu() for name, (total, count) in sums.items()}
