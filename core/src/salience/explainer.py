"""The explainer, which computes explanations of a model, and the shortcuts explain and rerun."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.calculators.base import Calculator
from salience.data.domain import Domain
from salience.engine import record as provenance
from salience.engine.request import Request, check_aggregator
from salience.engine.results import Estimate, explanation, finished, reduced, shared_out, streamed
from salience.engine.run import Run
from salience.errors import InputError, brief
from salience.model.outputs import make_output
from salience.model.targets import resolve
from salience.plugins.parts import make
from salience.results.explanation import Explanation
from salience.results.samples import Samples
from salience.samplers.design import Until, draws_of
from salience.scoring.budget import Budget
from salience.support.isolation import isolated


class Explainer:
    """Explains a model on the data of a domain, without changing the model or the data.

    Args:
        model: A ``torch.nn.Module``, or a function where the target variable is an input. A module
            is explained in eval mode, whatever its training flags are.
        domain: Name of a domain, a config mapping, or a :class:`salience.Domain`.
        target: The target variable(s): ``"input"``, the name of a model argument, a module path,
            a :class:`salience.Target`, or a sequence of these; the domain's default where ``None``.
        output: The output variable: ``"predicted"``, ``"class:3"``, ``"cross_entropy"``,
            ``"value"``, an object such as :class:`salience.Value`, or a function of the model's
            output that returns one scalar per item; the domain's default where ``None``.
        max_rows: Largest number of rows in one forward pass (of elements, where items are
            ragged); ``"auto"`` searches for the fastest number.
        device: Device to run on; the model's device where ``None``. The user's model is not moved.
            With a sequence of devices, :meth:`explain` divides the items among the devices, one
            thread each, and gives the same numbers as on one device. Each device holds a copy of
            the weights and the memory of a pass, so ``["cpu", "cpu"]`` takes twice the memory;
            several threads on one CPU gain nothing where passes use all cores.
        precision: ``"full"``, or ``"bf16"`` to run forward and backward passes under autocast to
            bfloat16, which keeps 8 significant bits of each number. Activations take half the
            memory, and passes are faster on hardware with bfloat16 units. Results are less
            accurate: SmoothGrad maps of EfficientNet-Lite0 changed by 13 % (relative to their
            norm; correlation 0.96), in 0.9 of the time on 2 CPU cores.

    Raises:
        InputError: The domain, a target variable, the output variable, a device or the precision is
            unknown, or ``max_rows`` is not valid.
    """

    def __init__(
        self,
        model: Any,
        domain: str | Mapping[str, Any] | Domain,
        target: Any = None,
        output: Any = None,
        max_rows: int | str = "auto",
        device: str | torch.device | Sequence[str | torch.device] | None = None,
        precision: str = "full",
    ) -> None:
        self.model = model
        self.domain: Domain = make("domains", domain)
        if not isinstance(self.domain, Domain):
            raise InputError(f"domain is {brief(self.domain)}; pass a domain's name or object")
        self.target = self.domain.target if target is None else target
        self.output = make_output(self.domain.output if output is None else output)
        self.max_rows = max_rows
        self.devices = _devices(device)
        if precision not in ("full", "bf16"):
            raise InputError(f"precision={precision!r} is neither 'full' nor 'bf16'")
        self.precision = precision
        Budget(max_rows)
        resolve(self.target, self.domain.layout, model)  # refused now, not when data is there

    @isolated()
    def compute(
        self,
        data: Any,
        calculator: str | Mapping[str, Any] | Calculator = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: int | tuple[int, int] = 1,
        seed: int = 0,
        ids: Sequence[int | str] | None = None,
        progress: bool | None = None,
    ) -> Samples:
        """Compute all draws and keep them, so that memory grows with ``n_samples``.

        Args:
            data: Items in any form that the domain reads.
            calculator: Name (``"integrated_gradients:steps=16"``), config mapping or object.
            samplers: Names, config mappings or objects; all of them act in every draw.
            n_samples: Draws per item, M. With a number, each draw has noise and parameters of its
                own. With a pair, draws are nested: ``(8, 16)`` makes 8 draws of the parameters and,
                for each of them, 16 draws of noise.
            seed: Seed of all draws. A draw depends only on the seed, the item and the number of
                the draw; drawn weights, which the items share, do not depend on the item.
            ids: An id for each item, which replaces the item's position as the key of its draws.
            progress: Whether to show a progress bar; where ``None``, only for long computations in
                a terminal.

        Returns:
            All the draws, for :meth:`aggregate`.

        Raises:
            InputError: A part is unknown, or the model, the data, the parts and the draws do not
                fit together. The error comes before any draw is computed, except where only a later
                batch shows the fault.
        """
        if isinstance(n_samples, Until | Mapping):
            raise InputError(
                "compute keeps as many draws of every item; pass a number as n_samples, or call "
                "explain, which can stop item by item"
            )
        run = self._run(data, calculator, samplers, n_samples, seed, ids)
        kept: dict[str, list[Tensor]] = {}
        with run.progress_bar(progress) as reported:
            for predicted in run.batches():
                parts: dict[str, list[Tensor]] = {}
                completeness = run.begin(predicted)
                for block in run.blocks(predicted, completeness, reported, 0, run.draws.total):
                    for name, draws in block.draws.items():
                        parts.setdefault(name, []).append(draws.cpu())
                run.end(predicted, completeness)
                for name, blocks in parts.items():
                    kept.setdefault(name, []).append(torch.cat(blocks))
        joined = {name: torch.cat(blocks, 1) for name, blocks in kept.items()}
        return Samples(joined, run.axes, run.counts(), run.dataset_info())

    def aggregate(
        self, samples: Samples, aggregator: str | Mapping[str, Any] | Aggregator = "raw"
    ) -> Explanation:
        """Aggregate the draws that :meth:`compute` kept into an explanation.

        Args:
            samples: What :meth:`compute` returned, or a difference of two such results.
            aggregator: Name, config mapping or object.

        Raises:
            InputError: The aggregator is unknown, or needs more draws or independent ones.
        """
        made = _aggregator(aggregator)
        record = samples.items.provenance
        pairs = any(sampler.get("antithetic") for sampler in record["samplers"])
        check_aggregator(made, draws_of(record["n_samples"], pairs))
        found = {}
        for name, draws in samples.draws.items():
            state = made.init(record["group"])
            state = made.update(state, draws, reduced(samples.axes[name], self.domain))
            found[name] = Estimate.of(made, state, draws_of(record["n_samples"], pairs))
        return finished(found, samples.counts, samples.items, made)

    @isolated()
    def explain(
        self,
        data: Any,
        calculator: str | Mapping[str, Any] | Calculator = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: int | tuple[int, int] | Until = 1,
        aggregator: str | Mapping[str, Any] | Aggregator = "raw",
        seed: int = 0,
        ids: Sequence[int | str] | None = None,
        progress: bool | None = None,
        partial: bool = False,
    ) -> Explanation:
        """Compute draws and aggregate them as they come, in memory independent of ``n_samples``.

        Args:
            data: Items in any form that the domain reads.
            calculator: As in :meth:`compute`.
            samplers: As in :meth:`compute`.
            n_samples: As in :meth:`compute`; or :class:`salience.Until`, which draws for each item
                until its standard error is small enough and then leaves the item out.
            aggregator: Name, config mapping or object.
            seed: As in :meth:`compute`.
            ids: As in :meth:`compute`.
            progress: As in :meth:`compute`.
            partial: Whether a KeyboardInterrupt returns the items of the batches that are finished
                by then, if there are any; the explanation's ids tell which items these are. With
                one device only.

        Raises:
            InputError: As in :meth:`compute`; or the aggregator is unknown, or needs more draws or
                independent ones.
        """
        made = _aggregator(aggregator)
        run = self._run(data, calculator, samplers, n_samples, seed, ids, made)
        if len(self.devices) > 1 and partial:
            raise InputError("partial=True serves a single device; pass one, or leave partial out")
        with run.progress_bar(progress) as reported:
            if len(self.devices) == 1:
                return explanation(streamed(run, made, reported, partial), run, made)
            # The request of the run itself is the one for the first device.
            settings = (calculator, samplers, n_samples, seed, made)
            more = [Request(self, *settings, device) for device in self.devices[1:]]
            return explanation(shared_out(run, [run.request, *more], made, reported), run, made)

    def stream(
        self,
        chunks: Iterable[Any],
        calculator: str | Mapping[str, Any] | Calculator = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: int | tuple[int, int] | Until = 1,
        aggregator: str | Mapping[str, Any] | Aggregator = "raw",
        seed: int = 0,
    ) -> Iterator[Explanation]:
        """Explain data that is larger than memory, chunk by chunk.

        The draws of an item are keyed by its position in the whole stream, so the numbers are those
        of :meth:`explain` on all the data at once. Memory holds one chunk at a time.

        Args:
            chunks: Pieces of the data, each in a form that the domain reads: the batches of a
                ``DataLoader`` (``(x for x, _ in loader)`` where it gives pairs), lists of paths or
                SMILES, the pieces of ``pandas.read_csv(..., chunksize=1000)``.
            calculator: As in :meth:`compute`.
            samplers: As in :meth:`compute`.
            n_samples: As in :meth:`explain`.
            aggregator: As in :meth:`explain`.
            seed: As in :meth:`compute`.

        Yields:
            One explanation for each item, in order.

        Raises:
            InputError: As in :meth:`explain`; a fault in the data is raised at its chunk.
        """
        made = _aggregator(aggregator)
        with isolated():
            request = Request(self, calculator, samplers, n_samples, seed, made)
        offset = 0
        for chunk in chunks:
            with isolated():
                samples = request.read(chunk)
                request.check(offset + len(samples), more=True)
                run = Run(request, samples, offset=offset)
                with run.progress_bar(False) as reported:
                    explained = explanation(streamed(run, made, reported), run, made)
            offset += len(explained)
            for item in range(len(explained)):
                yield explained.item(item)

    def _run(
        self,
        data: Any,
        calculator: Any,
        samplers: Sequence[Any],
        n_samples: Any,
        seed: int,
        ids: Sequence[int | str] | None,
        aggregator: Aggregator | None = None,
    ) -> Run:
        request = Request(self, calculator, samplers, n_samples, seed, aggregator)
        samples = request.read(data)
        request.check(len(samples))
        return Run(request, samples, ids)


def explain(
    model: Any,
    data: Any,
    domain: str | Mapping[str, Any] | Domain,
    calculator: str | Mapping[str, Any] | Calculator = "gradient",
    *,
    target: Any = None,
    output: Any = None,
    max_rows: int | str = "auto",
    device: str | torch.device | Sequence[str | torch.device] | None = None,
    precision: str = "full",
    **settings: Any,
) -> Explanation:
    """Explain a model's predictions in one call: ``Explainer(...).explain(data, ...)``.

    Args:
        model: As for :class:`Explainer`.
        data: Items in any form that the domain reads.
        domain: As for :class:`Explainer`.
        calculator: As for :meth:`Explainer.explain`.
        target: As for :class:`Explainer`.
        output: As for :class:`Explainer`.
        max_rows: As for :class:`Explainer`.
        device: As for :class:`Explainer`.
        precision: As for :class:`Explainer`.
        **settings: The other arguments of :meth:`Explainer.explain`.

    Raises:
        InputError: As for :class:`Explainer` and :meth:`Explainer.explain`.
    """
    explainer = Explainer(model, domain, target, output, max_rows, device, precision)
    return explainer.explain(data, calculator, **settings)


def rerun(model: Any, data: Any, record: Mapping[str, Any], **settings: Any) -> Explanation:
    """Repeat the computation that an explanation's provenance records, on the given model and data.

    Args:
        model: The model.
        data: Items in any form that the domain reads.
        record: ``Explanation.provenance``.
        **settings: Arguments of :func:`explain` that are not recorded (``max_rows``, ``device``,
            ``progress``), or that replace recorded ones.

    Raises:
        InputError: The record holds a placeholder for a part that no plugin registers, or for an
            object that cannot be saved; or as for :func:`explain`.
    """
    return explain(model, data, **(provenance.settings(record) | settings))


def _aggregator(spec: Any) -> Aggregator:
    made = make("aggregators", spec)
    if not isinstance(made, Aggregator):
        raise InputError(f"aggregator is {brief(made)}; pass an aggregator's name or object")
    return made


def _device(device: str | torch.device) -> torch.device:
    try:
        # torch reports a missing device only when a tensor is made on it.
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {str(device)!r} cannot be used ({brief(error)}); pass 'cpu', or leave it out"
        ) from error


def _devices(device: Any) -> tuple[torch.device | None, ...]:
    """The devices to run on, at least one; ``None`` stands for the model's own device."""
    if device is None or isinstance(device, str | torch.device):
        return (None if device is None else _device(device),)
    devices = tuple(_device(one) for one in device)
    if not devices:
        raise InputError("device is empty; pass a device, some of them, or leave it out")
    return devices
