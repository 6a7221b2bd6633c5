"""The runner: values and gradients of f at given rows, in forward passes within the budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.model.backward import gradients, kept_whole
from salience.model.probe import Probe, Values
from salience.plugins.faults import Asked
from salience.samplers.base import CannotPackError, ModelDraw, ParameterSampler
from salience.samplers.weight_source import Weights, WeightSource
from salience.scoring.budget import Budget
from salience.scoring.cuts import cuts
from salience.scoring.rows import Rows
from salience.shown import ShortRepr
from salience.support.interrupts import check
from salience.support.memory import elapsed, out_of_memory, too_large


@dataclass(frozen=True)
class FinishedPass(ShortRepr):
    """A forward pass of some rows, and what came out of it.

    Args:
        kind: ``"gradient"`` or ``"value"``.
        rows: The rows.
        x: Target variable → its values in the rows.
        scalars: f(x) of each row, shape (R,).
        gradients: Target variable → gradient; empty for ``"value"``.
    """

    kind: str
    rows: Rows
    x: Values
    scalars: Tensor
    gradients: Values


class Observer(Protocol):
    """Is shown the passes of a runner, and raises where one is not to be believed."""

    def passed(self, runner: Runner, done: FinishedPass) -> None:
        """A pass has ended."""

    def failed(self, runner: Runner, begun: FinishedPass, error: Exception) -> None:
        """A pass has raised an error; ``begun`` holds no results. The error is raised afterwards.

        Args:
            runner: Ran the pass.
            begun: The pass, with f(x) and gradients of nothing.
            error: What was raised.
        """

    def failed_prediction(self, runner: Runner, batch: Batch, error: Exception) -> None:
        """The prediction of a batch has raised an error, which is raised afterwards."""

    def predicted(self, rows: Rows, prediction: Any) -> None:
        """A batch was predicted: its items, and the model's output."""

    def scored(self, runner: Runner, done: FinishedPass) -> None:
        """The prediction of items that are explained: a pass of values at x, without draws."""

    def watching_draws(
        self, runner: Runner, again: Callable[[], Any]
    ) -> AbstractContextManager[Callable[[Any], None]]:
        """Around the prediction of a batch; gives a function that takes the model's output.

        Args:
            runner: Predicts the batch.
            again: Predicts the batch again, and returns the model's output.
        """


@dataclass(frozen=True)
class Runner(ShortRepr):
    """The model on one device, with what is drawn for it, and the budget of its passes.

    Args:
        probe: Holds the replica of the model and runs the forward passes.
        budget: Limits the size of every forward pass.
        samplers: Parameter samplers, all active in each forward pass.
        one_row_per_pass: Whether each row needs a pass of its own.
        calm: Whether the parameter samplers switch off in predictions what the model would draw.
        source: Draws weights; ``None`` where the model keeps its own.
        weights: Draws of weights, counted by :attr:`Rows.draws`; ``None`` for the model's own.
        observer: Is shown every pass.
        stop: Set from another thread to end the computation: the next pass raises
            KeyboardInterrupt.
    """

    probe: Probe
    budget: Budget
    samplers: Sequence[ParameterSampler] = ()
    one_row_per_pass: bool = False
    calm: bool = False
    source: WeightSource | None = None
    weights: Weights | None = None
    observer: Observer | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def moves(self) -> bool:
        """Whether the model differs from draw to draw."""
        return bool(self.samplers) or self.weights is not None

    @property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """Target variable → names of its axes."""
        return {v.name: v.axes for v in self.probe.variables}

    def check_stop(self) -> None:
        """Raise KeyboardInterrupt where :attr:`stop` is set, or Ctrl-C was pressed."""
        check()
        if self.stop.is_set():
            raise KeyboardInterrupt

    def value(self, rows: Rows, x: Values) -> Tensor:
        """f(x) of each row, shape (R,), without autograd."""
        return self._within_budget("value", rows, x)[0]

    def gradient(self, rows: Rows, x: Values) -> tuple[Tensor, Values]:
        """f(x) of each row, shape (R,), and its gradient at each target variable.

        One backward pass of the sum of f(x) over rows gives all gradients: rows do not influence
        each other inside the model, so the gradient of the sum holds the gradient of each row.
        """
        return self._within_budget("gradient", rows, x)

    def _pass(self, kind: str, rows: Rows, x: Values) -> tuple[Tensor, Values]:
        """Run one forward pass and, for a ``"gradient"``, one backward pass."""
        self.check_stop()
        wanted = kind == "gradient"
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.set_grad_enabled(wanted))
            if wanted:
                x = {name: value.detach().requires_grad_() for name, value in x.items()}
            with ExitStack() as moved:
                if self.moves or self.probe.has_inner_targets:
                    moved.enter_context(kept_whole())
                for sampler in self.samplers:
                    draw = ModelDraw(rows.keys, rows.batch.all_rows(), self.probe.model)
                    moved.enter_context(Asked("samplers", sampler, "active")(draw))
                if self.weights is not None:
                    assert rows.draws is not None
                    weights = self.weights[int(rows.draws[0]) : int(rows.draws[-1]) + 1]
                    scalars = self.probe.with_weights(rows.batch, x, rows.fixed, weights)
                else:
                    items = None if self.samplers else rows.items
                    scalars = self.probe(rows.batch, x, rows.fixed, items)
            return scalars.detach(), gradients(scalars, x) if wanted else {}

    def show(self, done: FinishedPass) -> None:
        """Show a finished pass to the observer."""
        check()
        if self.observer is not None:
            self.observer.passed(self, done)

    def predict(self, batch: Batch, graph: bool) -> tuple[Values, Any, Values]:
        """Run the model on clean items, as :meth:`salience.model.probe.Probe.predict` does.

        Where :attr:`calm` is set, what the parameter samplers draw is off.
        """
        with ExitStack() as off:
            for sampler in self.samplers if self.calm else ():
                off.enter_context(sampler.inactive())
            return self.probe.predict(batch, graph)

    def target_values(self, rows: Rows) -> Values:
        """The values that the target variables take in rows under the parameter samplers.

        Args:
            rows: The rows, whose batch has all its arguments.
        """
        size, max_pairs = rows.batch.size(), 1 if self.one_row_per_pass else None
        if len(rows) == 1 or (size <= self.budget.current and not self.one_row_per_pass):
            try:
                self.check_stop()
                with ExitStack() as moved:
                    for sampler in self.samplers:
                        draw = ModelDraw(rows.keys, rows.batch.all_rows(), self.probe.model)
                        moved.enter_context(Asked("samplers", sampler, "active")(draw))
                    return self.probe.predict(rows.batch)[0]
            except CannotPackError:
                max_pairs = 1
        parts = [
            self.target_values(rows.take(selection))
            for selection, _ in cuts(rows, 1, self.budget, max_pairs)
        ]
        return self._joined({name: [part[name] for part in parts] for name in parts[0]}, rows)

    def _within_budget(self, kind: str, rows: Rows, x: Values) -> tuple[Tensor, Values]:
        """Run all rows at once where they fit the budget, else part by part.

        Args:
            kind: ``"gradient"`` or ``"value"``, for the budget, which times passes of each kind.
            rows: The rows.
            x: Target variable → its values for all rows.

        Returns:
            f(x), shape (R,), and target variable → gradient; empty for ``"value"``.

        Raises:
            InputError: A single row does not fit into memory.
        """
        size, max_pairs = rows.batch.size(), 1 if self.one_row_per_pass else None
        if len(rows) == 1 or (size <= self.budget.current and not self.one_row_per_pass):
            try:
                began = time.perf_counter()
                result = self._pass(kind, rows, x)
            except CannotPackError:
                max_pairs = 1
            except Exception as error:  # the user's forward may raise anything
                if not out_of_memory(error):
                    if self.observer is not None:
                        begun = FinishedPass(kind, rows, x, scalars=torch.empty(0), gradients={})
                        self.observer.failed(self, begun, error)
                    raise
                if len(rows) == 1:
                    raise too_large(size) from error
                self.budget.halve()
            else:
                if self.budget.searching:
                    self.budget.record(kind, size, elapsed(began, rows.batch.device))
                self.show(FinishedPass(kind, rows, x, scalars=result[0], gradients=result[1]))
                return result
        scalars: list[Tensor] = []
        values: dict[str, list[Tensor]] = {}
        for selection, _ in cuts(rows, 1, self.budget, max_pairs):
            some = {name: selection.take(v, self.axes[name]) for name, v in x.items()}
            found, more = self._within_budget(kind, rows.take(selection), some)
            scalars.append(found)
            for name, value in more.items():
                values.setdefault(name, []).append(value)
        return torch.cat(scalars), self._joined(values, rows)

    def _joined(self, values: Mapping[str, list[Tensor]], rows: Rows) -> Values:
        layout = rows.batch.layout
        return {n: torch.cat(v, layout.row_axis(self.axes[n])[0]) for n, v in values.items()}
