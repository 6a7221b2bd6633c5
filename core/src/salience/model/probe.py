"""The probe: runs a replica with given values as target variables and reads the output variable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from salience.data.batch import Batch
from salience.data.domain import Domain, arguments_of, by_item_of
from salience.model.backward import kept_whole
from salience.model.checks import check_output, check_value, refusing, scalars_of
from salience.model.outputs import Output
from salience.model.passes import Hooks, Pass, Values, tell_calls
from salience.model.reach import refusing_strangers
from salience.model.replica import home, replicate
from salience.model.speedups import SPEEDUPS, Speedups, forget_graphs
from salience.model.targets import Variable
from salience.model.weighted import Swapping, row_axes, scalars_of_draws, twice, values_of_draws
from salience.support.interrupts import called
from salience.support.isolation import default_device
from salience.support.signatures import by_name
from salience.support.single_row import SingleRow

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
        training: Paths of modules that run in training mode; the modules inside them do not.
        needs_gradient: Whether target variables must have a gradient; if not, they may hold
            integers.

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
        training: Collection[str] = (),
        needs_gradient: bool = True,
    ) -> None:
        check_output(output, model)
        own, self.dtype = home(model)
        self.device = device or own
        self.rounds: bool | None = None  # whether data is rounded to 16 bits; unknown where None
        self.variables = variables
        self._domain, self._needs_gradient = domain, needs_gradient
        self._half = precision == "bf16"
        self._output = output
        self._replica = replicate(model, device)
        forget_graphs(self._replica)
        for path in training:
            self._replica.get_submodule(path).training = True
        self._speedups = Speedups(
            self._replica,
            variables,
            output,
            ragged=bool(domain.layout.elements),
            weights_vary=weights_vary,
            names=speedups,
        )
        self._hooks = Hooks(self._replica, variables, output, self._speedups.reached)
        self._fitting: int | None = None  # number of items of the last prediction
        self._by_name: bool | None = None
        self._single_row = SingleRow()
        self._swapping = Swapping(self._replica)
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

    def predict(
        self, batch: Batch, graph: bool = False, on_reach: Callable[[], object] | None = None
    ) -> tuple[Values, Any, Values]:
        """Run the model on the batch, without replacing its target variables.

        Args:
            batch: The items.
            graph: Whether to keep the graph from the target variables to the output.
            on_reach: Called whenever the pass reaches a target variable inside the model.

        Returns:
            Three results: target variable → its value; the model's output, or the output of a
            :class:`Tap`'s module, as :meth:`read` takes it; target variable → its leaf of the
            graph, empty where there is none.

        Raises:
            InputError: The model cannot be run on the batch, the forward pass does not reach a
                target variable, or such a variable holds integers or values that are not finite, or
                lacks a declared axis.
        """
        for variable in self.variables:
            if variable.argument is not None:
                value = batch.arguments[variable.argument]
                check_value(variable, value, batch, needs_gradient=self._needs_gradient)
        state = Pass(graph=graph, on_reach=on_reach, needs_gradient=self._needs_gradient)
        full_graph = kept_whole() if graph and self.has_inner_targets else nullcontext()
        # Where the graph is kept, no other pass of the batch follows that could reuse outputs.
        keeping = self._speedups.keeping(batch.n_items, not graph)
        guard, self._guard = self._guard, nullcontext()
        with torch.set_grad_enabled(graph), keeping, refusing(batch), full_graph, guard:
            state = self.run(batch, state=state, guard=True)
        values = {v.name: state.value(v, batch) for v in self.variables}
        tell_calls(state, self.variables, self._output)
        self._fitting = batch.n_items
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
        with self._speedups.giving(items), refusing(batch, self._fitting):
            state = self.run(batch, values)
        return self.read(state.output, fixed, batch.n_items)

    def output(self, batch: Batch, values: Mapping[str, Tensor]) -> list[Tensor]:
        """The tensors in the model's output for rows, with ``values`` as target variables."""
        with torch.no_grad():
            found = self.run(batch, values).output
        return [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]

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
            with refusing(rows, self._fitting):
                state = self.run(rows, values, weights=weights)
            return self.read(state.output, fixed, rows.n_items)

        axes, by_vmap = row_axes(self.variables, batch.layout), self._swapping.by_vmap
        return scalars_of_draws(
            one, batch, values, fixed, weights=weights, axes=axes, by_vmap=by_vmap
        )

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
                state = self.run(batch, weights=weights)
            return {v.name: state.value(v, batch) for v in self.variables}

        return values_of_draws(one, weights, row_axes(self.variables, batch.layout))

    @property
    def speedups_settled(self) -> bool:
        """Whether it is settled if folding and channels-last are in use, or neither is possible."""
        return self._speedups.settled

    @property
    def speedups_in_use(self) -> tuple[str, ...]:
        """Names of the speed-ups that the next pass uses."""
        return self._speedups.in_use

    def use_speedups(self, names: Collection[str], row: Batch) -> None:
        """Use folding and channels-last where they are named and possible, from now on.

        Args:
            names: Names of speed-ups.
            row: A batch of a single item on the device of the probe; a pass of it finds the pairs
                of convolution and normalisation to fold.

        Raises:
            InputError: A name is unknown, or the model cannot be run on the row.
        """
        self._speedups.use(names, row, self.run)

    def fix(self, output: Any, positions: Tensor) -> Tensor | None:
        """What stays fixed while an item is explained, as :meth:`Output.fix` says."""
        return self._output.fix(output, positions)

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

    def run(
        self,
        batch: Batch,
        values: Mapping[str, Tensor] | None = None,
        *,
        state: Pass | None = None,
        guard: bool = False,
        weights: Mapping[str, Tensor] | None = None,
    ) -> Pass:
        """Run the replica on a batch; all passes of a probe are run here.

        Args:
            batch: The rows.
            values: Target variable → the values that replace its own; ``None`` reads them.
            state: The pass, before it runs; a plain one with ``values`` where ``None``.
            guard: Whether to check that the pass reads what folding leaves as it was.
            weights: Name of a parameter or buffer → the values that replace the model's own.

        Returns:
            The finished pass, with the output, the values read and the leaves.
        """
        state, result = state or Pass(values), None
        guarding = self._speedups.guarding(lambda: result) if guard else nullcontext()
        with self._hooks.serving(state):
            named = state.arguments(self.variables, batch)
            args, kwargs = self._arguments(self._speedups.copied(named))
            autocast = torch.autocast(self.device.type, torch.bfloat16, self._half)
            with autocast, guarding, self._swapping.weights(weights), default_device():
                result = called(self._replica, *args, **kwargs)
        state.finish(result, self._output)
        state.output = by_item_of(self._domain, state.output, named)
        if batch.n_items == 1:
            two = partial(twice, batch, values, self.variables)
            run = partial(self.run, weights=weights)
            state.output = self._single_row.restored(state.output, lambda: run(*two()).output)
        return state

    def _arguments(self, named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments of the forward, by the domain or by their names."""
        if self._by_name is None:
            own = type(self._domain).arguments is not Domain.arguments
            self._by_name = not own and by_name(self._replica, list(named))
        return ((), named) if self._by_name else arguments_of(self._domain, named)
