"""One forward pass, and the hooks that read or replace variables inside the model during it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_map

from salience.data.batch import Batch
from salience.errors import InputError
from salience.model.checks import check_value, dependent, missed
from salience.model.outputs import Output, Tap
from salience.model.targets import Target, Variable
from salience.support.notices import tell

#: Target variable → its values.
Values = dict[str, Tensor]

# The entry of ``Pass.calls`` that counts the calls of a tap's module.
_TAP = "<tap>"


@dataclass
class Pass:
    """Settings and state of one forward pass, which the hooks share.

    Args:
        values: Target variable → the values that replace its own. Where ``None``, the target
            variables are read instead.
        graph: Whether the target variables that are read become leaves of a graph.
        leaves: Target variable → its leaf of the graph.
        seen: Target variable inside the model → its value in this pass.
        calls: Target variable, or ``"<tap>"`` → number of calls of its module so far.
        on_reach: Called whenever the pass reaches a target variable inside the model.
        needs_gradient: Whether target variables must have a gradient.
        output: The model's output or, where the output variable is a :class:`Tap`, the output of
            its module at the call that the tap names.
    """

    values: Mapping[str, Tensor] | None = None
    graph: bool = False
    leaves: Values = field(default_factory=dict)
    seen: Values = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    on_reach: Callable[[], object] | None = None
    needs_gradient: bool = True
    output: Any = None

    def arguments(self, variables: tuple[Variable, ...], batch: Batch) -> dict[str, Any]:
        """The arguments of this pass: the batch's, with the values or leaves of target variables.

        Args:
            variables: The target variables.
            batch: The rows of the pass.
        """
        named = dict(batch.arguments)
        for variable in variables:
            if variable.argument is None:
                continue
            if self.values is not None:
                named[variable.argument] = self.values[variable.name]
            elif self.graph:
                leaf = _leaf(named[variable.argument])
                self.leaves[variable.name] = named[variable.argument] = leaf
        return named

    def value(self, variable: Variable, batch: Batch) -> Tensor:
        """The own value of a target variable in this pass, which has run and replaced no values.

        Args:
            variable: The target variable.
            batch: The items of the pass.

        Raises:
            InputError: The pass did not reach the variable, or its value cannot receive saliency.
        """
        if variable.argument is not None:
            given: Tensor = batch.arguments[variable.argument]
            return given
        assert variable.target is not None
        if variable.name not in self.seen:
            call, met = variable.target.call, self.calls.get(variable.name, 0)
            raise missed(f"target {variable.name!r}", call, met)
        value = self.seen[variable.name]
        check_value(variable, value, batch, needs_gradient=self.needs_gradient)
        own: Tensor = value.detach()
        return own

    def finish(self, result: Any, output: Output) -> None:
        """Set the output of this pass.

        Args:
            result: What the model returned.
            output: The output variable.

        Raises:
            InputError: The output variable is a tap, and the pass did not reach its module.
        """
        if not isinstance(output, Tap):
            self.output = result
        elif self.output is None:
            raise missed(f"Tap({output.module!r})", output.call, self.calls.get(_TAP, 0))

    def count(self, name: str) -> int:
        """Count a call of a module; return the number of its calls before."""
        call = self.calls.get(name, 0)
        self.calls[name] = call + 1
        return call


class Hooks:
    """The hooks on a replica, which read or replace variables in the pass that is running.

    Args:
        replica: The replica; hooks are registered on its modules.
        variables: The target variables; those inside the model get a hook.
        output: The output variable; a :class:`Tap` gets a hook.
        reached: Called whenever a pass reaches a target variable.
    """

    def __init__(
        self,
        replica: Any,
        variables: tuple[Variable, ...],
        output: Output,
        reached: Callable[[], None],
    ) -> None:
        self._pass = Pass()
        self._reached = reached
        self._several = len(variables) > 1
        for variable in variables:
            if variable.target is not None:
                module = replica.get_submodule(variable.target.module)
                self._hook(module, variable.name, variable.target)
        if isinstance(output, Tap):
            tapped = replica.get_submodule(output.module)
            tapped.register_forward_hook(self._tap(output, tapped))

    @contextmanager
    def serving(self, state: Pass) -> Iterator[None]:
        """Read and replace variables for the pass that runs inside the context."""
        self._pass = state
        try:
            yield
        finally:
            self._pass = Pass()

    def _hook(self, module: nn.Module, name: str, target: Target) -> None:
        def turn(holder: Any) -> Any:
            return self._turn(holder, name, target)

        # A shallow copy of the module shares its hooks, so that the caller is asked.
        if target.at == "output":
            module.register_forward_hook(
                lambda caller, args, output: turn(output) if caller is module else None
            )
        elif isinstance(target.index, str):
            module.register_forward_pre_hook(
                lambda caller, args, kwargs: (
                    None if caller is not module or (new := turn(kwargs)) is None else (args, new)
                ),
                with_kwargs=True,
            )
        else:
            module.register_forward_pre_hook(
                lambda caller, args: turn(args) if caller is module else None
            )

    def _turn(self, holder: Any, name: str, target: Target) -> Any:
        """Read or replace the target variable in what its module takes or returns.

        Returns:
            The holder with the new value, or ``None`` where nothing is replaced.
        """
        state = self._pass
        if state.count(name) != target.call:
            return None
        self._reached()
        if state.on_reach is not None:
            state.on_reach()
        own = get(holder, target)
        if self._several and isinstance(own, Tensor) and own.requires_grad:
            raise dependent(name)
        if state.values is None:
            state.seen[name] = copied(own)
            if not state.graph or not _is_differentiable(state.seen[name]):
                return None
            state.leaves[name] = leaf = _leaf(state.seen[name])
            return put(holder, target, leaf.clone())
        return put(holder, target, state.values[name].clone())

    def _tap(self, output: Tap, tapped: nn.Module) -> Any:
        def keep(caller: Any, args: Any, result: Any) -> None:
            if caller is tapped and self._pass.count(_TAP) == output.call:
                self._pass.output = copied(result)

        return keep


def _is_differentiable(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _leaf(value: Tensor) -> Tensor:
    """A leaf of a new graph with the same values."""
    return value.detach().requires_grad_()


def tell_calls(state: Pass, variables: tuple[Variable, ...], output: Output) -> None:
    """Tell where the module of a target variable or a tap runs several times in a pass.

    Args:
        state: The finished pass.
        variables: The target variables.
        output: The output variable.
    """
    for variable in variables:
        if variable.target is not None and variable.target.call == 0:
            _tell_call(variable.target.module, "Target", state.calls.get(variable.name, 0))
    if isinstance(output, Tap) and output.call == 0:
        _tell_call(output.module, "Tap", state.calls.get(_TAP, 0))


def _tell_call(module: str, kind: str, calls: int) -> None:
    if calls > 1:
        tell(
            f"Module {module!r} runs {calls} times in a forward pass, of which the first is "
            f"explained; name another by {kind}({module!r}, call=1)."
        )


def get(holder: Any, target: Target) -> Any:
    """The target variable in what its module takes or returns.

    Args:
        holder: The tensor itself, or the tuple, list or mapping that holds it.
        target: Names the entry of ``holder`` by its index.

    Raises:
        InputError: ``holder`` has no entry at that index.
    """
    if isinstance(holder, Tensor):
        return holder
    try:
        return holder[target.index]
    except (IndexError, KeyError, TypeError) as error:
        raise InputError(
            f"module {target.module!r} has no {target.at} {target.index!r} at call {target.call}; "
            f"pass another Target(..., index=...)"
        ) from error


def put(holder: Any, target: Target, value: Tensor) -> Any:
    """Copy of what a module takes or returns, with another value as the target variable.

    Args:
        holder: The tensor itself, or the tuple, list or mapping that holds it.
        target: Names the entry of ``holder`` by its index.
        value: The new value of the target variable.
    """
    if isinstance(holder, Tensor):
        return value
    if isinstance(holder, Mapping):
        return type(holder)({**holder, target.index: value})  # type: ignore[call-arg]
    changed = [value if i == target.index else part for i, part in enumerate(holder)]
    return type(holder)(*changed) if hasattr(holder, "_fields") else type(holder)(changed)


def copied(value: Any) -> Any:
    """Copy what a module returned, since the next module may modify the tensors in place."""
    return tree_map(lambda part: part.clone() if isinstance(part, Tensor) else part, value)
