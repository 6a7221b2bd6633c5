"""The score: where calculators and domains meet.

A score is the function f that maps the target variables of some rows to one scalar per row. A score
hides the domain, the model, the draws of parameters and the budget from the calculator, which asks
the score for values and gradients at tensors given by name, and for a view of how these tensors
hang together with the rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from salience.data.batch import RowSelection
from salience.data.views import RowView
from salience.model.backward import gradients
from salience.model.probe import Values
from salience.model.targets import view_of
from salience.scoring.cuts import cuts
from salience.scoring.reusable import ReusablePass
from salience.scoring.rows import Rows
from salience.scoring.runner import FinishedPass, Runner
from salience.scoring.stack import Stack
from salience.shown import ShortRepr
from salience.support.memory import elapsed, out_of_memory


@dataclass(frozen=True)
class Score(ShortRepr):
    """f: values of the target variables → one scalar for each of R rows.

    Args:
        rows: The rows: pairs of an item and a draw, or parts of these.
        runner: Runs the model.
        reusable: The pass that predicted, where the rows are exactly the items of a batch and
            nothing is drawn; else ``None``.
    """

    rows: Rows
    runner: Runner
    reusable: ReusablePass | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def positions(self) -> Tensor:
        """Position in the data set of each row's item, int64 of shape (R,)."""
        return self.rows.positions

    def view(self, name: str) -> RowView:
        """How the axes of a target variable hang together with the rows; see :class:`RowView`.

        Args:
            name: Name of the target variable.
        """
        return view_of(self.runner.probe.variables, name, self.rows.batch)

    @property
    def eps(self) -> float:
        """Relative rounding of f: the eps of the precision in which the model runs."""
        probe = self.runner.probe
        return torch.finfo(torch.bfloat16 if probe.is_half else probe.dtype or torch.float32).eps

    def value(self, x: Values) -> Tensor:
        """f(x) of each row, shape (R,), without autograd."""
        if self.reusable is not None and self.reusable.is_at(x):
            return self.reusable.scalars.detach()
        return self.runner.value(self.rows, x)

    def value_of_items(self, x: Values) -> Tensor:
        """f(x) of each row, shape (R,), where x is the same in all draws of an item.

        Unless a sampler moves the model, f(x) is computed once for each item.
        """
        if self.runner.moves:
            return self.value(x)
        items, of_row = torch.unique(self.rows.items, return_inverse=True)
        if len(items) == len(self):  # each item once: nothing to spare
            return self.value(x)
        row = torch.arange(len(self), device=of_row.device)
        first = torch.empty_like(items).scatter_reduce_(0, of_row, row, "amin", include_self=False)
        part = self._part(self.rows.batch.select(first), torch.zeros_like(first))
        return part.score.value(part.take(x))[of_row]

    def gradient(self, x: Values) -> tuple[Tensor, Values]:
        """f(x), shape (R,), and its gradient with respect to each target variable, shaped as that.

        Args:
            x: Target variable → its values for all rows.
        """
        reusable = self.reusable
        if reusable is not None and reusable.leaves and reusable.is_at(x):
            found = self._from_reusable(reusable)
            if found is not None:
                return found
        return self.runner.gradient(self.rows, x)

    def split(self, variants: int | Tensor) -> Iterator[Part]:
        """Cut the pairs of a row and a variant (path point, window) into parts within the budget.

        Args:
            variants: Number of variants of each row: one number for all rows, or int64 of shape
                (R,).

        Yields:
            Parts of pairs; each pair is in one part.
        """
        if isinstance(variants, int) and self.rows.batch.size() <= self.runner.budget.current:
            yield from self._split_variants(variants)
            return
        for selection, variant in cuts(self.rows, variants, self.runner.budget):
            yield self._part(selection, variant)

    def groups(self, wanted: Tensor, n_variants: int, n_passes: int) -> Iterator[Part]:
        """Cut some of the rows into groups whose pairs with all the variants take some passes.

        Args:
            wanted: Index of each of these rows, int64 of shape (R',).
            n_variants: Number of variants of each row.
            n_passes: Number of passes within the budget that the pairs of a group take, about; a
                group has at least one row.

        Yields:
            Groups of these rows in their order, as parts with a single variant; all the rows in
            one, where weights are drawn, whose draws stay in one piece.
        """
        if self.rows.draws is not None:
            full = self.rows.batch.all_rows()
            yield self._part(full, torch.zeros_like(full.rows))
            return
        size = -(-self.rows.batch.size() * len(wanted) // len(self)) * n_variants
        number = min(-(-size // (n_passes * self.runner.budget.current)), len(wanted))
        for rows in wanted.tensor_split(max(1, number)):
            yield self._part(self.rows.batch.select(rows), torch.zeros_like(rows))

    def _split_variants(self, variants: int) -> Iterator[Part]:
        """Yield parts of all the rows, each with as many variants as the budget allows."""
        size, start = max(1, self.rows.batch.size()), 0
        stack: Stack | None = None
        while start < variants:
            count = min(max(1, self.runner.budget.current // size), variants - start)
            if stack is None or stack.n_variants != count:
                stack = Stack(len(self), self.rows.n_draws, count)
                selection = self.rows.batch.select(stack.rows(self.rows.batch.device))
                score = Score(self.rows.take(selection), self.runner)
            variant = stack.variant(start, self.rows.batch.device)
            yield Part(score, selection, variant, stack=stack, start=start)
            start += count

    def _part(self, selection: RowSelection, variant: Tensor) -> Part:
        return Part(Score(self.rows.take(selection), self.runner), selection, variant)

    def _from_reusable(self, reusable: ReusablePass) -> tuple[Tensor, Values] | None:
        """f(x) and gradient by the graph of the reusable pass; ``None`` if memory runs out."""
        scalars, leaves = reusable.take_graph()
        batch, budget = self.rows.batch, self.runner.budget
        began = time.perf_counter()
        try:
            found = gradients(scalars, leaves)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            budget.halve()
            return None
        budget.record("gradient", batch.size(), reusable.seconds + elapsed(began, batch.device))
        done = FinishedPass(
            "gradient", self.rows, reusable.start, scalars=reusable.scalars, gradients=found
        )
        self.runner.show(done)
        return reusable.scalars, found


@dataclass(frozen=True)
class Part(ShortRepr):
    """Pairs of a row and one of its variants (path point, window), as many as fit into one pass.

    Args:
        score: The score whose rows are these P pairs.
        selection: The row of each pair, selected from the rows that were split.
        variant: Number of each pair's variant, from 0, int64 of shape (P,).
        stack: The order of the pairs, where they are all the rows for each of some variants.
        start: Number of the first variant in the stack.
    """

    score: Score
    selection: RowSelection
    variant: Tensor
    stack: Stack | None = None
    start: int = 0

    def take(self, x: Values) -> Values:
        """Select the values of each pair's row, for each target variable in ``x``."""
        axes = self.score.runner.axes
        return {name: self.selection.take(v, axes[name]) for name, v in x.items()}

    def expand(self, scalars: Tensor, name: str) -> Tensor:
        """Reshape one scalar per pair to broadcast against the target variable ``name``."""
        return self.selection.expand(scalars, self.score.runner.axes[name])

    def along(self, start: Values, step: Values, by: Tensor) -> Values:
        """The points start + by · step of each pair's row, such as the points of a path.

        Args:
            start: Target variable → values of the rows that were split.
            step: Target variable → values of these rows.
            by: One number for each variant, counted by :attr:`variant`; or, of shape (R, S), one
                for each of the rows that were split and each variant.
        """
        if self.stack is None or by.ndim == 2:
            at, steps = self.take(start), self.take(step)
            return {
                name: at[name] + self.expand(self._of_pairs(by), name).to(v.dtype) * v
                for name, v in steps.items()
            }
        points = {}
        for name, v in step.items():
            axis = self._row_axis(name)
            factor = self.stack.spread(self._own(by).to(v.dtype), v.ndim, axis)
            first, moved = (self.stack.apart(t, axis).unsqueeze(axis + 1) for t in (start[name], v))
            points[name] = torch.addcmul(first, moved, factor).flatten(axis, axis + 2)
        return points

    def add_to(self, total: Values, values: Values, weights: Tensor | None = None) -> None:
        """Add the values of the pairs, in place, to the total of the row of each pair.

        Args:
            total: Target variable → a total for the rows that were split.
            values: Target variable → values of the pairs.
            weights: Factor for each variant, or for each row and variant, as in :meth:`along`; 1
                where ``None``.
        """
        axes = self.score.runner.axes
        for name, value in values.items():
            if self.stack is not None and (weights is None or weights.ndim == 1):
                total[name] += self._summed(value, weights, name)
                continue
            if weights is not None:
                # Not in place: autograd may return an expanded gradient, whose elements share
                # memory.
                value = value * self.expand(self._of_pairs(weights), name).to(value.dtype)
            self.selection.add_to(total[name], value.to(total[name].dtype), axes[name])

    def dot(self, values: Values, step: Values) -> Tensor:
        """Σ values · step over the real positions of each pair, shape (P,).

        Args:
            values: Target variable → values of the pairs.
            step: Target variable → values of the rows that were split.
        """
        sums = []
        for name, value in values.items():
            if self.stack is None:
                product = value * self.selection.take(step[name], self.score.runner.axes[name])
            else:
                axis, stack = self._row_axis(name), self.stack
                sizes = (stack.n_draws, stack.n_variants, -1)
                stacked = value.unflatten(axis, sizes)  # type: ignore[no-untyped-call]
                product = stacked * stack.apart(step[name], axis).unsqueeze(axis + 1)
                product = product.flatten(axis, axis + 2)
            sums.append(self.score.view(name).sum(product).flatten())
        return torch.stack(sums).sum(0)

    def _of_pairs(self, numbers: Tensor) -> Tensor:
        """The number of each pair, shape (P,), as :meth:`along` takes them."""
        if numbers.ndim == 1:
            return numbers[self.variant]
        return numbers[self.selection.rows, self.variant]

    def _summed(self, values: Tensor, weights: Tensor | None, name: str) -> Tensor:
        """Weighted sum of the stacked values over the variants."""
        assert self.stack is not None
        axis, stack = self._row_axis(name), self.stack
        sizes = (stack.n_draws, stack.n_variants, -1)
        stacked = values.unflatten(axis, sizes)  # type: ignore[no-untyped-call]
        if weights is None:
            summed = stacked.sum(axis + 1)
        elif axis == 0 and stack.n_draws == 1:
            factor = self._own(weights).to(values.dtype)
            summed = (factor @ stacked[0].flatten(1)).reshape(1, *stacked.shape[2:])
        else:
            factor = stack.spread(self._own(weights).to(values.dtype), values.ndim, axis)
            summed = (stacked * factor).sum(axis + 1)
        joined: Tensor = summed.flatten(axis, axis + 1)
        return joined

    def _own(self, per_variant: Tensor) -> Tensor:
        """The entries of this stack's variants, on the device of the rows."""
        assert self.stack is not None
        own = per_variant[self.start : self.start + self.stack.n_variants]
        return own.to(self.variant.device)

    def _row_axis(self, name: str) -> int:
        batch = self.score.rows.batch
        return batch.layout.row_axis(self.score.runner.axes[name])[0]
