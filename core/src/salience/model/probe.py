"""The probe: runs a replica with given values as target variables and reads the output variable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_leaves, tree_map

from salience.data.batch import Batch
from salience.data.domain import Domain
from salience.errors import InputError, brief
from salience.model.backward import kept_whole
from salience.model.checks import cannot_run, check_value, missed
from salience.model.folding import Folding
from salience.model.module_io import copied, get, put
from salience.model.outputs import Output, Tap
from salience.model.replica import home, replicate
from salience.model.targets import Target, Variable, check_module
from salience.model.upstream import Upstream
from salience.support.memory import out_of_memory
from salience.support.numerics import close

#: Target variable → its values.
Values = dict[str, Tensor]


@dataclass
class _Pass:
    """Settings and state of one forward pass, which the hooks share.

    Args:
        values: Target variable → the values that replace its own. Where ``None``, the hooks read
            the target variables instead.
        graph: Whether the target variables that are read become leaves of a graph.
        exact: Whether the pass runs in full precision, also where other passes use autocast.
        weights: Name of a parameter or buffer → the values that replace the model's own.
        leaves: Target variable → its leaf of the graph.
        seen: Target variable inside the model → its value in this pass.
        calls: Target variable, or ``"<tap>"`` → number of calls of its module so far.
        tapped: Output of the module of a :class:`Tap`, at the call that the tap names.
    """

    values: Mapping[str, Tensor] | None
    graph: bool = False
    exact: bool = False
    weights: Mapping[str, Tensor] | None = None
    leaves: Values = field(default_factory=dict)
    seen: Values = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    tapped: Any = None


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
    ) -> None:
        if isinstance(output, Tap):
            check_module(model, output.module)
        own_device, self.dtype = home(model)
        self.device = device if device is not None else own_device
        self.variables = variables
        self._domain = domain
        self._half = precision == "bf16"
        self._output = output
        self._replica = replicate(model, device)
        self._convolutions: list[nn.Conv2d] = []
        inputs = all(v.target is None for v in variables)
        if isinstance(self._replica, nn.Module) and inputs and not weights_vary:
            found = self._replica.modules()
            # A reparametrised weight is no parameter: it is computed anew in each pass.
            self._convolutions = [
                m for m in found if isinstance(m, nn.Conv2d) and "weight" in m._parameters
            ]
        self._channels_last = False
        self._arranged = False
        self._pass = _Pass(None)
        self._upstream: Upstream | None = None
        self._last: tuple[Batch, Values] | None = None
        targets = [v.target.module for v in variables if v.target is not None]
        if len(targets) == len(variables) and not domain.layout.elements and not weights_vary:
            watched = {*targets, output.module} if isinstance(output, Tap) else set(targets)
            self._upstream = Upstream(self._replica, watched)
        for variable in variables:
            if variable.target is not None:
                self._hook(variable.name, variable.target)
        if isinstance(output, Tap):
            self._replica.get_submodule(output.module).register_forward_hook(self._tap(output))

    def predict(self, batch: Batch, graph: bool = False) -> tuple[Values, Any, Values]:
        """Run the model on the batch, without replacing its target variables.

        Args:
            batch: The items.
            graph: Whether to keep the graph from the target variables to the output.

        Returns:
            Three results: target variable → its value; the model's output, or the output of a
            :class:`Tap`'s module, as :meth:`read` takes it; target variable → its leaf of the
            graph, empty where the graph is not kept.

        Raises:
            InputError: The model cannot be run on the batch, or the forward pass does not reach a
                target variable, or a target variable holds integers, lacks a declared axis or
                holds a value that is not finite.
        """
        self.arrange()
        for variable in self.variables:
            if variable.argument is not None:
                check_value(variable, batch.arguments[variable.argument], batch)
        # Where the graph is kept, no other pass of the batch follows that could reuse outputs.
        keeping = nullcontext() if self._upstream is None else self._upstream.keeping(not graph)
        full_graph = kept_whole() if graph and self.has_inner_targets else nullcontext()
        with self._running(None, graph) as state, torch.set_grad_enabled(graph), keeping:
            try:
                with full_graph:
                    output = self._call(batch, state)
            except (RuntimeError, TypeError, IndexError, ValueError) as error:
                if isinstance(error, InputError) or out_of_memory(error):
                    raise
                raise InputError(f"{cannot_run(batch)}: {brief(error)}") from error
            values = {v.name: self._value(v, batch, state) for v in self.variables}
            leaves = state.leaves
        self._last = batch, values
        return values, output, leaves

    def arrange(self) -> None:
        """Make further passes cheaper, once a first pass has been run.

        Batch normalisation is folded into convolutions, the convolutions get channels-last weights,
        and module outputs upstream of all the target variables are reused from the clean pass. A
        forward may rely on the memory format of its tensors or read a module's state in other
        ways, and then fail or return something else. So each change is tested on rows of the last
        batch, and undone where the model's output changes.
        """
        if self._upstream is not None and self._upstream.is_to_be_tried:
            self._try_upstream()
        if self._arranged or self._last is None:
            return
        self._arranged = True
        if self._convolutions:
            self._arrange_convolutions(self._last[0])

    def _arrange_convolutions(self, batch: Batch) -> None:
        row = batch.select(torch.zeros(1, dtype=torch.int64, device=batch.device)).batch()
        folding = Folding(self._replica)
        with torch.no_grad(), folding.watching():
            before = self._run_exactly(row)
        with folding.hiding():
            hidden_unread = self._comes_out_as(before, row)
        if hidden_unread and folding.fold() and not self._comes_out_as(before, row):
            folding.undo()
        self._lay(torch.channels_last)
        if not self._comes_out_as(before, row):
            self._lay(torch.contiguous_format)

    def _try_upstream(self) -> None:
        assert self._upstream is not None and self._last is not None
        batch, values = self._last
        first = torch.zeros(3, dtype=torch.int64, device=batch.device)
        two, three = batch.select(first[:2]), batch.select(first)
        at = {v.name: three.take(values[v.name], v.axes) for v in self.variables}
        with torch.no_grad():
            with self._running(None) as state, self._upstream.trying():
                before = self._call(two.batch(), state)
            try:
                # Three rows, so that outputs left over from the pass of two rows do not fit.
                with self._running(at) as state, self._upstream.giving(first):
                    after = self._call(three.batch(), state)
                same = _close(tree_map(_first_two, after), before)
            except Exception:  # the user's forward may raise anything where modules are skipped
                same = False
        if not same:
            self._upstream = None

    def _run_exactly(self, row: Batch) -> Any:
        with self._running(None) as state:
            state.exact = True
            return self._call(row, state)

    def _comes_out_as(self, before: Any, row: Batch) -> bool:
        """Whether the model's output for the row equals ``before``, except for rounding."""
        try:
            with torch.no_grad():
                return _close(self._run_exactly(row), before)
        except Exception:  # the user's forward may raise anything on the changed replica
            return False

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
            items: Index of each row's item in the last batch that :meth:`predicted` ran, int64 of
                shape (R,); kept outputs of modules upstream of the target variables are then
                reused. ``None`` where the model differs from the one in that pass.
        """
        giving = (
            nullcontext()
            if self._upstream is None or items is None
            else self._upstream.giving(items)
        )
        with self._running(values) as state, giving:
            return self.read(self._call(batch, state), fixed, batch.n_items)

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
        n_draws = len(next(iter(weights.values())))
        if n_draws == 1:
            own = {name: value[0] for name, value in weights.items()}
            with self._running(values, weights=own) as state:
                return self.read(self._call(batch, state), fixed, batch.n_items)
        group = batch.select(torch.arange(batch.n_items // n_draws, device=batch.device)).batch()
        row_axes = {v.name: batch.layout.row_axis(v.axes)[0] for v in self.variables}  # type: ignore[index]
        apart = {
            name: value.unflatten(row_axes[name], (n_draws, -1))  # type: ignore[no-untyped-call]
            for name, value in values.items()
        }
        fixed = None if fixed is None else fixed[: group.n_items]

        def one(values: Values, weights: Values) -> Tensor:
            with self._running(values, weights=weights) as state:
                return self.read(self._call(group, state), fixed, group.n_items)

        scalars: Tensor = torch.vmap(one, in_dims=(row_axes, 0))(apart, dict(weights))
        return scalars.flatten()

    def values_with_weights(self, batch: Batch, weights: Mapping[str, Tensor]) -> Values:
        """The values that the target variables take with each draw of weights.

        Args:
            batch: The B items, with all arguments.
            weights: Name of a parameter or buffer → its values in D draws, shape (D, …).

        Returns:
            Target variable → its values for D × B rows, one draw after the other.
        """

        def one(weights: Values) -> Values:
            with self._running(None, weights=weights) as state, torch.no_grad():
                self._call(batch, state)
            return {v.name: self._value(v, batch, state) for v in self.variables}

        if len(next(iter(weights.values()))) == 1:
            return one({name: value[0] for name, value in weights.items()})
        row_axes = {v.name: batch.layout.row_axis(v.axes)[0] for v in self.variables}  # type: ignore[index]
        found = torch.vmap(one, out_dims=row_axes)(dict(weights))  # type: ignore[arg-type]
        return {
            name: value.flatten(row_axes[name], row_axes[name] + 1) for name, value in found.items()
        }

    @property
    def has_inner_targets(self) -> bool:
        """Whether a target variable lies inside the model, where its value depends on weights."""
        return any(variable.target is not None for variable in self.variables)

    @property
    def is_half(self) -> bool:
        """Whether passes run in 16-bit precision, by the model's own dtype or under autocast."""
        return self._half or self.dtype in (torch.bfloat16, torch.float16)

    @property
    def model(self) -> Any:
        """The replica: a private copy of the model's structure over the user's weights."""
        return self._replica

    def fix(self, output: Any, positions: Tensor) -> Tensor | None:
        """What stays fixed while an item is explained, such as its predicted class.

        Args:
            output: The model's output for the clean items.
            positions: Position of each item in the data set, int64 of shape (B,).
        """
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
        if self._half:
            # Some output variables take differences of large numbers, which need float32.
            output = tree_map(_widened, output)
        scalars = self._output(output, fixed)
        if isinstance(scalars, Tensor) and not scalars.is_floating_point():
            scalars = scalars.to(torch.get_default_dtype())
        if not isinstance(scalars, Tensor) or scalars.shape != (n_rows,):
            got = tuple(scalars.shape) if isinstance(scalars, Tensor) else type(scalars).__name__
            raise InputError(
                f"the output variable has shape {got}, expected one scalar an item, ({n_rows},); "
                f"let the model keep the item axis (no mean over the batch) or pass another output"
            )
        return scalars

    @contextmanager
    def _running(
        self,
        values: Mapping[str, Tensor] | None,
        graph: bool = False,
        weights: Mapping[str, Tensor] | None = None,
    ) -> Any:
        self._pass = _Pass(values, graph, weights=weights)
        try:
            yield self._pass
        finally:
            self._pass = _Pass(None)

    def _call(self, batch: Batch, state: _Pass) -> Any:
        named = dict(batch.arguments)
        for variable in self.variables:
            if variable.argument is None:
                continue
            if state.values is not None:
                named[variable.argument] = state.values[variable.name]
            elif state.graph:
                leaf = _leaf(named[variable.argument])
                state.leaves[variable.name] = named[variable.argument] = leaf
        named = {k: self._copy(v) if isinstance(v, Tensor) else v for k, v in named.items()}
        args, kwargs = self._domain.arguments(named)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self._half and not state.exact
        ):
            if state.weights is not None:
                output = functional_call(self._replica, dict(state.weights), args, kwargs)
            else:
                output = self._replica(*args, **kwargs)
        if isinstance(self._output, Tap):
            if state.tapped is None:
                raise missed(
                    f"Tap({self._output.module!r})", self._output.call, state.calls.get("<tap>", 0)
                )
            return state.tapped
        return output

    def _lay(self, memory_format: torch.memory_format) -> None:
        self._channels_last = memory_format == torch.channels_last
        for module in self._convolutions:
            weight = module.weight.detach().contiguous(memory_format=memory_format)
            module.weight = nn.Parameter(weight, requires_grad=False)

    def _copy(self, tensor: Tensor) -> Tensor:
        """Copy a tensor for the model, which may modify its arguments in place."""
        if self._channels_last and tensor.ndim == 4:
            return tensor.clone(memory_format=torch.channels_last)
        return tensor.clone()

    def _value(self, variable: Variable, batch: Batch, state: _Pass) -> Tensor:
        if variable.argument is not None:
            given: Tensor = batch.arguments[variable.argument]
            return given
        assert variable.target is not None
        if variable.name not in state.seen:
            raise missed(
                f"target {variable.name!r}", variable.target.call, state.calls.get(variable.name, 0)
            )
        value = state.seen[variable.name]
        check_value(variable, value, batch)
        own: Tensor = value.detach()
        return own

    def _hook(self, name: str, target: Target) -> None:
        module = self._replica.get_submodule(target.module)

        def turn(holder: Any) -> Any:
            """Read or replace the target variable in what the module takes or returns.

            Returns:
                The holder with the new value, or ``None`` where nothing is replaced.
            """
            state = self._pass
            call = state.calls.get(name, 0)
            state.calls[name] = call + 1
            if call != target.call:
                return None
            if self._upstream is not None:
                self._upstream.meet()
            if state.values is None:
                state.seen[name] = copied(get(holder, target))
                if not state.graph or not _differentiable(state.seen[name]):
                    return None
                state.leaves[name] = leaf = _leaf(state.seen[name])
                return put(holder, target, self._copy(leaf))
            return put(holder, target, self._copy(state.values[name]))

        if target.at == "output":
            module.register_forward_hook(lambda _, args, output: turn(output))
        elif isinstance(target.index, str):
            module.register_forward_pre_hook(
                lambda _, args, kwargs: None if (new := turn(kwargs)) is None else (args, new),
                with_kwargs=True,
            )
        else:
            module.register_forward_pre_hook(lambda _, args: turn(args))

    def _tap(self, output: Tap) -> Any:
        def keep(module: Any, args: Any, result: Any) -> None:
            call = self._pass.calls.get("<tap>", 0)
            self._pass.calls["<tap>"] = call + 1
            if call == output.call:
                self._pass.tapped = copied(result)

        return keep


def _differentiable(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _leaf(value: Tensor) -> Tensor:
    """A leaf of a new graph with the same values."""
    return value.detach().requires_grad_()


def _close(one: Any, other: Any) -> bool:
    """Whether two outputs of the model differ by no more than rounding.

    Only floating-point and complex tensors are compared; False where the outputs hold none.
    """
    pairs = list(zip(tree_leaves(one), tree_leaves(other), strict=True))
    numbers = [(a, b) for a, b in pairs if isinstance(a, Tensor) and _is_continuous(a)]
    return bool(numbers) and all(close(a, b) for a, b in numbers)


def _is_continuous(value: Tensor) -> bool:
    return value.is_floating_point() or value.is_complex()


def _first_two(value: Any) -> Any:
    return value[:2] if isinstance(value, Tensor) and value.ndim else value


def _widened(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype == torch.bfloat16
    return value.float() if half else value
