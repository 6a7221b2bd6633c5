"""Reference rows: single rows, run alone by a replica without any speed-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.data.views import RowView
from salience.engine.promises import collated
from salience.engine.request import Request
from salience.engine.units import Unit
from salience.model.probe import Probe, Values
from salience.model.targets import Variable, resolve
from salience.samplers.weight_source import Weights
from salience.scoring.budget import Budget
from salience.scoring.precision import placed
from salience.scoring.rows import Rows
from salience.scoring.runner import FinishedPass, Runner

# No budget of a computation is larger.
_UNLIMITED = 2**62


@dataclass(frozen=True)
class RowResult:
    """What came out for a single row.

    Args:
        scalar: f(x), shape (1,).
        gradients: Target variable → gradient at its real positions; empty where none was asked for.
    """

    scalar: Tensor
    gradients: Values


def probe_of(
    request: Request, device: torch.device | None, speedups: tuple[str, ...] | None = None
) -> Probe:
    """Make a probe of the request's model.

    Args:
        request: What is to be computed.
        device: Device to run on; the model's own where ``None``.
        speedups: Names of the speed-ups that may be used; where ``None``, those of the request,
            or none where rows run one a pass, for which nothing is to be proven.
    """
    own = request.settings
    if speedups is None:
        speedups = () if own.max_rows == 1 else request.verdicts.usable(own.speedups)
    return Probe(
        own.model,
        domain=own.domain,
        variables=resolve(own.target, own.domain.layout, own.model),
        output=own.output,
        device=device,
        precision=own.precision,
        weights_vary=bool(request.weights),
        speedups=speedups,
        training=request.verdicts.training,
        needs_gradient=request.calculator.needs_gradient or bool(request.noise),
    )


class Reference:
    """A pristine replica that runs rows of a pass one by one.

    Args:
        request: What is to be computed.
        runner: The runner whose passes are to be proven; its samplers draw here as well.
    """

    def __init__(self, request: Request, runner: Runner) -> None:
        self._request = request
        self.probe = probe_of(request, runner.probe.device, speedups=())
        self.runner = Runner(
            self.probe, Budget(_UNLIMITED), samplers=runner.samplers, calm=runner.calm
        )

    def row(
        self, done: FinishedPass, row: int, unit: Unit, weights: Weights | None = None
    ) -> RowResult:
        """Run a row of a pass alone, as if the data held its item only.

        Args:
            done: The pass.
            row: Index of the row.
            unit: The items, among them that of the row.
            weights: The draws of weights of the pass, or ``None``.
        """
        index = torch.tensor([row], device=done.rows.keys.device)
        position = int(done.rows.positions[row]) - unit.offset
        batch = self._batch(unit, position)
        x = {}
        for variable in self.probe.variables:
            value = done.x[variable.name].detach()
            given = self._moved(variable, value, done.rows, index, batch)
            if given is None:
                return self.padded_row(done, row, weights)
            x[variable.name] = given
        rows = Rows(
            batch.without([v.argument for v in self.probe.variables if v.argument is not None]),
            items=torch.zeros_like(index),
            positions=done.rows.positions[index],
            keys=done.rows.keys[index],
            fixed=None if done.rows.fixed is None else done.rows.fixed[index],
            draws=None if done.rows.draws is None else done.rows.draws[index],
        )
        return self._run(done.kind, rows, x, weights)

    def padded_row(self, done: FinishedPass, row: int, weights: Weights | None = None) -> RowResult:
        """Run a row of a pass alone, with the padding that it had among the others."""
        selection = done.rows.batch.select(torch.tensor([row], device=done.rows.keys.device))
        x = {v.name: selection.take(done.x[v.name], v.axes) for v in self.probe.variables}
        return self._run(done.kind, done.rows.take(selection), x, weights)

    def in_one_pass(
        self, done: FinishedPass, order: Sequence[int], weights: Weights | None = None
    ) -> list[RowResult]:
        """Run rows of a pass in one pass, beside fewer others and in another order than there.

        Args:
            done: The pass.
            order: Indexes of the rows; where weights are drawn, of one draw.
            weights: The draws of weights of the pass, or ``None``.

        Returns:
            A result for each entry of ``order``.
        """
        selection = done.rows.batch.select(torch.tensor(order, device=done.rows.keys.device))
        x = {v.name: selection.take(done.x[v.name], v.axes) for v in self.probe.variables}
        rows = done.rows.take(selection)
        if weights is not None:
            weights, rows = _draw_of(weights, rows)
        found = self.all_rows(replace(done, rows=rows, x=x), weights)
        return [row_of(found, place, self.probe.variables) for place in range(len(order))]

    def all_rows(self, done: FinishedPass, weights: Weights | None = None) -> FinishedPass:
        """Run all the rows of a pass in one pass."""
        runner = replace(self.runner, weights=weights)
        if done.kind == "gradient":
            scalars, gradients = runner.gradient(done.rows, done.x)
            return replace(done, scalars=scalars, gradients=gradients)
        return replace(done, scalars=runner.value(done.rows, done.x))

    def _run(self, kind: str, rows: Rows, x: Values, weights: Weights | None) -> RowResult:
        if weights is not None:
            weights, rows = _draw_of(weights, rows)
        runner = replace(self.runner, weights=weights)
        if kind == "value":
            return RowResult(runner.value(rows, x), {})
        scalar, gradients = runner.gradient(rows, x)
        views = {v.name: _view(v, rows.batch) for v in self.probe.variables}
        return RowResult(scalar, {n: view.flat(gradients[n], 1)[0] for n, view in views.items()})

    def _batch(self, unit: Unit, position: int) -> Batch:
        batch = collated(self._request.settings.domain, unit.samples[position : position + 1])
        return placed(batch, self.probe)

    def _moved(
        self, variable: Variable, value: Tensor, rows: Rows, index: Tensor, own: Batch
    ) -> Tensor | None:
        """The value of a row in the shape that it has alone; ``None`` where that is not known."""
        selection = rows.batch.select(index)
        packed = selection.take(value, variable.axes)
        if variable.mask is None:
            known = variable.argument is None or (
                own.arguments[variable.argument].shape == packed.shape
            )
            return packed if known else None
        there, here = _view(variable, selection.batch()), _view(variable, own)
        assert here.mask is not None
        shape = list(packed.shape)
        for axis in there.dims(there.padded):
            shape[axis] = here.mask.shape[axis]
        clean = None if variable.argument is None else own.arguments[variable.argument]
        made = packed.new_zeros(shape) if clean is None else clean.to(packed)
        if list(made.shape) != shape:
            return None
        places = torch.arange(made.numel(), device=made.device).reshape(shape)
        real, taken = here.flat(places, 1)[0].flatten(), there.flat(packed, 1)[0].flatten()
        if real.shape != taken.shape:
            return None
        return made.flatten().index_copy(0, real, taken).reshape(shape)


def _draw_of(weights: Weights, rows: Rows) -> tuple[Weights, Rows]:
    """The weights of the draw that the rows have, and the rows with that draw as their only one."""
    assert rows.draws is not None
    draw = int(rows.draws[0])
    stacked = {name: v[draw : draw + 1] for name, v in weights.stacked.items()}
    return replace(weights, stacked=stacked), replace(rows, draws=torch.zeros_like(rows.draws))


def row_of(done: FinishedPass, row: int, variables: tuple[Variable, ...]) -> RowResult:
    """What came out for a row of a pass, in the form in which :class:`Reference` returns it."""
    index = torch.tensor([row], device=done.rows.keys.device)
    selection = done.rows.batch.select(index)
    found: Values = {}
    if done.kind == "gradient":
        batch = selection.batch()
        for v in variables:
            gradient = selection.take(done.gradients[v.name], v.axes)
            found[v.name] = _view(v, batch).flat(gradient, 1)[0]
    return RowResult(done.scalars[index], found)


def _view(variable: Variable, batch: Batch) -> RowView:
    return RowView.of(batch, variable.axes, variable.mask)
