"""The explainer: a model, its domain, and what to explain of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from salience import engine, provenance
from salience.aggregators import Aggregator
from salience.budget import Budget
from salience.calculators.base import Calculator
from salience.calculators.baselines import Mean
from salience.domain import Domain
from salience.engine import Clean, Task
from salience.errors import InputError
from salience.explanation import Explanation, Saliency
from salience.keyed import item_keys
from salience.outputs import make_output
from salience.parts import make
from salience.probe import NotFiniteError, Probe, Values
from salience.replica import home
from salience.samplers.base import NoiseSampler, ParameterSampler
from salience.samples import Facts, Samples
from salience.targets import resolve


class Explainer:
    """Explains a model on the data of a domain. Nothing that it is given is changed.

    Args:
        model: A ``torch.nn.Module``, or a function where the target variable is an input. It is
            explained in eval mode, whatever its training flags are.
        domain: Name of a domain, a config mapping, or a :class:`salience.Domain`.
        target: The target variable(s): ``"input"``, the name of a model argument, a module path,
            a :class:`salience.Target`, or a sequence of these; the domain's own where ``None``.
        output: The output variable: ``"predicted"``, ``"class:3"``, ``"cross_entropy"``,
            ``"value"``, an object of :mod:`salience.outputs`, or a function of the model's output
            that returns one scalar an item; the domain's own where ``None``.
        max_rows: Largest number of rows in one forward pass (of elements, where items are
            ragged); ``"auto"`` finds the fastest.
        device: Where to run; where the model is if ``None``. The user's model is not moved.

    Raises:
        InputError: Unknown domain, module path, output or budget.
    """

    def __init__(
        self,
        model: Any,
        domain: str | Mapping[str, Any] | Domain,
        target: Any = None,
        output: Any = None,
        max_rows: int | str = "auto",
        device: str | torch.device | None = None,
    ) -> None:
        self.model = model
        self.domain: Domain = make("domains", domain)
        if not isinstance(self.domain, Domain):
            raise InputError(f"domain is {self.domain!r}; pass a domain's name or object")
        self.target = self.domain.target if target is None else target
        self.output = make_output(self.domain.output if output is None else output)
        self.max_rows = max_rows
        self.device = None if device is None else torch.device(device)
        Budget(max_rows)
        resolve(self.target, self.domain.layout, model)

    def compute(
        self,
        data: Any,
        calculator: str | Mapping[str, Any] | Calculator = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: int = 1,
        seed: int = 0,
        ids: Sequence[int | str] | None = None,
        progress: bool | None = None,
    ) -> Samples:
        """Compute all draws and keep them: memory grows with ``n_samples``.

        Args:
            data: What the domain reads.
            calculator: Name (``"integrated_gradients:steps=16"``), config mapping or object.
            samplers: Names, config mappings or objects; all of them act in every draw.
            n_samples: Draws per item, M.
            seed: Draws depend on it, on the item and on the number of the draw only.
            ids: An id for each item, a key of its draws in the place of its position.
            progress: Show a progress bar; where ``None``, on long work in a terminal.

        Raises:
            InputError: Something cannot be served; nothing has been computed then, unless only a
                later batch showed it.
        """
        run = _Run(self, data, calculator, samplers, n_samples, seed, ids)
        kept: dict[str, list[Tensor]] = {}
        with run.bar(progress) as bar:
            for clean in run.batches():
                parts: dict[str, list[Tensor]] = {}
                for block in run.blocks(clean, bar):
                    for name, draws in block.draws.items():
                        parts.setdefault(name, []).append(draws.cpu())
                for name, blocks in parts.items():
                    kept.setdefault(name, []).append(torch.cat(blocks))
        joined = {name: torch.cat(blocks, 1) for name, blocks in kept.items()}
        return Samples(joined, run.axes, run.counts(), run.facts())

    def aggregate(
        self, samples: Samples, aggregator: str | Mapping[str, Any] | Aggregator = "raw"
    ) -> Explanation:
        """Make one saliency of the draws that :meth:`compute` kept.

        Raises:
            InputError: Unknown aggregator, or saliency that is not finite.
        """
        made: Aggregator = make("aggregators", aggregator)
        results = {}
        for name, draws in samples.draws.items():
            axes = _reduced(samples.axes[name], self.domain)
            results[name] = made.finalize(made.update(made.init(), draws, axes))
        return _explanation(results, samples.counts, samples.known, made)

    def explain(
        self,
        data: Any,
        calculator: str | Mapping[str, Any] | Calculator = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: int = 1,
        aggregator: str | Mapping[str, Any] | Aggregator = "raw",
        seed: int = 0,
        ids: Sequence[int | str] | None = None,
        progress: bool | None = None,
    ) -> Explanation:
        """Compute and aggregate in one stream: memory does not grow with ``n_samples``.

        Args:
            data: What the domain reads.
            calculator: As in :meth:`compute`.
            samplers: As in :meth:`compute`.
            n_samples: Draws per item, M.
            aggregator: Name, config mapping or object.
            seed: As in :meth:`compute`.
            ids: As in :meth:`compute`.
            progress: As in :meth:`compute`.

        Raises:
            InputError: As in :meth:`compute`.
        """
        made: Aggregator = make("aggregators", aggregator)
        run = _Run(self, data, calculator, samplers, n_samples, seed, ids)
        kept: dict[str, list[tuple[Tensor, Tensor]]] = {}
        with run.bar(progress) as bar:
            for clean in run.batches():
                states: dict[str, Any] = {}
                for block in run.blocks(clean, bar):
                    for name, draws in block.draws.items():
                        axes = _reduced(block.axes[name], self.domain)
                        state = states[name] if name in states else made.init()
                        states[name] = made.update(state, draws, axes)
                for name, state in states.items():
                    values, errors = made.finalize(state)
                    kept.setdefault(name, []).append((values.cpu(), errors.cpu()))
        results = {}
        for name, pairs in kept.items():
            results[name] = torch.cat([v for v, _ in pairs]), torch.cat([e for _, e in pairs])
        return _explanation(results, run.counts(), run.facts(), made)


def explain(
    model: Any,
    data: Any,
    domain: str | Mapping[str, Any] | Domain,
    calculator: str | Mapping[str, Any] | Calculator = "gradient",
    *,
    target: Any = None,
    output: Any = None,
    max_rows: int | str = "auto",
    device: str | torch.device | None = None,
    **settings: Any,
) -> Explanation:
    """Explain a model's predictions in one call: ``Explainer(...).explain(data, ...)``.

    Args:
        model: As for :class:`Explainer`.
        data: What the domain reads.
        domain: As for :class:`Explainer`.
        calculator: As for :meth:`Explainer.explain`.
        target: As for :class:`Explainer`.
        output: As for :class:`Explainer`.
        max_rows: As for :class:`Explainer`.
        device: As for :class:`Explainer`.
        **settings: The other arguments of :meth:`Explainer.explain`.

    Raises:
        InputError: As for both.
    """
    explainer = Explainer(model, domain, target, output, max_rows, device)
    return explainer.explain(data, calculator, **settings)


def rerun(model: Any, data: Any, record: Mapping[str, Any], **settings: Any) -> Explanation:
    """Do again what an explanation's provenance records, on this model and data.

    Args:
        model: The model.
        data: What the domain reads.
        record: ``Explanation.provenance``.
        **settings: ``max_rows``, ``device``, ``ids``, ``progress``.

    Raises:
        InputError: The record names a part that no plugin registers.
    """
    return explain(model, data, **provenance.settings(record), **settings)


class _Run:
    """One computation over a data set; gathers what the batches say beside the saliency."""

    def __init__(
        self,
        explainer: Explainer,
        data: Any,
        calculator: Any,
        samplers: Sequence[Any],
        n_samples: int,
        seed: int,
        ids: Sequence[int | str] | None,
    ) -> None:
        self._explainer = explainer
        self._domain = explainer.domain
        calculator = make("calculators", calculator)
        if isinstance(samplers, str | Mapping):
            raise InputError(f"samplers is {samplers!r}; pass a sequence, [{samplers!r}]")
        made = [make("samplers", sampler) for sampler in samplers]
        _check_parts(calculator, made, n_samples, seed)
        self._samples = self._domain.read(data)
        n_items = len(self._samples)
        if n_items == 0:
            raise InputError("the data is empty; pass at least one item")
        explainer.output.check(n_items)
        self._ids = _checked_ids(ids, n_items)
        self._record = provenance.record(explainer, calculator, made, n_samples, seed)
        variables = resolve(explainer.target, self._domain.layout, explainer.model)
        probe = Probe(explainer.model, self._domain, variables, explainer.output, explainer.device)
        self._task = Task(
            probe,
            self._domain,
            calculator,
            [s for s in made if isinstance(s, NoiseSampler)],
            [s for s in made if isinstance(s, ParameterSampler)],
            n_samples,
            seed,
            Budget(explainer.max_rows),
        )
        self._task = replace(self._task, calculator=self._with_means(calculator))
        self._gathered: list[dict[str, Any]] = []
        self.axes: dict[str, tuple[str, ...]] = {}

    def bar(self, progress: bool | None) -> Any:
        """A progress bar over items × draws, while the global random state is kept."""
        total = len(self._samples) * self._task.n_samples
        hidden = None if progress is None else not progress
        return _kept_random_state(
            tqdm(total=total, desc="salience", unit="draw", disable=hidden, delay=1.0, leave=False)
        )

    def batches(self) -> Iterator[Clean]:
        """Predicted batches of the whole data set."""
        return engine.batches(self._task, self._samples, item_keys(self._ids))

    def blocks(self, clean: Clean, bar: Any) -> Iterator[engine.Block]:
        """Blocks of draws of a batch; what they say beside the draws is gathered."""
        delta = torch.zeros_like(clean.score)
        gap = torch.zeros_like(clean.score)
        for block in engine.blocks(self._task, clean):
            _check_finite(block, clean)
            delta += block.delta.sum(0)
            gap += block.gap.sum(0)
            self.axes = block.axes
            yield block
            bar.update(block.delta.numel())
        self._gathered.append(
            {
                "prediction": clean.prediction.cpu(),
                "score": clean.score.cpu(),
                "delta": delta.cpu() / self._task.n_samples,
                "gap": gap.cpu() / self._task.n_samples,
                "annotations": clean.batch.annotations,
                "counts": _counts(clean),
            }
        )

    def counts(self) -> dict[str, Tensor | None]:
        """Target variable → elements of each item, or ``None``."""
        found = [batch["counts"] for batch in self._gathered]
        return {
            name: None if first is None else torch.cat([counts[name] for counts in found])
            for name, first in found[0].items()
        }

    def facts(self) -> Facts:
        """Everything beside the saliency."""

        def joined(key: str) -> Tensor:
            return torch.cat([batch[key] for batch in self._gathered])

        return Facts(
            joined("prediction"),
            joined("score"),
            joined("delta"),
            joined("gap"),
            [annotation for batch in self._gathered for annotation in batch["annotations"]],
            self._domain.describe(self._samples),
            self._record,
            self._domain,
            self._ids,
        )

    def _with_means(self, calculator: Calculator) -> Calculator:
        """Put the means of given data in the place of :class:`Mean` parameters."""
        if not is_dataclass(calculator):
            return calculator
        means = {
            f.name: self._mean(value.data)
            for f in fields(calculator)
            if isinstance(value := getattr(calculator, f.name), Mean)
        }
        made: Calculator = replace(calculator, **means)
        return made

    def _mean(self, data: Any) -> Values:
        samples = self._domain.read(data)
        if len(samples) == 0:
            raise InputError("Mean(...) got empty data; pass at least one item")
        sums: dict[str, tuple[Tensor, Tensor]] = {}
        for clean in engine.batches(self._task, samples, item_keys(range(len(samples)))):
            for name, (total, count) in engine.sums(clean).items():
                if name in sums:
                    total, count = total + sums[name][0], count + sums[name][1]
                sums[name] = total, count
        return {name: total / count for name, (total, count) in sums.items()}


@contextmanager
def _kept_random_state(bar: Any) -> Iterator[Any]:
    """Hand the global random states back as they were: a forward of the user's may draw."""
    python, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(), bar:
            yield bar
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)


def _check_parts(calculator: Any, samplers: Sequence[Any], n_samples: int, seed: int) -> None:
    if not isinstance(calculator, Calculator):
        raise InputError(f"calculator is {calculator!r}; pass a calculator's name or object")
    for sampler in samplers:
        if not isinstance(sampler, NoiseSampler | ParameterSampler):
            raise InputError(f"samplers holds {sampler!r}; pass samplers' names or objects")
    if not isinstance(n_samples, int) or n_samples < 1:
        raise InputError(f"n_samples={n_samples!r}; pass a whole number from 1")
    if n_samples > 1 and not samplers:
        raise InputError(
            f"n_samples={n_samples} without a sampler would repeat one result; "
            f'pass samplers=["gaussian"] or ["mc_dropout"], or n_samples=1'
        )
    if not isinstance(seed, int):
        raise InputError(f"seed={seed!r}; pass a whole number")


def _checked_ids(ids: Sequence[int | str] | None, n_items: int) -> Sequence[int | str]:
    if ids is None:
        return range(n_items)
    ids = list(ids)
    if len(ids) != n_items:
        raise InputError(f"got {len(ids)} ids for {n_items} items; pass one an item")
    if len(set(ids)) != n_items:
        raise InputError("two items share an id, so they would share their draws; make ids unique")
    return ids


def _check_finite(block: engine.Block, clean: Clean) -> None:
    for name, draws in block.draws.items():
        finite = draws.isfinite()
        if finite.all():
            continue
        position = int((~finite).nonzero()[0, 1])
        counts = _counts(clean)[name]
        if counts is not None:
            position = int((counts.cumsum(0) <= position).sum())
        raise NotFiniteError(f"the saliency for {name!r}", int(clean.positions[position]))


def _counts(clean: Clean) -> dict[str, Tensor | None]:
    return {name: engine.counts(clean, name) for name in clean.x}


def _reduced(axes: tuple[str, ...], domain: Domain) -> tuple[int, ...]:
    """Positions in (D, L, …) of the axes that the domain reduces."""
    return tuple(i + 2 for i, axis in enumerate(axes) if axis in domain.layout.reduce)


def _explanation(
    results: Mapping[str, tuple[Tensor, Tensor]],
    counts: Mapping[str, Tensor | None],
    known: Facts,
    aggregator: Aggregator,
) -> Explanation:
    values = known.domain.join({name: v for name, (v, _) in results.items()}, known.facts)
    errors = known.domain.join({name: e for name, (_, e) in results.items()}, known.facts)
    return Explanation(
        {name: Saliency(values[name], errors[name], counts.get(name)) for name in values},
        known.prediction,
        known.score,
        known.delta,
        known.completeness_gap,
        known.annotations,
        known.facts,
        dict(known.provenance) | {"aggregator": provenance.part("aggregators", aggregator)},
        known.domain,
        known.ids,
    )
