"""The request: the user's arguments, checked and made into a worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.calculators.base import Calculator
from salience.data.per_item import Mean
from salience.engine import record as provenance
from salience.engine import rows as engine
from salience.engine.rows import PredictedBatch, Worker
from salience.engine.settings import Settings
from salience.engine.trials import prepare
from salience.errors import InputError, brief
from salience.model.probe import Probe, Values
from salience.model.targets import resolve
from salience.plugins.parts import make
from salience.samplers.base import NoiseSampler, ParameterSampler, WeightSampler, moves_model
from salience.samplers.design import Draws, draws_of
from salience.samplers.keyed import item_keys
from salience.samplers.weight_source import WeightSource
from salience.scoring.budget import Budget


class Request:
    """The checked arguments of a computation, with the worker that computes it on one device.

    A request does not hold the data to explain: the items of several chunks can share one request.

    Args:
        explainer: Settings of the explainer: model, domain, target and output variables.
        calculator: Name, config mapping or object.
        samplers: Sequence of names, config mappings or objects.
        n_samples: Draws per item, in any form that :func:`draws_of` takes.
        seed: Seed of all draws.
        aggregator: The aggregator of the draws; ``None`` where the draws are kept.
        device: One of the explainer's devices; the first where ``None``.

    Raises:
        InputError: A part is unknown or of the wrong kind, or the parts, the draws and the model do
            not fit together.
    """

    def __init__(
        self,
        explainer: Settings,
        calculator: Any,
        samplers: Sequence[Any],
        n_samples: Any,
        seed: int,
        aggregator: Aggregator | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.explainer = explainer
        self._domain = explainer.domain
        calculator = make("calculators", calculator)
        if isinstance(samplers, str | Mapping) or not isinstance(samplers, Iterable):
            raise InputError(
                f"samplers is {brief(samplers)}; pass a sequence, [{brief(samplers)}] or []"
            )
        made = [make("samplers", sampler) for sampler in samplers]
        _check_parts(calculator, made, seed)
        noise = [s for s in made if isinstance(s, NoiseSampler)]
        draws = draws_of(n_samples, any(sampler.antithetic for sampler in noise))
        _check_draws(draws, made, aggregator)
        weights = [s for s in made if isinstance(s, WeightSampler)]
        variables = resolve(explainer.target, self._domain.layout, explainer.model)
        probe = Probe(
            explainer.model,
            self._domain,
            variables,
            explainer.output,
            device or explainer.devices[0],
            explainer.precision,
            weights_vary=bool(weights),
        )
        self.worker = Worker(
            probe,
            self._domain,
            calculator,
            noise,
            [s for s in made if isinstance(s, ParameterSampler)],
            draws,
            int(seed),
            Budget(explainer.max_rows),
            WeightSource(weights, probe.model, int(seed)) if weights else None,
        )
        calculator = self._with_means(calculator)
        self.worker = replace(self.worker, calculator=calculator)
        self.record = provenance.record(explainer, calculator, made, draws, int(seed))
        self._tried = False

    def read(self, data: Any) -> Sequence[Any]:
        """Read the data into samples, one per item, by :meth:`Domain.read`.

        Raises:
            InputError: The data is empty, or the domain cannot read it.
        """
        samples = self._domain.read(data)
        if len(samples) == 0:
            raise InputError("the data is empty; pass at least one item")
        return samples

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError where the output variable or the calculator does not fit the data.

        Args:
            n_items: Number of items in the data set, or in the part of a stream read so far.
            more: Whether further items may follow, as in a stream.
        """
        self.explainer.output.check(n_items, more)
        self.worker.calculator.check(n_items, more)

    def try_samplers(self, predicted: PredictedBatch) -> None:
        """Adapt the worker to the model by :func:`prepare`; only the first call does anything.

        Args:
            predicted: The batch from which :func:`prepare` takes the item of its trial passes.

        Raises:
            InputError: Items of a batch influence each other, or a sampler cannot serve the model.
        """
        if not self._tried:
            self.worker = prepare(self.worker, predicted)
            self._tried = True

    def _with_means(self, calculator: Calculator) -> Calculator:
        """Replace the calculator's :class:`Mean` parameters by the means of their data.

        A :class:`Mean` becomes a mapping target variable → mean; one inside a mapping becomes the
        mean of the target variable that the mapping names.
        """
        if not is_dataclass(calculator):
            return calculator
        means: dict[str, Any] = {}
        for f in fields(calculator):
            value = getattr(calculator, f.name)
            if isinstance(value, Mean):
                means[f.name] = self._mean(value.data)
            elif isinstance(value, Mapping):
                means[f.name] = {
                    k: self._mean(v.data).get(k, v) if isinstance(v, Mean) else v
                    for k, v in value.items()
                }
        made: Calculator = replace(calculator, **means)
        return made

    def _mean(self, data: Any) -> Values:
        samples = self._domain.read(data)
        if len(samples) == 0:
            raise InputError("Mean(...) got empty data; pass at least one item")
        keys = item_keys(range(len(samples)))
        sums: dict[str, tuple[Tensor, int]] = {}
        for predicted in engine.batches(self.worker, samples, keys, explained=False):
            for name, (total, count) in engine.sums(predicted).items():
                if name in sums:
                    total, count = total + sums[name][0], count + sums[name][1]
                sums[name] = total, count
        return {name: (total / count).cpu() for name, (total, count) in sums.items()}


def _check_parts(calculator: Any, samplers: Sequence[Any], seed: int) -> None:
    if not isinstance(calculator, Calculator):
        raise InputError(f"calculator is {brief(calculator)}; pass a calculator's name or object")
    for sampler in samplers:
        if not isinstance(sampler, NoiseSampler) and not moves_model(sampler):
            raise InputError(f"samplers holds {brief(sampler)}; pass samplers' names or objects")
    if not isinstance(seed, Integral):
        raise InputError(f"seed={seed!r}; pass a whole number")


def _check_draws(draws: Draws, samplers: Sequence[Any], aggregator: Aggregator | None) -> None:
    """Raise InputError where the samplers cannot make the draws or the aggregator cannot use them.

    Args:
        draws: Number and structure of the draws of an item.
        samplers: Noise and parameter samplers.
        aggregator: The aggregator of the draws; ``None`` where the draws are kept.
    """
    asked = brief(draws.record())
    if draws.total > 1 and not samplers:
        raise InputError(
            f"n_samples={asked} without a sampler would repeat one result; "
            f'pass samplers=["gaussian"] or ["mc_dropout"], or n_samples=1'
        )
    noise = [sampler for sampler in samplers if isinstance(sampler, NoiseSampler)]
    if draws.nested and (not noise or len(noise) == len(samplers)):
        raise InputError(
            f"n_samples={asked} nests draws of noise in draws of the parameters; pass a sampler of "
            f"each, such as ['gaussian', 'mc_dropout'], or a single number"
        )
    for sampler in samplers:
        available = sampler.max_draws if isinstance(sampler, WeightSampler) else None
        if available is not None and draws.outer > available:
            if draws.nested:
                enough = f"({available}, {draws.inner})"
            elif draws.pairs:
                enough = f"{2 * available} or fewer"
            else:
                enough = f"{available} or fewer, or ({available}, 16) for 16 draws of noise to each"
            raise InputError(
                f"{type(sampler).__name__} has {available} draws of weights, but n_samples={asked} "
                f"asks for {draws.outer}; pass {enough}"
            )
    if aggregator is not None:
        check_aggregator(aggregator, draws)


def check_aggregator(aggregator: Aggregator, draws: Draws) -> None:
    """Raise InputError where the aggregator needs more draws, or independent ones.

    Args:
        aggregator: The aggregator of the draws.
        draws: Number and structure of the draws of an item.
    """
    name = type(aggregator).__name__
    fewest = draws.total if draws.until is None else draws.until.min
    if fewest < aggregator.min_draws:
        raise InputError(
            f"{name} measures how draws spread and needs {aggregator.min_draws} of them or more; "
            f"pass a sampler and n_samples"
        )
    if aggregator.independent and draws.group > 1:
        kind = "nested" if draws.nested else "antithetic"
        raise InputError(
            f"{name} measures how single draws spread, and {kind} draws depend on each other; "
            f"pass a plain number as n_samples and no antithetic noise, or aggregate by 'raw'"
        )
