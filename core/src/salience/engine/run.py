"""The run: computes blocks of draws batch by batch, and records the results beside the saliency."""

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
    """Sums, over the draws of each item of a batch, from which completeness is reported.

    Args:
        delta: Sum of f(x') − f(baseline) over the draws, with x' the point that noise moved x to,
            shape (B,).
        gap: Sum of |Σ saliency − (f(x') − f(baseline))| over the draws, shape (B,).
        draws: Number of draws so far, int64 of shape (B,).
    """

    delta: Tensor
    gap: Tensor
    draws: Tensor

    def add(self, block: engine.Block, items: Tensor) -> None:
        """Add the draws of a block.

        Args:
            block: Draws of all or some of the items of the batch.
            items: Index in the predicted batch of each item of the block, int64.
        """
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
    """One pass over samples, which records the prediction, score and completeness of each item.

    Args:
        request: The checked arguments, with the worker that computes the draws.
        samples: The samples that :meth:`Domain.read` returned, one per item.
        ids: Id of each item; its position in the whole data set where ``None``.
        offset: Position of the first item in the whole data set.

    Raises:
        InputError: The ids are not unique, or their number is not that of the samples.
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
        """Make a progress bar that counts items × draws, shown after the first second.

        Args:
            shown: Whether to show the progress bar; only in a terminal where ``None``.
        """
        total = len(self._samples) * self.draws.total
        hidden = None if shown is None else not shown
        return tqdm(
            total=total, desc="salience", unit="draw", disable=hidden, delay=1.0, leave=False
        )

    def batches(self) -> Iterator[PredictedBatch]:
        """Yield the samples of the run in batches within the budget, with their predictions."""
        return engine.batches(
            self.request.worker, self._samples, item_keys(self._ids), offset=self._offset
        )

    def begin(self, predicted: PredictedBatch) -> CompletenessSums:
        """Prepare the draws of a batch; the first call tries the samplers on the model.

        Returns:
            Sums without any draw yet, to be passed to :meth:`blocks` and :meth:`end`.

        Raises:
            InputError: Items of a batch influence each other, or a sampler cannot serve the model.
        """
        self.request.try_samplers(predicted)
        self.axes = {name: engine.rest(predicted, name) for name in predicted.x}
        # A sum over many draws needs more digits than the dtype of a single draw has.
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
        """Compute the draws from ``start`` to ``stop`` − 1 of a batch, or of some of its items.

        Args:
            predicted: The batch, or a selection of its items.
            completeness: Sums of the whole batch, to which each block is added.
            progress: A progress bar that counts draws of items.
            start: Number of the first draw.
            stop: Number of the draw after the last.

        Yields:
            Blocks of consecutive draws.

        Raises:
            NotFiniteError: A value of the saliency is NaN or infinite.
        """
        for block in engine.blocks(self.request.worker, predicted, start, stop):
            _check_finite(block, predicted)
            completeness.add(block, predicted.items)
            yield block
            progress.update(block.delta.numel())

    def end(self, predicted: PredictedBatch, completeness: CompletenessSums) -> None:
        """Record the results of a batch beside the saliency, after its last draw."""
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
        """Number and structure of the draws of an item."""
        return self.request.worker.draws

    @property
    def domain(self) -> Domain:
        """The domain, which reads and collates the items."""
        return self.request.worker.domain

    def shares(self, requests: Sequence[Request]) -> list[Run]:
        """Split the run into runs over consecutive parts of the samples, of about equal length.

        Args:
            requests: One request for each part.

        Returns:
            A run for each part that is not empty.
        """
        ends = [len(self._samples) * i // len(requests) for i in range(len(requests) + 1)]
        parts = zip(requests, ends, ends[1:], strict=False)
        return [
            Run(request, self._samples[a:b], self._ids[a:b], self._offset + a)
            for request, a, b in parts
            if a < b
        ]

    def gather(self, shares: Sequence[Run]) -> None:
        """Take over the results that the runs from :meth:`shares` recorded, in their order."""
        self.axes = shares[0].axes
        self._gathered = [batch for share in shares for batch in share._gathered]

    def keep(self, n_batches: int) -> None:
        """Keep the recorded results of the first ``n_batches`` batches only.

        Batches after these may lack estimates, where an interruption came before they were done.
        """
        del self._gathered[n_batches:]

    def counts(self) -> dict[str, Tensor | None]:
        """Number of elements (ragged data) or real positions (padded data) of each item so far.

        Returns:
            Target variable → int64 of shape (number of items,); ``None`` where all items have one
            shape.
        """
        found = [batch["counts"] for batch in self._gathered]
        return {
            name: None if first is None else torch.cat([counts[name] for counts in found])
            for name, first in found[0].items()
        }

    def dataset_info(self) -> ItemTable:
        """The results and data of the recorded items, beside the saliency."""

        def gathered(key: str) -> Tensor:
            return joined([batch[key] for batch in self._gathered])

        # Outputs that are padded to the longest item of each batch cannot be joined over batches;
        # f(x) is given as the prediction instead.
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
    """Concatenate tensors along the first axis; a single tensor is returned without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _checked_ids(ids: Sequence[int | str] | None, n_items: int, offset: int) -> Sequence[int | str]:
    if ids is None:
        return range(offset, offset + n_items)
    if not isinstance(ids, range):
        # list() of an array would hold the array's number types in the place of Python's.
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
    """Number of elements or real positions of each item in each target variable.

    Returns:
        Target variable → int64 of shape (B,), or ``None`` where a position is an item.
    """
    return {name: engine.counts(predicted, name) for name in predicted.x}
