"""The probe: puts values in the place of target variables and reads the output variable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from salience.batch import Batch
from salience.budget import out_of_memory
from salience.compilation import Compilation, run_compiled
from salience.domain import Domain
from salience.errors import InputError, brief
from salience.finite import all_finite
from salience.folding import Folding
from salience.outputs import Output, Tap
from salience.replica import home, replicate
from salience.targets import Target, Variable, check_module

# How many roundings apart a row may come out where convolutions are folded or laid out otherwise.
_ROUNDINGS = 1000

#: Target variable → its values.
Values = dict[str, Tensor]


@dataclass
class _Pass:
    """What the hooks share during one forward pass.

    Without values, the target variables are looked at; as leaves of a graph where one is asked for.
    An exact pass is in full precision whatever the others are in.
    """

    values: Mapping[str, Tensor] | None
    graph: bool = False
    exact: bool = False
    leaves: Values = field(default_factory=dict)
    seen: Values = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    tapped: Any = None


class Probe:
    """A private replica of the model, hooked at its target variables.

    Not to be shared between threads; each computation makes its own.

    Args:
        model: The user's model; it is not changed.
        domain: Makes the arguments of the forward.
        variables: The target variables.
        output: The output variable.
        device: Where to run; where the model is if ``None``.
        precision: ``"full"``, or ``"bf16"`` for forward passes under autocast.
        compilation: Keeps the compiled replica, where it is to be compiled.
    """

    def __init__(
        self,
        model: Any,
        domain: Domain,
        variables: tuple[Variable, ...],
        output: Output,
        device: torch.device | None = None,
        precision: str = "full",
        compilation: Compilation | None = None,
    ) -> None:
        if isinstance(output, Tap):
            check_module(model, output.module)
        own_device, self.dtype = home(model)
        self.device = device if device is not None else own_device
        self.variables = variables
        self._domain = domain
        self._half = precision == "bf16"
        self._output = output
        self._model = model
        self._compilation = compilation
        self._compiled = None if compilation is None else compilation.find(model)
        self._replica = (
            replicate(model, device) if self._compiled is None else self._compiled.replica
        )
        self._convolutions: list[nn.Conv2d] = []
        if isinstance(self._replica, nn.Module) and all(v.target is None for v in variables):
            found = self._replica.modules()
            self._convolutions = [module for module in found if isinstance(module, nn.Conv2d)]
        self._channels_last = self._compiled is not None and self._compiled.channels_last
        self._arranged = self._compiled is not None
        self._row: Batch | None = None
        self._pass = _Pass(None)
        for variable in variables:
            if variable.target is not None:
                self._hook(variable.name, variable.target)
        if isinstance(output, Tap):
            self._replica.get_submodule(output.module).register_forward_hook(self._tap(output))

    def clean(self, batch: Batch, graph: bool = False) -> tuple[Values, Any, Values]:
        """Run the batch as it is.

        Args:
            batch: The items.
            graph: Whether to keep the graph, from the target variables to the output.

        Returns:
            The values of the target variables, what the output variable is read from, and the
            target variables as leaves of the graph, if it is kept.

        Raises:
            InputError: The model cannot be run on the batch, or a target variable is not met, is
                of integers, does not have its axes or holds a value that is not finite.
        """
        self.arrange()
        for variable in self.variables:
            if variable.argument is not None:
                check_value(variable, batch.arguments[variable.argument], batch)
        with self._running(None, graph) as state, torch.set_grad_enabled(graph):
            try:
                output = self._call(batch, state)
            except (RuntimeError, TypeError, IndexError, ValueError) as error:
                if isinstance(error, InputError) or out_of_memory(error):
                    raise
                raise InputError(f"{_shapes(batch)}: {brief(error)}") from error
            values = {v.name: self._value(v, batch, state) for v in self.variables}
            leaves = state.leaves
        if self._convolutions and self._row is None:
            self._row = batch.pick(torch.zeros(1, dtype=torch.int64, device=batch.device)).batch()
        return values, output, leaves

    def arrange(self) -> None:
        """Make convolutions cheaper: fold what normalises them, and lay channels side by side.

        A forward may view tensors as they lie in memory, or read more of its modules than seems,
        and fail or come out with something else then; so a row decides, once there is more than one
        pass to run.
        """
        if self._arranged or (self._convolutions and self._row is None):
            return
        self._arranged = True
        if self._convolutions:
            self._arrange_convolutions()
        if self._compilation is not None:
            made = self._compilation.make(self._model, self._replica, self._channels_last)
            self._compiled = made

    def _arrange_convolutions(self) -> None:
        folding = Folding(self._replica)
        with torch.no_grad(), folding.watching():
            before = self._run_row()
        if folding.fold() and not self._comes_out_as(before):
            folding.undo()
        self._lay(torch.channels_last)
        if not self._comes_out_as(before):
            self._lay(torch.contiguous_format)

    def _run_row(self) -> Any:
        assert self._row is not None
        with self._running(None) as state:
            state.exact = True
            return self._call(self._row, state)

    def _comes_out_as(self, before: Any) -> bool:
        """Whether the model returns the same for the row, but for rounding."""
        try:
            with torch.no_grad():
                return _close(self._run_row(), before)
        except Exception:  # whatever the user's forward does with what it is given
            return False

    def __call__(self, batch: Batch, values: Mapping[str, Tensor], fixed: Tensor | None) -> Tensor:
        """The output variable of each row, shape (R,), with ``values`` as target variables."""
        with self._running(values) as state:
            return self.read(self._call(batch, state), fixed, batch.n_items)

    def fix(self, output: Any, positions: Tensor) -> Tensor | None:
        """What the output variable fixes from the clean output."""
        return self._output.fix(output, positions)

    def read(self, output: Any, fixed: Tensor | None, n_rows: int) -> Tensor:
        """The output variable of each row.

        Raises:
            InputError: It is not one scalar a row.
        """
        if self._half:
            # The scalars are differences of large numbers to some outputs; give them all digits.
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
    def _running(self, values: Mapping[str, Tensor] | None, graph: bool = False) -> Any:
        self._pass = _Pass(values, graph)
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
            if self._is_compiled(batch, state):
                assert self._compiled is not None
                output = run_compiled(self._compiled, args, kwargs)
            else:
                output = self._replica(*args, **kwargs)
        if isinstance(self._output, Tap):
            if state.tapped is None:
                raise _missed(f"Tap({self._output.module!r})", "<tap>", self._output.call, state)
            return state.tapped
        return output

    def _is_compiled(self, batch: Batch, state: _Pass) -> bool:
        """Whether this is a pass of gradients of the size that is compiled."""
        if self._compiled is None or self._compilation is None or state.values is None:
            return False
        return batch.n_items == self._compilation.rows and torch.is_grad_enabled()

    def _lay(self, memory_format: torch.memory_format) -> None:
        self._channels_last = memory_format == torch.channels_last
        for module in self._convolutions:
            weight = module.weight.detach().contiguous(memory_format=memory_format)
            module.weight = nn.Parameter(weight, requires_grad=False)

    def _copy(self, tensor: Tensor) -> Tensor:
        """A copy, since the model may work in place on what it is given."""
        if self._channels_last and tensor.ndim == 4:
            return tensor.clone(memory_format=torch.channels_last)
        return tensor.clone()

    def _value(self, variable: Variable, batch: Batch, state: _Pass) -> Tensor:
        if variable.argument is not None:
            given: Tensor = batch.arguments[variable.argument]
            return given
        assert variable.target is not None
        if variable.name not in state.seen:
            raise _missed(f"target {variable.name!r}", variable.name, variable.target.call, state)
        value = state.seen[variable.name]
        check_value(variable, value, batch)
        own: Tensor = value.detach()
        return own

    def _hook(self, name: str, target: Target) -> None:
        module = self._replica.get_submodule(target.module)

        def turn(holder: Any) -> Any:
            """Read or replace the variable in what the module takes or returns."""
            state = self._pass
            call = state.calls.get(name, 0)
            state.calls[name] = call + 1
            if call != target.call:
                return None
            if state.values is None:
                state.seen[name] = _copy(_get(holder, target))
                if not state.graph or not _differentiable(state.seen[name]):
                    return None
                state.leaves[name] = leaf = _leaf(state.seen[name])
                return _put(holder, target, self._copy(leaf))
            return _put(holder, target, self._copy(state.values[name]))

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
                self._pass.tapped = _copy(result)

        return keep


def check_value(variable: Variable, value: Any, batch: Batch) -> None:
    """Raise InputError where the value of a target variable cannot receive saliency."""
    if not isinstance(value, Tensor):
        raise InputError(
            f"target variable {variable.name!r} is a {type(value).__name__}, expected a tensor; "
            f"pass Target(..., index=...) to pick one"
        )
    if not value.is_floating_point():
        raise InputError(
            f"target variable {variable.name!r} holds integers ({value.dtype}), which have no "
            f"gradient; pass floats, or explain the output of the embedding that reads them, "
            f"e.g. target='embed'"
        )
    if value.ndim != len(variable.axes):
        raise InputError(
            f"target variable {variable.name!r} has shape {tuple(value.shape)}, but its axes are "
            f"{variable.axes}; pass Target(..., axes=(...)) with a name for each axis"
        )
    lead = batch.layout.lead(variable.axes)
    assert lead is not None
    expected = batch.n_items if lead[1] == "item" else int(batch.counts[lead[1]].sum())
    if value.shape[lead[0]] != expected:
        raise InputError(
            f"target variable {variable.name!r} has shape {tuple(value.shape)} with axes "
            f"{variable.axes}, expected {expected} along {lead[1]!r}; pass Target(..., axes=(...))"
        )
    if not all_finite(value):
        where = int((~value.isfinite()).nonzero()[0, lead[0]])
        item = int(batch.all_rows().owner(lead[1])[where])
        raise NotFiniteError(f"target variable {variable.name!r}", item)


class NotFiniteError(InputError):
    """NaN or infinite; ``item`` counts within the batch."""

    def __init__(self, what: str, item: int) -> None:
        self.what = what
        self.item = item
        super().__init__(
            f"{what} of item {item} holds NaN or infinity; expected finite numbers: remove or "
            f"repair this item, or look for overflow in the model"
        )


def _get(holder: Any, target: Target) -> Any:
    if isinstance(holder, Tensor):
        return holder
    try:
        return holder[target.index]
    except (IndexError, KeyError, TypeError) as error:
        raise InputError(
            f"module {target.module!r} has no {target.at} {target.index!r} at call {target.call}; "
            f"pass another Target(..., index=...)"
        ) from error


def _differentiable(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _leaf(value: Tensor) -> Tensor:
    """The same numbers, as the start of a graph."""
    return value.detach().requires_grad_()


def _copy(value: Any) -> Any:
    """A copy of what a module returned: the next one may work on it in place."""
    return tree_map(lambda part: part.clone() if isinstance(part, Tensor) else part, value)


def _put(holder: Any, target: Target, value: Tensor) -> Any:
    if isinstance(holder, Tensor):
        return value
    if isinstance(holder, Mapping):
        return type(holder)({**holder, target.index: value})  # type: ignore[call-arg]
    changed = [value if i == target.index else part for i, part in enumerate(holder)]
    return type(holder)(*changed) if hasattr(holder, "_fields") else type(holder)(changed)


def _close(one: Any, other: Any) -> bool:
    """Whether two outputs of the model differ by no more than rounding."""
    pairs = zip(tree_leaves(one), tree_leaves(other), strict=True)
    return all(
        bool((a - b).abs().max() <= _ROUNDINGS * torch.finfo(b.dtype).eps * b.abs().max())
        for a, b in pairs
        if isinstance(a, Tensor) and a.is_floating_point() and a.numel()
    )


def _widened(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype == torch.bfloat16
    return value.float() if half else value


def _missed(what: str, key: str, call: int, state: _Pass) -> InputError:
    met = state.calls.get(key, 0)
    if met == 0:
        return InputError(
            f"{what} was not met: its module is not called in a forward pass; "
            f"pass a module that the forward uses"
        )
    return InputError(
        f"{what} was not met: call {call} was asked for, but its module is called {met} "
        f"time{'s' if met > 1 else ''} in a forward pass; pass a call from 0 to {met - 1}"
    )


def _shapes(batch: Batch) -> str:
    shapes = ", ".join(
        f"{name} {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        for name, value in batch.arguments.items()
        if isinstance(value, Tensor)
    )
    return (
        f"the model cannot be run on this data ({shapes}); "
        f"pass items of the shape that the model expects"
    )
