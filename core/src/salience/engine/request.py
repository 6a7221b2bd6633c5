"""The request: what is to be computed, made and checked; pure, so that it can be sent anywhere."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from salience.aggregators.base import Aggregator
from salience.calculators.base import Calculator
from salience.data.columns import by_position
from salience.data.groups import Pool
from salience.engine.endless import check_rows
from salience.engine.promises import fitted_to, info_of
from salience.engine.settings import Settings
from salience.errors import InputError, brief
from salience.intake import boolean, integer
from salience.naming import listed
from salience.plugins.faults import Asked
from salience.plugins.parts import make
from salience.results.design import Design
from salience.samplers.base import NoiseSampler, ParameterSampler, WeightSampler, moves_model
from salience.samplers.design import Draws, draws_of
from salience.samplers.weight_source import check_weights


@dataclass(frozen=True)
class Verdicts:
    """What preflight found out about the model, and all workers of a request go by.

    Args:
        samplers: The samplers, prepared for the model, in the user's order; ``None`` before
            preflight.
        one_row_per_pass: Whether each row needs a forward pass of its own.
        one_item_per_batch: Whether each item needs a batch of its own.
        weight_draws_per_pass: Largest number of draws of weights in one forward pass.
        speedups: Names of the speed-ups that are worth their preparation.
        without: Names of the speed-ups that change the model.
        moves_targets: Whether parameter samplers move target variables inside the model.
        calm: Whether parameter samplers switch off in predictions what the model would draw.
        training: Paths of modules that run in training mode, for the dropout that only that shows.
    """

    samplers: Sequence[Any] | None = None
    one_row_per_pass: bool = False
    one_item_per_batch: bool = False
    weight_draws_per_pass: int = 1
    speedups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    moves_targets: bool = False
    calm: bool = False
    training: tuple[str, ...] = ()

    def usable(self, names: Collection[str]) -> tuple[str, ...]:
        """The names of speed-ups without those that change the model."""
        return tuple(name for name in names if name not in self.without)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A computation: parts, settings and seed, without the data and without any device.

    Args:
        settings: Settings of the explainer: model, domain, target and output variables.
        calculator: Computes the saliency of rows.
        samplers: Noise, parameter and weight samplers, in the user's order.
        draws: Number of draws of an item, and which of them depend on each other.
        seed: Seed of all draws.
        aggregator: The aggregator of the draws; ``None`` where the draws are kept.
        partial: Whether a KeyboardInterrupt ends the computation with the batches that are
            finished by then.
        verdicts: What preflight found out about the model.
        pool: Groups of positions over which saliency is summed; ``None`` where it is not.
    """

    settings: Settings
    calculator: Calculator
    samplers: Sequence[Any]
    draws: Draws
    seed: int
    aggregator: Aggregator | None = None
    partial: bool = False
    verdicts: Verdicts = field(default_factory=Verdicts)
    pool: Pool | None = None

    @property
    def noise(self) -> list[NoiseSampler]:
        """The noise samplers, applied one after the other."""
        return [s for s in self._prepared if isinstance(s, NoiseSampler)]

    @property
    def parameters(self) -> list[ParameterSampler]:
        """The parameter samplers, all active in each forward pass."""
        return [s for s in self._prepared if isinstance(s, ParameterSampler)]

    @property
    def weights(self) -> list[WeightSampler]:
        """The weight samplers, applied one after the other."""
        return [s for s in self._prepared if isinstance(s, WeightSampler)]

    @property
    def _prepared(self) -> Sequence[Any]:
        return self.samplers if self.verdicts.samplers is None else self.verdicts.samplers

    @property
    def design(self) -> Design:
        """How the draws depend on each other."""
        return Design(
            group=self.draws.group,
            samples_parameters=any(moves_model(sampler) for sampler in self.samplers),
            shared_draws=any(isinstance(sampler, WeightSampler) for sampler in self.samplers),
            signed=self.aggregator is not None and self.aggregator.signed,
            averages=self.aggregator is None or self.aggregator.averages,
        )

    def fitted(self, samples: Sequence[Any]) -> Request:
        """This request, with what depends on the data read from the samples.

        That is the domain's layout, where it depends on the data, and the order of the columns of
        frames among the parameters of the calculator and the samplers.
        """
        domain = fitted_to(self.settings.domain, samples)
        request = self
        if domain is not self.settings.domain:
            request = replace(self, settings=replace(self.settings, domain=domain))
        parts = (self.calculator, *self.samplers)
        calculator, *samplers = by_position(parts, lambda: info_of(domain, samples))
        return replace(request, calculator=calculator, samplers=tuple(samplers))

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError where the output variable or the calculator does not fit the data.

        The items may also have more rows than would ever end.

        Args:
            n_items: Number of items in the data set, or in the part of a stream read so far.
            more: Whether further items may follow, as in a stream.
        """
        self.settings.output.check(n_items, more)
        Asked("calculators", self.calculator, "check")(n_items, more)
        check_rows(self.calculator, self.draws, n_items)
        if self.pool is not None:
            self.pool.check(n_items, more)

    def pickled(self) -> bytes:
        """The request as bytes, for another process.

        Raises:
            InputError: What the user put in cannot be pickled.
        """
        try:
            return pickle.dumps(self)
        except Exception as error:
            raise InputError(f"{self._unpicklable()}: {brief(error)}") from error

    def _unpicklable(self) -> str:
        parts = {f.name: getattr(self.settings, f.name) for f in fields(self.settings)}
        parts |= {"calculator": self.calculator, "aggregator": self.aggregator}
        parts |= {f"sampler {type(s).__name__}": s for s in self.samplers}
        for name, part in parts.items():
            try:
                pickle.dumps(part)
            except Exception:
                return (
                    f"the {name} cannot be sent to another process, since it does not pickle; "
                    f"define its functions and classes at the top of a module"
                )
        return "the request cannot be sent to another process, since it does not pickle"


def make_request(
    settings: Settings,
    calculator: Any,
    samplers: Sequence[Any],
    n_samples: Any,
    *,
    seed: int,
    aggregator: Aggregator | None = None,
    partial: bool = False,
    pool: Any = None,
) -> Request:
    """Make the parts of a request from the user's arguments, and check that they fit together.

    Args:
        settings: Settings of the explainer.
        calculator: Name, config mapping or object.
        samplers: Sequence of names, config mappings or objects.
        n_samples: Draws per item, in any form that :func:`draws_of` takes.
        seed: Seed of all draws.
        aggregator: What :func:`make_aggregator` made; ``None`` where the draws are kept.
        partial: As in :class:`Request`.
        pool: Groups of positions, in any form that :meth:`Pool.of` takes, or ``None``.

    Raises:
        InputError: A part is unknown or of the wrong kind, or the parts, the draws and the model do
            not fit together.
    """
    calculator = make("calculators", calculator)
    given = listed(samplers, "samplers", f"a sequence, [{brief(samplers)}] or []")
    made = tuple(make("samplers", sampler) for sampler in given)
    _check_parts(calculator, made)
    draws = draws_of(n_samples, any(s.antithetic for s in made if isinstance(s, NoiseSampler)))
    groups = None if pool is None else Pool.of(pool)
    _check_draws(draws, made)
    if aggregator is not None:
        check_aggregator(aggregator, draws, groups)
    check_weights([s for s in made if isinstance(s, WeightSampler)], settings.model)
    return Request(
        settings=settings,
        calculator=calculator,
        samplers=made,
        draws=draws,
        seed=integer(seed, "seed", end=2**256),
        aggregator=aggregator,
        partial=boolean(partial, "partial"),
        pool=groups,
    )


def make_aggregator(spec: Any) -> Aggregator:
    """Make an aggregator from a name, config mapping or object.

    Raises:
        InputError: There is no such aggregator.
    """
    made = make("aggregators", spec)
    if not isinstance(made, Aggregator):
        raise InputError(f"aggregator is {brief(made)}; pass an aggregator's name or object")
    return made


def _check_parts(calculator: Any, samplers: Sequence[Any]) -> None:
    if not isinstance(calculator, Calculator):
        raise InputError(f"calculator is {brief(calculator)}; pass a calculator's name or object")
    for sampler in samplers:
        if not isinstance(sampler, NoiseSampler) and not moves_model(sampler):
            raise InputError(f"samplers holds {brief(sampler)}; pass samplers' names or objects")


def _check_draws(draws: Draws, samplers: Sequence[Any]) -> None:
    """Raise InputError where the samplers cannot make the draws.

    Args:
        draws: Number and structure of the draws of an item.
        samplers: Noise and parameter samplers.
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


def check_aggregator(aggregator: Aggregator, draws: Draws, pool: Pool | None) -> None:
    """Raise InputError where the aggregator needs more draws, or independent ones, or no groups.

    Args:
        aggregator: The aggregator of the draws.
        draws: Number and structure of the draws of an item.
        pool: Groups of positions over which saliency is summed, or ``None``.
    """
    name = type(aggregator).__name__
    if pool is not None and not aggregator.adds_up:
        raise InputError(
            f"{name} looks at all positions of a draw, so that groups of them cannot be summed; "
            f"leave pool out, or aggregate by 'raw' or 'abs'"
        )
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
