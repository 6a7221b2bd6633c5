"""The score: where calculators and domains meet.

A score maps the target variables of some rows to one scalar a row. It hides the domain, the model,
the parameter draws and the budget; a calculator sees tensors by name and asks for values and
gradients.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor

from salience.data.batch import Batch, RowSelection
from salience.model.backward import gradients, kept_whole
from salience.model.probe import Probe, Values
from salience.samplers.base import CannotPackError, ModelDraw, ParameterSampler
from salience.samplers.weight_source import Weights
from salience.scoring.budget import Budget
from salience.support.memory import elapsed, out_of_memory, too_large


@dataclass
class ReusablePass:
    """The pass that predicted, which gave f at the clean point.

    Args:
        scalars: f(x) of each item.
        leaves: The target variables as leaves of the graph of ``scalars``; empty without a graph.
        seconds: How long the pass took.
    """

    scalars: Tensor
    leaves: Values
    seconds: float

    def take_graph(self) -> tuple[Tensor, Values]:
        """Scalars and leaves; the graph, which serves once, is held no longer here."""
        scalars, leaves = self.scalars, self.leaves
        self.scalars, self.leaves = scalars.detach(), {}
        return scalars, leaves


@dataclass(frozen=True)
class Score:
    """f: values of the target variables → one scalar for each of R rows.

    Args:
        probe: Runs the model.
        batch: The rows; arguments that target variables take the place of are left out.
        keys: Key of each row's draw, int64 of shape (R,); ``None`` where no sampler takes part.
        positions: Position in the data set of each row's item, int64 of shape (R,).
        fixed: What the output variable keeps fixed for each row, or ``None``.
        samplers: Parameter samplers, each of which moves the model during forward passes.
        budget: Bounds every forward pass.
        one_row_per_pass: Whether each row needs a pass of its own, since the parameter samplers
            cannot tell the rows of this model apart.
        items: Which item of the batch that was predicted each row is, int64 of shape (R,).
        reusable: The pass that predicted, where the rows are its items and nothing moves the model.
        start: The clean point, at which that pass was.
        weights: Draws of weights that take the place of the model's own, or ``None``.
        draws: Which of these draws each row has, int64 of shape (R,), in ascending order; the rows
            of each are the same items in the same order.
    """

    probe: Probe
    batch: Batch
    keys: Tensor | None
    positions: Tensor
    fixed: Tensor | None
    samplers: Sequence[ParameterSampler]
    budget: Budget
    one_row_per_pass: bool = False
    items: Tensor | None = None
    reusable: ReusablePass | None = None
    start: Values = field(default_factory=dict)
    weights: Weights | None = None
    draws: Tensor | None = None
    axes: Mapping[str, tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", {v.name: v.axes for v in self.probe.variables})

    def __len__(self) -> int:
        return self.batch.n_items

    @property
    def reduced_axes(self) -> tuple[str, ...]:
        """The axes that the domain sums over."""
        return self.batch.layout.reduce

    def value(self, x: Values) -> Tensor:
        """f(x) of each row, shape (R,), without autograd."""
        if self.reusable is not None and self._is_start(x):
            return self.reusable.scalars.detach()

        def work(score: Score, values: Values) -> tuple[Tensor, Values]:
            with torch.inference_mode(False), torch.no_grad():
                return score._forward(values), {}

        return self._within_budget("value", x, work)[0]

    def value_of_items(self, x: Values) -> Tensor:
        """f(x) of each row where x is the same in all draws of an item: computed once an item."""
        if self.samplers or self.weights is not None:
            return self.value(x)
        items, of_row = torch.unique(self.positions, return_inverse=True)
        row = torch.arange(len(self), device=of_row.device)
        first = torch.empty_like(items).scatter_reduce_(0, of_row, row, "amin", include_self=False)
        selection = self.batch.select(first)
        part = Part(self._of(selection), selection, torch.zeros_like(first))
        return part.score.value(part.take(x))[of_row]

    def gradient(self, x: Values) -> tuple[Tensor, Values]:
        """f(x), shape (R,), and its gradient with respect to each target variable.

        The scalars are summed before one backward pass: rows do not meet inside the model, so the
        gradient of the sum holds the gradient of each row.
        """

        def work(score: Score, values: Values) -> tuple[Tensor, Values]:
            with torch.inference_mode(False), torch.enable_grad():
                leaves = {k: v.detach().requires_grad_() for k, v in values.items()}
                scalars = score._forward(leaves)
                found = gradients(scalars, leaves)
            return scalars.detach(), found

        if self.reusable is not None and self.reusable.leaves and self._is_start(x):
            found = self._from_reusable(self.reusable)
            if found is not None:
                return found
        return self._within_budget("gradient", x, work)

    def _is_start(self, x: Values) -> bool:
        return all(x[name] is value for name, value in self.start.items())

    def _from_reusable(self, reusable: ReusablePass) -> tuple[Tensor, Values] | None:
        """The gradient by the graph of the pass that predicted; ``None`` where memory is short."""
        scalars, leaves = reusable.take_graph()
        began = time.perf_counter()
        try:
            found = gradients(scalars, leaves)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            self.budget.halve()
            return None
        seconds = reusable.seconds + elapsed(began, self.batch.device)
        self.budget.record("gradient", self.batch.size(), seconds)
        return reusable.scalars, found

    def split(self, variants: int | Tensor, max_pairs: int | None = None) -> Iterator[Part]:
        """Cut the grid of rows × variants (path points, windows) into parts within the budget.

        Args:
            variants: Number of variants of every row, or of each row (int64 of shape (R,)).
            max_pairs: Largest number of pairs in a part, where it is below the budget.
        """
        if isinstance(variants, int):
            variants = torch.full((len(self),), variants, device=self.batch.device)
        ends = variants.cumsum(0)
        start, total = 0, int(ends[-1])
        while start < total:
            # Only the pairs that may fit are looked at; the whole grid would outgrow the budget.
            room = min(total - start, max_pairs or self.budget.current)
            pair = torch.arange(start, start + room, device=ends.device)
            row = torch.searchsorted(ends, pair, right=True)
            stop = self._full_draws(self._fitting(row), start, total)
            selection = self.batch.select(row[:stop])
            variant = pair - (ends - variants)[row]
            yield Part(self._of(selection), selection, variant[:stop])
            start += stop

    def _forward(self, values: Values) -> Tensor:
        self.probe.arrange()
        with ExitStack() as stack:
            if self.samplers or self.weights is not None or self.probe.has_inner_targets:
                stack.enter_context(kept_whole())
            for sampler in self.samplers:
                assert self.keys is not None
                draw = ModelDraw(self.keys, self.batch.all_rows(), self.probe.model)
                stack.enter_context(sampler.active(draw))
            if self.weights is not None:
                assert self.draws is not None
                weights = self.weights[int(self.draws[0]) : int(self.draws[-1]) + 1]
                return self.probe.with_weights(self.batch, values, self.fixed, weights)
            items = None if self.samplers else self.items
            return self.probe(self.batch, values, self.fixed, items)

    def _of(self, selection: RowSelection) -> Score:
        """The score of picked rows."""
        return Score(
            self.probe,
            selection.batch(),
            None if self.keys is None else self.keys[selection.rows],
            self.positions[selection.rows],
            None if self.fixed is None else self.fixed[selection.rows],
            self.samplers,
            self.budget,
            self.one_row_per_pass,
            None if self.items is None else self.items[selection.rows],
            weights=self.weights,
            draws=None if self.draws is None else self.draws[selection.rows],
        )

    def _fitting(self, rows: Tensor) -> int:
        """How many of the first rows fit the budget; at least one."""
        sizes = self.batch.sizes()[rows].cumsum(0)
        return max(1, int((sizes <= self.budget.current).sum()))

    def _full_draws(self, count: int, start: int, total: int) -> int:
        """So many pairs from ``start`` that each draw of weights has all its pairs or is alone.

        Args:
            count: How many fit the budget.
            start: The first of them.
            total: Pairs of all the rows.
        """
        if self.draws is None:
            return count
        each = total // (int(self.draws[-1] - self.draws[0]) + 1)
        done = start % each
        return min(count, each - done) if done or count < each else count // each * each

    def _timed(
        self,
        kind: str,
        size: int,
        x: Values,
        work: Callable[[Score, Values], tuple[Tensor, Values]],
    ) -> tuple[Tensor, Values]:
        if not self.budget.searching:
            return work(self, x)
        began = time.perf_counter()
        result = work(self, x)
        self.budget.record(kind, size, elapsed(began, self.batch.device))
        return result

    def _within_budget(
        self, kind: str, x: Values, work: Callable[[Score, Values], tuple[Tensor, Values]]
    ) -> tuple[Tensor, Values]:
        """Run ``work`` on all rows at once where they fit, else part by part."""
        size, max_pairs = self.batch.size(), 1 if self.one_row_per_pass else None
        if len(self) == 1 or (size <= self.budget.current and not self.one_row_per_pass):
            try:
                return self._timed(kind, size, x, work)
            except CannotPackError:
                max_pairs = 1
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if len(self) == 1:
                    raise too_large(size) from error
                self.budget.halve()
        scalars: list[Tensor] = []
        values: dict[str, list[Tensor]] = {}
        for part in self.split(1, max_pairs):
            some, more = part.score._within_budget(kind, part.take(x), work)
            scalars.append(some)
            for name, value in more.items():
                values.setdefault(name, []).append(value)
        row_axes = {name: self.batch.layout.row_axis(self.axes[name]) for name in values}
        joined = {n: torch.cat(v, row_axes[n][0]) for n, v in values.items()}  # type: ignore[index]
        return torch.cat(scalars), joined


@dataclass(frozen=True)
class Part:
    """Some pairs of a row and a variant of it, few enough for one forward pass.

    Args:
        score: The score of these pairs.
        picked: Which rows they are of.
        variant: Number of the variant of each pair, int64.
    """

    score: Score
    selection: RowSelection
    variant: Tensor

    def take(self, x: Values) -> Values:
        """The values of these pairs, from those of all rows."""
        return {name: self.selection.take(v, self.score.axes[name]) for name, v in x.items()}

    def expand(self, scalars: Tensor, name: str) -> Tensor:
        """One scalar a pair, made to broadcast against the target variable."""
        return self.selection.expand(scalars, self.score.axes[name])

    def add_to(self, total: Values, values: Values) -> None:
        """Add the pairs' values to those of their rows."""
        for name, value in values.items():
            self.selection.add_to(total[name], value, self.score.axes[name])
