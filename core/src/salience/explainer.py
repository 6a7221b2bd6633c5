"""The explainer: a model, its domain, and what to explain of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from salience import provenance
from salience.aggregators import Aggregator
from salience.budget import Budget
from salience.calculators.base import Calculator
from salience.domain import Domain
from salience.errors import InputError, brief
from salience.explanation import Explanation, Saliency
from salience.isolation import isolated
from salience.outputs import make_output
from salience.parts import make
from salience.run import Plan, Run, joined
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
        precision: ``"full"``, or ``"bf16"`` to run forward and backward passes under autocast to
            bfloat16, which keeps 8 bits of each number: half the memory of activations, and faster
            on hardware made for it. It costs accuracy: SmoothGrad maps of EfficientNet-Lite0 moved
            by 13 % (relative to their norm; correlation 0.96), in 0.9 of the time on 2 CPU cores.

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
        precision: str = "full",
    ) -> None:
        self.model = model
        self.domain: Domain = make("domains", domain)
        if not isinstance(self.domain, Domain):
            raise InputError(f"domain is {brief(self.domain)}; pass a domain's name or object")
        self.target = self.domain.target if target is None else target
        self.output = make_output(self.domain.output if output is None else output)
        self.max_rows = max_rows
        self.device = None if device is None else _device(device)
        if precision not in ("full", "bf16"):
            raise InputError(f"precision={precision!r} is neither 'full' nor 'bf16'")
        self.precision = precision
        Budget(max_rows)
        resolve(self.target, self.domain.layout, model)

    @isolated()
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
        run = self._run(data, calculator, samplers, n_samples, seed, ids)
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
        made = _aggregator(aggregator)
        results = {}
        for name, draws in samples.draws.items():
            axes = _reduced(samples.axes[name], self.domain)
            results[name] = made.finalize(made.update(made.init(), draws, axes))
        return _explanation(results, samples.counts, samples.known, made)

    @isolated()
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
        partial: bool = False,
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
            partial: After a KeyboardInterrupt, return the items that are finished by then, if
                there are any; a reader finds them by their ids.

        Raises:
            InputError: As in :meth:`compute`.
        """
        made = _aggregator(aggregator)
        run = self._run(data, calculator, samplers, n_samples, seed, ids)
        with run.bar(progress) as bar:
            return self._streamed(run, made, bar, partial)

    def stream(
        self,
        chunks: Iterable[Any],
        calculator: str | Mapping[str, Any] | Calculator = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: int = 1,
        aggregator: str | Mapping[str, Any] | Aggregator = "raw",
        seed: int = 0,
    ) -> Iterator[Explanation]:
        """Explain data that is larger than memory, item by item.

        Items are keyed by their position in the whole stream, so that the numbers are those of
        :meth:`explain` on all the data at once. Memory holds one chunk at a time.

        Args:
            chunks: Pieces of the data, each of which the domain reads: the batches of a
                ``DataLoader`` (of pairs: ``(x for x, _ in loader)``), lists of paths or SMILES, the
                pieces of ``pandas.read_csv(..., chunksize=1000)``.
            calculator: As in :meth:`compute`.
            samplers: As in :meth:`compute`.
            n_samples: Draws per item, M.
            aggregator: As in :meth:`explain`.
            seed: As in :meth:`compute`.

        Yields:
            An explanation of one item each.

        Raises:
            InputError: As in :meth:`compute`, at the chunk that is at fault.
        """
        made = _aggregator(aggregator)
        with isolated():
            plan = Plan(self, calculator, samplers, n_samples, seed)
        offset = 0
        for chunk in chunks:
            with isolated():
                samples = plan.read(chunk)
                plan.check(offset + len(samples), more=True)
                run = Run(plan, samples, offset=offset)
                with run.bar(False) as bar:
                    explained = self._streamed(run, made, bar)
            offset += len(explained)
            for item in range(len(explained)):
                yield explained.item(item)

    def _run(
        self,
        data: Any,
        calculator: Any,
        samplers: Sequence[Any],
        n_samples: int,
        seed: int,
        ids: Sequence[int | str] | None,
    ) -> Run:
        plan = Plan(self, calculator, samplers, n_samples, seed)
        samples = plan.read(data)
        plan.check(len(samples))
        return Run(plan, samples, ids)

    def _streamed(
        self, run: Run, aggregator: Aggregator, bar: Any, partial: bool = False
    ) -> Explanation:
        """Aggregate block by block; where interrupted and asked to, what is finished."""
        kept: dict[str, list[tuple[Tensor, Tensor]]] = {}
        try:
            for clean in run.batches():
                states: dict[str, Any] = {}
                for block in run.blocks(clean, bar):
                    for name, draws in block.draws.items():
                        axes = _reduced(run.axes[name], self.domain)
                        state = states[name] if name in states else aggregator.init()
                        states[name] = aggregator.update(state, draws, axes)
                for name, state in states.items():
                    values, errors = aggregator.finalize(state)
                    kept.setdefault(name, []).append((values.cpu(), errors.cpu()))
        except KeyboardInterrupt:
            if not partial or not kept:
                raise
        n_batches = min(len(pairs) for pairs in kept.values())
        run.keep(n_batches)
        results = {}
        for name, pairs in kept.items():
            done = pairs[:n_batches]
            results[name] = joined([v for v, _ in done]), joined([e for _, e in done])
        return _explanation(results, run.counts(), run.facts(), aggregator)


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
    precision: str = "full",
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
        precision: As for :class:`Explainer`.
        **settings: The other arguments of :meth:`Explainer.explain`.

    Raises:
        InputError: As for both.
    """
    explainer = Explainer(model, domain, target, output, max_rows, device, precision)
    return explainer.explain(data, calculator, **settings)


def rerun(model: Any, data: Any, record: Mapping[str, Any], **settings: Any) -> Explanation:
    """Do again what an explanation's provenance records, on this model and data.

    Args:
        model: The model.
        data: What the domain reads.
        record: ``Explanation.provenance``.
        **settings: ``max_rows``, ``device``, ``progress``, or other settings than the record's.

    Raises:
        InputError: The record names a part that no plugin registers.
    """
    return explain(model, data, **(provenance.settings(record) | settings))


def _aggregator(spec: Any) -> Aggregator:
    made = make("aggregators", spec)
    if not isinstance(made, Aggregator):
        raise InputError(f"aggregator is {brief(made)}; pass an aggregator's name or object")
    return made


def _device(device: str | torch.device) -> torch.device:
    try:
        # Where there is no such device, torch says so only when it is used.
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {str(device)!r} cannot be used ({brief(error)}); pass 'cpu', or leave it out"
        ) from error


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
