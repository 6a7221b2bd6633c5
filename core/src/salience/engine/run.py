"""One pass over samples, from batches to blocks of draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from salience.aggregators.moments import as_float64
from salience.data.domain import Domain
from salience.engine import rows as engine
from salience.engine.request import Request
from salience.engine.rows import PredictedBatch
from salience.errors import InputError
from salience.model.checks import NotFiniteError
from salience.results.provenance import recorded_ids
from salience.results.samples import ItemTable
from salience.samplers.design import Draws
from salience.samplers.keyed import item_keys
from salience.support.numerics import all_finite


@dataclass
class CompletenessSums:
    """What the draws of a batch say beside the saliency, summed, shape (B,) each."""

    delta: Tensor
    gap: Tensor
    draws: Tensor

    def add(self, block: engine.Block, items: Tensor) -> None:
        """Take in draws of these items of the batch."""
        delta, gap = as_float64(block.delta).sum(0), as_float64(block.gap).sum(0)
        if len(items) == len(self.delta):  # all of them, in order
            self.delta += delta
            self.gap += gap
            self.draws += len(block.delta)
        else:
            self.delta[items] += delta
            self.gap[items] += gap
            self.draws[items] += len(block.delta)


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
        request: Request,
        samples: Sequence[Any],
        ids: Sequence[int | str] | None = None,
        offset: int = 0,
    ) -> None:
        self.request = request
        self._samples = samples
        self._offset = offset
        self._ids = _checked_ids(ids, len(samples), offset)
        self._gathered: list[dict[str, Any]] = []
        self.axes: dict[str, tuple[str, ...]] = {}

    def progress_bar(self, shown: bool | None) -> Any:
        """A progress bar over items × draws."""
        total = len(self._samples) * self.draws.total
        hidden = None if shown is None else not shown
        return tqdm(
            total=total, desc="salience", unit="draw", disable=hidden, delay=1.0, leave=False
        )

    def batches(self) -> Iterator[PredictedBatch]:
        """Predicted batches of the whole data set."""
        return engine.batches(
            self.request.worker, self._samples, item_keys(self._ids), offset=self._offset
        )

    def begin(self, predicted: PredictedBatch) -> CompletenessSums:
        """Get ready for the draws of a batch."""
        self.request.try_samplers(predicted)
        self.axes = {name: engine.rest(predicted, name) for name in predicted.x}
        # Sums of many draws outgrow the digits of one.
        nothing = as_float64(torch.zeros_like(predicted.score))
        return CompletenessSums(nothing, nothing.clone(), nothing.long())

    def blocks(
        self,
        predicted: PredictedBatch,
        completeness: CompletenessSums,
        progress: Any,
        start: int,
        stop: int,
    ) -> Iterator[engine.Block]:
        """Blocks of the draws from ``start`` to ``stop`` of a batch, or of some of its items."""
        for block in engine.blocks(self.request.worker, predicted, start, stop):
            _check_finite(block, predicted)
            completeness.add(block, predicted.items)
            yield block
            progress.update(block.delta.numel())

    def end(self, predicted: PredictedBatch, completeness: CompletenessSums) -> None:
        """Gather what the draws of a batch have said."""
        self._gathered.append(
            {
                "prediction": predicted.prediction.cpu(),
                "score": predicted.score.cpu(),
                "delta": (completeness.delta / completeness.draws).to(predicted.score.dtype).cpu(),
                "gap": (completeness.gap / completeness.draws).to(predicted.score.dtype).cpu(),
                "n_independent": completeness.draws.cpu() // self.draws.group,
                "annotations": predicted.batch.annotations,
                "counts": counts_of(predicted),
            }
        )

    @property
    def draws(self) -> Draws:
        """How many draws an item gets."""
        return self.request.worker.draws

    @property
    def domain(self) -> Domain:
        """The domain of the items."""
        return self.request.worker.domain

    def shares(self, requests: Sequence[Request]) -> list[Run]:
        """Runs over parts of the items that follow each other, a part a plan; none is empty."""
        ends = [len(self._samples) * i // len(requests) for i in range(len(requests) + 1)]
        parts = zip(requests, ends, ends[1:], strict=False)
        return [
            Run(request, self._samples[a:b], self._ids[a:b], self._offset + a)
            for request, a, b in parts
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

    def dataset_info(self) -> ItemTable:
        """Everything beside the saliency."""

        def gathered(key: str) -> Tensor:
            return joined([batch[key] for batch in self._gathered])

        # An output padded as its batch is has no shape of its own for the whole data set.
        shapes = {batch["prediction"].shape[1:] for batch in self._gathered}
        return ItemTable(
            gathered("prediction" if len(shapes) == 1 else "score"),
            gathered("score"),
            gathered("delta"),
            gathered("gap"),
            [annotation for batch in self._gathered for annotation in batch["annotations"]],
            self.domain.dataset_info(self._samples),
            self.request.record | recorded_ids(self._ids),
            self.domain,
            self._ids[: sum(len(batch["score"]) for batch in self._gathered)],
            gathered("n_independent"),
        )


def joined(parts: list[Tensor]) -> Tensor:
    """The parts one after the other; without a copy of a single one."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _checked_ids(ids: Sequence[int | str] | None, n_items: int, offset: int) -> Sequence[int | str]:
    if ids is None:
        return range(offset, offset + n_items)
    if not isinstance(ids, range):
        # Arrays hand out numbers of their own types.
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    if len(ids) != n_items:
        raise InputError(f"got {len(ids)} ids for {n_items} items; pass one an item")
    if isinstance(ids, range):
        return ids
    if len(set(ids)) != n_items:
        raise InputError("two items share an id, so they would share their draws; make ids unique")
    return ids


def _check_finite(block: engine.Block, predicted: PredictedBatch) -> None:
    for name, draws in block.draws.items():
        if all_finite(draws):
            continue
        position = int((~draws.isfinite()).nonzero()[0, 1])
        counts = counts_of(predicted)[name]
        if counts is not None:
            position = int((counts.cumsum(0) <= position).sum())
        raise NotFiniteError(f"the saliency for {name!r}", int(predicted.positions[position]))


def counts_of(predicted: PredictedBatch) -> dict[str, Tensor | None]:
    """Target variable → elements of each item, or ``None`` where all are alike."""
    return {name: engine.counts(predicted, name) for name in predicted.x}
