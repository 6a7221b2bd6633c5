"""The score: where calculators and domains meet.

A score is the function f that maps the target variables of some rows to one scalar per row. A score
hides the domain, the model, the draws of parameters and the budget from the calculator, which asks
the score for values and gradients at tensors given by name.
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
    """Results of the forward pass that predicted a batch, kept to spare a second such pass.

    Args:
        scalars: f(x) of each item, shape (B,).
        leaves: Target variable → its values as a leaf of the graph of ``scalars``; empty without a
            graph.
        seconds: Duration of the pass.
    """

    scalars: Tensor
    leaves: Values
    seconds: float

    def take_graph(self) -> tuple[Tensor, Values]:
        """Return scalars and leaves, and drop the graph, which serves one backward pass only."""
        scalars, leaves = self.scalars, self.leaves
        self.scalars, self.leaves = scalars.detach(), {}
        return scalars, leaves


@dataclass(frozen=True)
class Score:
    """f: values of the target variables → one scalar for each of R rows.

    Args:
        probe: Holds the replica of the model and runs the forward passes.
        batch: The rows. Arguments that are target variables are ``None`` in it.
        keys: Key of each row's draw, int64 of shape (R,); ``None`` where no sampler needs keys.
        positions: Position in the data set of each row's item, int64 of shape (R,).
        fixed: Values that the output variable keeps fixed, first axis R, or ``None``.
        samplers: Parameter samplers, all active in each forward pass.
        budget: Limits the size of every forward pass.
        one_row_per_pass: Whether each row needs a pass of its own, since the parameter samplers
            cannot tell the rows of this model apart.
        items: Index of each row's item in the predicted batch, int64 of shape (R,); ``None`` where
            no outputs of modules are reused from the pass that predicted.
        reusable: The pass that predicted the batch, where the rows are exactly its items and no
            sampler takes part; else ``None``.
        start: Target variable → its values in ``reusable``. Where a calculator asks for f or the
            gradient at these very tensors, the result comes from ``reusable``.
        weights: Draws of weights that replace the model's own, or ``None``.
        draws: Index in ``weights`` of each row's draw, int64 of shape (R,), in ascending order. The
            rows of each draw are the same items in the same order.
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
        """Names of the axes over which the saliency is summed, as the domain's layout declares."""
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
        """f(x) of each row, shape (R,), where x is the same in all draws of an item.

        Unless a sampler moves the model, f(x) is computed once for each item.
        """
        if self.samplers or self.weights is not None:
            return self.value(x)
        items, of_row = torch.unique(self.positions, return_inverse=True)
        row = torch.arange(len(self), device=of_row.device)
        first = torch.empty_like(items).scatter_reduce_(0, of_row, row, "amin", include_self=False)
        selection = self.batch.select(first)
        part = Part(self._of(selection), selection, torch.zeros_like(first))
        return part.score.value(part.take(x))[of_row]

    def gradient(self, x: Values) -> tuple[Tensor, Values]:
        """f(x), shape (R,), and its gradient with respect to each target variable, shaped as that.

        One backward pass of the sum of f(x) over rows gives all gradients: rows do not influence
        each other inside the model, so the gradient of the sum holds the gradient of each row.
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
        """f(x) and gradient by the graph of the reusable pass; ``None`` if memory runs out."""
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
        """Cut the pairs of a row and a variant (path point, window) into parts within the budget.

        Args:
            variants: Number of variants of each row: one number for all rows, or int64 of shape
                (R,).
            max_pairs: Largest number of pairs in a part; limited by the budget alone where
                ``None``.

        Yields:
            Parts of consecutive pairs, ordered by row and then by variant.
        """
        if isinstance(variants, int):
            variants = torch.full((len(self),), variants, device=self.batch.device)
        ends = variants.cumsum(0)
        start, total = 0, int(ends[-1])
        while start < total:
            # Pairs are listed only as far as they may fit. A list of all pairs could take more
            # memory than the passes.
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
        """The score of the selected rows, without the reusable pass."""
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
        """Number of leading pairs that fit the budget together, at least one.

        Args:
            rows: Index of the row of each pair, int64.
        """
        sizes = self.batch.sizes()[rows].cumsum(0)
        return max(1, int((sizes <= self.budget.current).sum()))

    def _full_draws(self, count: int, start: int, total: int) -> int:
        """Round a number of pairs down so that a part holds full draws of weights, or a single one.

        The part then holds all the pairs of each of its draws of weights, or pairs of one draw.

        Args:
            count: Number of pairs that fit the budget.
            start: Index of the first pair of the part.
            total: Number of pairs of all the rows.

        Returns:
            The number of pairs in the part; ``count`` where no weights are drawn.
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
        """Run ``work`` on all rows at once where they fit the budget, else part by part.

        Args:
            kind: ``"gradient"`` or ``"value"``, for the budget, which times passes of each kind.
            x: Target variable → its values for all rows.
            work: Function of a score and the values of its rows, which runs one forward pass.

        Returns:
            The results of ``work`` for all rows: f(x), shape (R,), and target variable → gradient,
            which is empty where ``work`` computes values only.

        Raises:
            InputError: A single row does not fit into memory.
        """
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
    """Pairs of a row and one of its variants (path point, window), as many as fit into one pass.

    Args:
        score: The score whose rows are these P pairs.
        selection: The row of each pair, selected from the rows that were split.
        variant: Number of each pair's variant, from 0, int64 of shape (P,).
    """

    score: Score
    selection: RowSelection
    variant: Tensor

    def take(self, x: Values) -> Values:
        """Select the values of each pair's row, for each target variable in ``x``."""
        return {name: self.selection.take(v, self.score.axes[name]) for name, v in x.items()}

    def expand(self, scalars: Tensor, name: str) -> Tensor:
        """Reshape one scalar per pair to broadcast against the target variable ``name``."""
        return self.selection.expand(scalars, self.score.axes[name])

    def add_to(self, total: Values, values: Values) -> None:
        """Add the values of the pairs, in place, to the total of the row of each pair."""
        for name, value in values.items():
            self.selection.add_to(total[name], value, self.score.axes[name])
