"""The probe: runs a replica with given values as target variables and reads the output variable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.data.domain import Domain
from salience.model.backward import kept_whole
from salience.model.checks import (
    check_output,
    check_value,
    of_lone_row,
    refusing,
    scalars_of,
    with_item_axis,
)
from salience.model.outputs import Output
from salience.model.passes import Hooks, Pass, Values
from salience.model.reach import refusing_strangers
from salience.model.replica import home, replicate
from salience.model.speedups import SPEEDUPS, Speedups
from salience.model.targets import Variable
from salience.model.weighted import row_axes, run_with, scalars_of_draws, values_of_draws
from salience.support.signatures import by_name

__all__ = ["Probe", "Values"]


class Probe:
    """A replica of the model, with hooks that read or replace its target variables.

    A probe must not be shared between threads; each computation makes its own probe.

    Args:
        model: The user's model; it is not changed.
        domain: The domain, which makes the arguments of the model's forward.
        variables: The target variables.
        output: The output variable.
        device: Device to run on; the model's device if ``None``.
        precision: ``"full"``, or ``"bf16"`` for forward passes under autocast.
        weights_vary: Whether passes run with other weights than the model's own. The probe then
            does not rearrange the weights, nor keep module outputs from one pass to the next.
        speedups: Names of the speed-ups that may be tried and used, among :data:`SPEEDUPS`.

    Raises:
        InputError: The model cannot be copied, lacks a tapped module, or a speed-up is unknown.
    """

    def __init__(
        self,
        model: Any,
        domain: Domain,
        variables: tuple[Variable, ...],
        output: Output,
        device: torch.device | None = None,
        precision: str = "full",
        weights_vary: bool = False,
        speedups: Collection[str] = SPEEDUPS,
    ) -> None:
        check_output(output, model)
        own_device, self.dtype = home(model)
        self.device = device if device is not None else own_device
        self.variables = variables
        self._domain = domain
        self._half = precision == "bf16"
        self._output = output
        self._replica = replicate(model, device)
        self._speedups = Speedups(
            self._replica,
            variables,
            output,
            ragged=bool(domain.layout.elements),
            weights_vary=weights_vary,
            names=speedups,
        )
        self._hooks = Hooks(self._replica, variables, output, self._speedups.reached)
        self._last: tuple[Batch, Values] | None = None
        self._by_name: bool | None = None
        self._guard: AbstractContextManager[None] = refusing_strangers(self._replica)

    @property
    def model(self) -> Any:
        """The replica: a private copy of the model's structure over the user's weights."""
        return self._replica

    @property
    def has_inner_targets(self) -> bool:
        """Whether a target variable lies inside the model, where its value depends on weights."""
        return any(variable.target is not None for variable in self.variables)

    @property
    def is_half(self) -> bool:
        """Whether passes run in 16-bit precision, by the model's own dtype or under autocast."""
        return self._half or self.dtype in (torch.bfloat16, torch.float16)

    def predict(self, batch: Batch, graph: bool = False) -> tuple[Values, Any, Values]:
        """Run the model on the batch, without replacing its target variables.

        Args:
            batch: The items.
            graph: Whether to keep the graph from the target variables to the output.

        Returns:
            Three results: target variable → its value; the model's output, or the output of a
            :class:`Tap`'s module, as :meth:`read` takes it; target variable → its leaf of the
            graph, empty where there is none.

        Raises:
            InputError: The model cannot be run on the batch, the forward pass does not reach a
                target variable, or such a variable holds integers or values that are not finite, or
                lacks a declared axis.
        """
        self.arrange()
        self._last = None
        for variable in self.variables:
            if variable.argument is not None:
                check_value(variable, batch.arguments[variable.argument], batch)
        full_graph = kept_whole() if graph and self.has_inner_targets else nullcontext()
        # Where the graph is kept, no other pass of the batch follows that could reuse outputs.
        keeping = self._speedups.keeping(not graph)
        guard, self._guard = self._guard, nullcontext()
        with torch.set_grad_enabled(graph), keeping, refusing(batch), full_graph, guard:
            state = self._run(batch, graph=graph)
        values = {v.name: state.value(v, batch) for v in self.variables}
        self._last = batch, values
        return values, state.output, state.leaves

    def __call__(
        self,
        batch: Batch,
        values: Mapping[str, Tensor],
        fixed: Tensor | None,
        items: Tensor | None = None,
    ) -> Tensor:
        """The output variable of each row, shape (R,), with ``values`` as target variables.

        Args:
            batch: The rows.
            values: Target variable → its values.
            fixed: What the output variable keeps fixed, first axis R, or ``None``.
            items: Index of each row's item in the last batch that :meth:`predict` ran, int64 of
                shape (R,); kept outputs of modules upstream of the target variables are then
                reused. ``None`` where the model differs from the one in that pass.
        """
        with self._speedups.giving(items), refusing(batch, self._last):
            state = self._run(batch, values)
        return self.read(state.output, fixed, batch.n_items)

    def with_weights(
        self,
        batch: Batch,
        values: Mapping[str, Tensor],
        fixed: Tensor | None,
        weights: Mapping[str, Tensor],
    ) -> Tensor:
        """The output variable of each row, shape (R,), in a model with other weights.

        Args:
            batch: The rows: the same items once for each of D draws, one draw after the other.
            values: Target variable → its values.
            fixed: What the output variable keeps fixed, first axis R, or ``None``.
            weights: Name of a parameter or buffer → its values in D draws, shape (D, …).
        """

        def one(rows: Batch, values: Values, fixed: Tensor | None, weights: Values) -> Tensor:
            with refusing(rows, self._last):
                state = self._run(rows, values, weights=weights)
            return self.read(state.output, fixed, rows.n_items)

        axes = row_axes(self.variables, batch.layout)
        return scalars_of_draws(one, batch, values, fixed, weights=weights, axes=axes)

    def values_with_weights(self, batch: Batch, weights: Mapping[str, Tensor]) -> Values:
        """The values that the target variables take with each draw of weights.

        Args:
            batch: The B items, with all arguments.
            weights: Name of a parameter or buffer → its values in D draws, shape (D, …).

        Returns:
            Target variable → its values for D × B rows, one draw after the other.
        """

        def one(weights: Values) -> Values:
            with torch.no_grad():
                state = self._run(batch, weights=weights)
            return {v.name: state.value(v, batch) for v in self.variables}

        return values_of_draws(one, weights, row_axes(self.variables, batch.layout))

    def arrange(self) -> None:
        """Try the reuse of module outputs that the last :meth:`predict` kept, where it is new."""
        if self._last is not None:
            self._speedups.try_upstream(*self._last, self._run)

    @property
    def speedups_settled(self) -> bool:
        """Whether folding and channels-last were tried or set, or are not possible."""
        return self._speedups.settled

    def try_speedups(self, row: Batch) -> tuple[str, ...]:
        """Try folding and channels-last, and keep those that leave the model's output unchanged.

        Where they were tried before, or set by :meth:`use_speedups`, nothing is run.

        Args:
            row: A batch of a single item, with all arguments, on the device of the probe.

        Returns:
            Names of the speed-ups that hold, for :meth:`use_speedups` of other probes of the same
            model. ``"upstream"`` is not among them: it is tried for each module call anew.

        Raises:
            InputError: The model cannot be run on the row.
        """
        return self._speedups.try_on(row, self._run)

    def use_speedups(self, names: Collection[str], row: Batch) -> None:
        """Use folding and channels-last where they are named, without trying them.

        A name has no effect where its speed-up is not possible.

        Args:
            names: What :meth:`try_speedups` of another probe of the same model returned.
            row: A batch of a single item, with all arguments, on the device of the probe. One pass
                of it finds the pairs of convolution and normalisation to fold.

        Raises:
            InputError: A name is unknown, or the model cannot be run on the row.
        """
        self._speedups.use(names, row, self._run)

    def fix(self, output: Any, positions: Tensor) -> Tensor | None:
        """What stays fixed while an item is explained, as :meth:`Output.fix` says."""
        return of_lone_row(lambda out: self._output.fix(out, positions), output, len(positions))

    def read(self, output: Any, fixed: Tensor | None, n_rows: int) -> Tensor:
        """The output variable of each row, shape (R,).

        Args:
            output: The model's output for the rows, or that of a :class:`Tap`'s module.
            fixed: What the output variable keeps fixed, first axis R, or ``None``.
            n_rows: Number of rows R.

        Raises:
            InputError: The output variable is not one scalar per row.
        """
        return scalars_of(self._output, output, fixed, n_rows, half=self._half)

    def _run(
        self,
        batch: Batch,
        values: Mapping[str, Tensor] | None = None,
        *,
        graph: bool = False,
        exact: bool = False,
        weights: Mapping[str, Tensor] | None = None,
    ) -> Pass:
        """Run the replica on a batch; all passes of a probe are run here.

        Args:
            batch: The rows.
            values: Target variable → the values that replace its own; where ``None``, the target
                variables are read.
            graph: Whether the target variables that are read become leaves of a graph.
            exact: Whether to run in full precision, also where other passes use autocast.
            weights: Name of a parameter or buffer → the values that replace the model's own.

        Returns:
            The finished pass, with the output, the values read and the leaves.
        """
        state = Pass(values, graph)
        with self._hooks.serving(state):
            named = state.arguments(self.variables, batch)
            args, kwargs = self._arguments(self._speedups.copied(named))
            with torch.autocast(self.device.type, torch.bfloat16, self._half and not exact):
                if weights is None:
                    result = self._replica(*args, **kwargs)
                else:
                    result = run_with(self._replica, weights, args, kwargs)
        state.finish(result, self._output)
        state.output = with_item_axis(state.output, self._output, batch.n_items)
        return state

    def _arguments(self, named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of the forward, by the domain or by their names."""
        if self._by_name is None:
            own = type(self._domain).arguments is not Domain.arguments
            self._by_name = not own and by_name(self._replica, list(named))
        return ((), named) if self._by_name else self._domain.arguments(named)
