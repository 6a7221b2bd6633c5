"""One computation over a data set, from what the user handed in to blocks of draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from salience import engine, provenance
from salience.budget import Budget
from salience.calculators.base import Calculator
from salience.calculators.baselines import Mean
from salience.checks import NotFiniteError
from salience.domain import Domain
from salience.engine import Clean, Task
from salience.errors import InputError, brief
from salience.finite import all_finite
from salience.keyed import item_keys
from salience.parts import make
from salience.probe import Probe, Values
from salience.samplers.base import NoiseSampler, ParameterSampler
from salience.samples import Facts
from salience.targets import resolve

if TYPE_CHECKING:
    from salience.explainer import Explainer


class Plan:
    """What is to be computed for every item, whatever data it comes in.

    Args:
        explainer: Names model, domain, target and output variables.
        calculator: As the user wrote it.
        samplers: As the user wrote them.
        n_samples: Draws per item, M.
        seed: Seed of all draws.
        device: One of the explainer's devices; the first where ``None``.
    """

    def __init__(
        self,
        explainer: Explainer,
        calculator: Any,
        samplers: Sequence[Any],
        n_samples: int,
        seed: int,
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
        _check_parts(calculator, made, n_samples, seed)
        if explainer.compilation and any(isinstance(s, ParameterSampler) for s in made):
            raise InputError(
                "compile=True serves no parameter sampler, which changes what the model does from "
                "draw to draw; leave compile out"
            )
        variables = resolve(explainer.target, self._domain.layout, explainer.model)
        probe = Probe(
            explainer.model,
            self._domain,
            variables,
            explainer.output,
            device or explainer.devices[0],
            explainer.precision,
            explainer.compilation,
        )
        self.task = Task(
            probe,
            self._domain,
            calculator,
            [s for s in made if isinstance(s, NoiseSampler)],
            [s for s in made if isinstance(s, ParameterSampler)],
            int(n_samples),
            int(seed),
            Budget(explainer.max_rows),
        )
        calculator = self._with_means(calculator)
        self.task = replace(self.task, calculator=calculator)
        self.record = provenance.record(explainer, calculator, made, int(n_samples), int(seed))
        self._tried = False

    def read(self, data: Any) -> Sequence[Any]:
        """The samples in the data; at least one."""
        samples = self._domain.read(data)
        if len(samples) == 0:
            raise InputError("the data is empty; pass at least one item")
        return samples

    def check(self, n_items: int, more: bool = False) -> None:
        """Refuse a data set that the output variable or the calculator does not know."""
        self.explainer.output.check(n_items, more)
        self.task.calculator.check(n_items, more)

    def try_samplers(self, clean: Clean) -> None:
        """Let parameter samplers refuse the model, once."""
        if not self._tried:
            self.task = engine.trial(self.task, clean)
            self._tried = True

    def _with_means(self, calculator: Calculator) -> Calculator:
        """Put the means of given data in the place of :class:`Mean` parameters."""
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
        for clean in engine.batches(self.task, samples, keys, explained=False):
            for name, (total, count) in engine.sums(clean).items():
                if name in sums:
                    total, count = total + sums[name][0], count + sums[name][1]
                sums[name] = total, count
        return {name: (total / count).cpu() for name, (total, count) in sums.items()}


class Run:
    """One pass over samples; gathers what the batches say beside the saliency.

    Args:
        plan: What is to be computed.
        samples: What the domain read.
        ids: Id of each item, or ``None`` for its position.
        offset: Position of the first item in the whole data set.
    """

    def __init__(
        self,
        plan: Plan,
        samples: Sequence[Any],
        ids: Sequence[int | str] | None = None,
        offset: int = 0,
    ) -> None:
        self.plan = plan
        self._samples = samples
        self._offset = offset
        self._ids = _checked_ids(ids, len(samples), offset)
        self._gathered: list[dict[str, Any]] = []
        self.axes: dict[str, tuple[str, ...]] = {}

    def bar(self, progress: bool | None) -> Any:
        """A progress bar over items × draws."""
        total = len(self._samples) * self.plan.task.n_samples
        hidden = None if progress is None else not progress
        return tqdm(
            total=total, desc="salience", unit="draw", disable=hidden, delay=1.0, leave=False
        )

    def batches(self) -> Iterator[Clean]:
        """Predicted batches of the whole data set."""
        return engine.batches(
            self.plan.task, self._samples, item_keys(self._ids), offset=self._offset
        )

    def blocks(self, clean: Clean, bar: Any) -> Iterator[engine.Block]:
        """Blocks of draws of a batch; what they say beside the draws is gathered."""
        self.plan.try_samplers(clean)
        self.axes = {name: engine.rest(clean, name) for name in clean.x}
        delta = torch.zeros_like(clean.score)
        gap = torch.zeros_like(clean.score)
        for block in engine.blocks(self.plan.task, clean):
            _check_finite(block, clean)
            delta += block.delta.sum(0)
            gap += block.gap.sum(0)
            yield block
            bar.update(block.delta.numel())
        self._gathered.append(
            {
                "prediction": clean.prediction.cpu(),
                "score": clean.score.cpu(),
                "delta": delta.cpu() / self.plan.task.n_samples,
                "gap": gap.cpu() / self.plan.task.n_samples,
                "annotations": clean.batch.annotations,
                "counts": _counts(clean),
            }
        )

    @property
    def domain(self) -> Domain:
        """The domain of the items."""
        return self.plan.task.domain

    def shares(self, plans: Sequence[Plan]) -> list[Run]:
        """Runs over parts of the items that follow each other, a part a plan; none is empty."""
        ends = [len(self._samples) * i // len(plans) for i in range(len(plans) + 1)]
        parts = zip(plans, ends, ends[1:], strict=False)
        return [
            Run(plan, self._samples[a:b], self._ids[a:b], self._offset + a)
            for plan, a, b in parts
            if a < b
        ]

    def gather(self, shares: Sequence[Run]) -> None:
        """Take over what the runs over all the shares have gathered."""
        self.axes = shares[0].axes
        self._gathered = [batch for share in shares for batch in share._gathered]

    def keep(self, n_batches: int) -> None:
        """Forget what later batches said: an interruption came before they were done."""
        del self._gathered[n_batches:]

    def counts(self) -> dict[str, Tensor | None]:
        """Target variable → elements of each item, or ``None``."""
        found = [batch["counts"] for batch in self._gathered]
        return {
            name: None if first is None else torch.cat([counts[name] for counts in found])
            for name, first in found[0].items()
        }

    def facts(self) -> Facts:
        """Everything beside the saliency."""

        def gathered(key: str) -> Tensor:
            return joined([batch[key] for batch in self._gathered])

        # An output padded as its batch is has no shape of its own for the whole data set.
        shapes = {batch["prediction"].shape[1:] for batch in self._gathered}
        return Facts(
            gathered("prediction" if len(shapes) == 1 else "score"),
            gathered("score"),
            gathered("delta"),
            gathered("gap"),
            [annotation for batch in self._gathered for annotation in batch["annotations"]],
            self.domain.describe(self._samples),
            self.plan.record | ({} if isinstance(self._ids, range) else {"ids": list(self._ids)}),
            self.domain,
            self._ids[: sum(len(batch["score"]) for batch in self._gathered)],
        )


def joined(parts: list[Tensor]) -> Tensor:
    """The parts one after the other; without a copy of a single one."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _check_parts(calculator: Any, samplers: Sequence[Any], n_samples: int, seed: int) -> None:
    if not isinstance(calculator, Calculator):
        raise InputError(f"calculator is {brief(calculator)}; pass a calculator's name or object")
    for sampler in samplers:
        if not isinstance(sampler, NoiseSampler | ParameterSampler):
            raise InputError(f"samplers holds {brief(sampler)}; pass samplers' names or objects")
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise InputError(f"n_samples={n_samples!r}; pass a whole number from 1")
    if n_samples > 1 and not samplers:
        raise InputError(
            f"n_samples={n_samples} without a sampler would repeat one result; "
            f'pass samplers=["gaussian"] or ["mc_dropout"], or n_samples=1'
        )
    if not isinstance(seed, Integral):
        raise InputError(f"seed={seed!r}; pass a whole number")


def _checked_ids(ids: Sequence[int | str] | None, n_items: int, offset: int) -> Sequence[int | str]:
    if ids is None:
        return range(offset, offset + n_items)
    if isinstance(ids, range):
        return ids
    # Arrays hand out numbers of their own types.
    ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    if len(ids) != n_items:
        raise InputError(f"got {len(ids)} ids for {n_items} items; pass one an item")
    if len(set(ids)) != n_items:
        raise InputError("two items share an id, so they would share their draws; make ids unique")
    return ids


def _check_finite(block: engine.Block, clean: Clean) -> None:
    for name, draws in block.draws.items():
        if all_finite(draws):
            continue
        position = int((~draws.isfinite()).nonzero()[0, 1])
        counts = _counts(clean)[name]
        if counts is not None:
            position = int((counts.cumsum(0) <= position).sum())
        raise NotFiniteError(f"the saliency for {name!r}", int(clean.positions[position]))


def _counts(clean: Clean) -> dict[str, Tensor | None]:
    return {name: engine.counts(clean, name) for name in clean.x}
