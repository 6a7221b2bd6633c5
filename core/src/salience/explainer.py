"""The explainer, which computes explanations of a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch

from salience.aggregators.base import Aggregator
from salience.calculators.base import Calculator
from salience.data.domain import Domain, default_target_of, layout_of
from salience.engine.assembly import aggregated, explanation, gathered, samples_of
from salience.engine.executors.base import Executor
from salience.engine.executors.chosen import executor_of, make_executor, results_of
from salience.engine.means import with_means
from salience.engine.preflight.check import checked
from salience.engine.preflight.samplers import preflight
from salience.engine.progress import progress_bar
from salience.engine.request import Request, make_aggregator, make_request
from salience.engine.settings import Settings, devices_of
from salience.engine.stream import streamed
from salience.engine.units import Unit, UnitResult, read
from salience.engine.worker import Worker
from salience.errors import InputError, brief
from salience.intake import choice
from salience.model.outputs import make_output
from salience.model.speedups import SPEEDUPS, check_speedups
from salience.model.targets import resolve
from salience.plugins.parts import make
from salience.results.explanation import Explanation
from salience.results.preflight import Preflight
from salience.results.samples import Samples
from salience.runs.calls import DatasetExplainer
from salience.samplers.design import Until
from salience.scoring.budget import Budget
from salience.shown import short
from salience.support.isolation import isolated
from salience.support.notices import Hearing


class Explainer(DatasetExplainer):
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
            A sequence of devices divides the items among them, one thread each, with the same
            numbers as on one device. Each holds a copy of the weights and the memory of a pass.
        precision: ``"full"``, or ``"bf16"`` to run forward and backward passes under autocast to
            bfloat16, which keeps 8 significant bits of each number. Activations take half the
            memory, and passes are faster on hardware with bfloat16 units. Results are less
            accurate: SmoothGrad maps of EfficientNet-Lite0 changed by 13 % (relative to their
            norm; correlation 0.96), in 0.9 of the time on 2 CPU cores.
        executor: Explains units of items, such as ``"pool"`` in other processes; where ``None``,
            one thread for each device.
        speedups: Names of the speed-ups that may be used: ``"upstream"`` runs what lies before a
            target variable inside the model once a batch, ``"folding"`` includes batch
            normalisations in convolutions, ``"channels_last"`` lays out convolutions with channels
            last. Each is used only where a trial shows that the model's output stays the same but
            for rounding; ``()`` switches all of them off.

    Raises:
        InputError: The domain, a target variable, the output variable, a device, the precision or
            a speed-up is unknown, or ``max_rows`` is not valid.
    """

    def __init__(
        self,
        model: Any,
        domain: str | Mapping[str, Any] | Domain,
        target: Any = None,
        output: Any = None,
        max_rows: int | str = "auto",
        device: str | int | torch.device | Sequence[str | int | torch.device] | None = None,
        precision: str = "full",
        executor: str | Mapping[str, Any] | Executor | None = None,
        speedups: Collection[str] = SPEEDUPS,
    ) -> None:
        self.model = model
        self.domain: Domain = make("domains", domain)
        if not isinstance(self.domain, Domain):
            raise InputError(f"domain is {brief(self.domain)}; pass a domain's name or object")
        self.target = default_target_of(self.domain, model) if target is None else target
        self.output = make_output(self.domain.output if output is None else output)
        self.max_rows = max_rows
        self.devices = devices_of(device)
        self.precision = choice(precision, "precision", ("full", "bf16"))
        self.executor = None if executor is None else make_executor(executor)
        self.speedups = speedups
        self._warned: set[str] = set()
        check_speedups(speedups)
        Budget(max_rows)
        if not self.domain.needs_data:
            resolve(self.target, layout_of(self.domain), model)  # refused now, without data

    def __repr__(self) -> str:
        parts = (f"{name}={short(getattr(self, name))}" for name in ("domain", "target", "output"))
        return f"Explainer({type(self.model).__name__}, {', '.join(parts)})"

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
            data: Items in any form that the domain reads, or a Dataset or DataLoader of these.
            calculator: Name (``"integrated_gradients:steps=16"``), config mapping or object.
            samplers: Names, config mappings or objects; all of them act in every draw.
            n_samples: Draws per item, M. With a number, each draw has noise and parameters of its
                own. With a pair, draws are nested: ``(8, 16)`` makes 8 draws of the parameters and,
                for each of them, 16 draws of noise.
            seed: Seed of all draws. A draw depends only on the seed, the item and the number of
                the draw; drawn weights, which the items share, do not depend on the item.
            ids: An id for each item, in place of its position as the key of its draws.
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
        request = self._request(calculator, samplers, n_samples, seed=seed)
        with Hearing(self._warned):
            unit = read(self.domain, data, ids)
            with progress_bar(len(unit) * request.draws.total, progress) as report:
                worker, results = self._start(request, unit, report)
                result = gathered(results)
            return samples_of(result, worker.request, unit)

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
        if not isinstance(samples, Samples):
            raise InputError(f"samples is {brief(samples)}; pass what compute returned")
        return aggregated(samples, make_aggregator(aggregator), self.domain)

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
        pool: Any = None,
    ) -> Explanation:
        """Compute draws and aggregate them as they come, in memory independent of ``n_samples``.

        Args:
            data: As in :meth:`compute`.
            calculator: As in :meth:`compute`.
            samplers: As in :meth:`compute`.
            n_samples: As in :meth:`compute`; or :class:`salience.Until`, which draws for each item
                until its standard error is small enough and then leaves the item out.
            aggregator: Name, config mapping or object.
            seed: As in :meth:`compute`.
            ids: As in :meth:`compute`.
            progress: As in :meth:`compute`.
            partial: Whether a KeyboardInterrupt returns the items of the batches that are finished
                by then, if there are any; the explanation's ids tell which items these are.
            pool: Groups of positions whose saliency is summed in each draw, as in
                :meth:`salience.Samples.pool`, or ``None``.

        Raises:
            InputError: As in :meth:`compute`; or the aggregator is unknown, or needs more draws or
                independent ones.
        """
        settings = {"seed": seed, "aggregator": aggregator, "partial": partial, "pool": pool}
        request = self._request(calculator, samplers, n_samples, **settings)
        with Hearing(self._warned):
            unit = read(self.domain, data, ids)
            with progress_bar(len(unit) * request.draws.total, progress) as report:
                worker, results = self._start(request, unit, report)
                result = gathered(results, partial)
            return explanation(result, worker.request, unit)

    @isolated()
    def check(
        self,
        data: Any,
        calculator: str | Mapping[str, Any] | Calculator = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: int | tuple[int, int] | Until = 1,
        aggregator: str | Mapping[str, Any] | Aggregator = "raw",
        seed: int = 0,
        ids: Sequence[int | str] | None = None,
        pool: Any = None,
    ) -> Preflight:
        """Find out what :meth:`explain` would assume of the model, and print it as a table.

        The first draws of the first batch are computed. For each assumption the table says whether
        it holds, which slower way is taken where it does not, or why the request is refused and how
        to mend that. The arguments are those of :meth:`explain`.

        Raises:
            InputError: A part is unknown, or the data cannot be read.
        """
        settings = {"seed": seed, "aggregator": aggregator, "pool": pool}
        request = self._request(calculator, samplers, n_samples, **settings)
        with Hearing():
            unit = read(self.domain, data, ids)
            found = checked(request.fitted(unit.samples), unit)
        print(found)
        return found

    def stream(
        self,
        chunks: Iterable[Any],
        calculator: str | Mapping[str, Any] | Calculator = "gradient",
        samplers: Sequence[Any] = (),
        n_samples: int | tuple[int, int] | Until = 1,
        aggregator: str | Mapping[str, Any] | Aggregator = "raw",
        seed: int = 0,
        pool: Any = None,
    ) -> Iterator[Explanation]:
        """Explain data that is larger than memory, chunk by chunk.

        The draws of an item are keyed by its position in the whole stream, so the numbers are those
        of :meth:`explain` on all the data at once. Memory holds one chunk at a time.

        Args:
            chunks: Pieces of the data, each in a form that the domain reads: a ``DataLoader``
                (``(x for x, _ in loader)`` where it gives pairs) or Dataset, lists of paths or
                SMILES, the pieces of ``pandas.read_csv(..., chunksize=1000)``.
            calculator: As in :meth:`compute`.
            samplers: As in :meth:`compute`.
            n_samples: As in :meth:`explain`.
            aggregator: As in :meth:`explain`.
            seed: As in :meth:`compute`.
            pool: As in :meth:`explain`; groups of single items count through the whole stream.

        Yields:
            One explanation for each item, in order.

        Raises:
            InputError: As in :meth:`explain`; a fault in the data is raised at its chunk.
        """
        with isolated():
            settings = {"seed": seed, "aggregator": aggregator, "pool": pool}
            request = self._request(calculator, samplers, n_samples, **settings)
        yield from streamed(request, chunks, executor_of(self.executor, self.devices), self._warned)

    def _request(self, *parts: Any, **settings: Any) -> Request:
        if "aggregator" in settings:
            settings["aggregator"] = make_aggregator(settings["aggregator"])
        own = {f.name: getattr(self, f.name) for f in fields(Settings)}
        return make_request(Settings(**own), *parts, **settings)

    def _start(
        self, request: Request, unit: Unit, report: Callable[[int], object]
    ) -> tuple[Worker, Iterator[UnitResult]]:
        """The worker after preflight, and the results of the units, computed as they are asked."""
        request.check(len(unit))
        request = request.fitted(unit.samples)
        executor = executor_of(self.executor, self.devices)
        worker = with_means(Worker.of(request, report=report), unit.samples)
        worker = preflight(worker, unit)
        units = unit.parts(executor.n_units, request.settings.domain, self.max_rows)
        return worker, results_of(executor, worker, units)
