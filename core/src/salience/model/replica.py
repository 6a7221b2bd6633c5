"""A private copy of a model's structure over the same weights.

Everything that explaining needs to change (training flags, ``requires_grad``, hooks, whatever a
forward writes to ``self``) is changed on the copy, which is thrown away. So there is nothing to
restore after an exception, and threads that explain one model do not meet.
"""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict
from contextlib import suppress
from types import CellType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from salience.errors import InputError, brief


def replicate(model: Any, device: torch.device | None = None) -> Any:
    """A copy of the model in eval mode whose parameters do not require grad.

    Parameters share the memory of the user's (unless moved to another device) and are only read.
    Buffers are copied, since a forward may write to them. A function is rebuilt over replicas of
    the modules that it reaches.

    Args:
        model: The user's model.
        device: Where the copy is to live; where the model is if ``None``.

    Raises:
        InputError: The model has lazy parameters that were never run, or cannot be copied.
    """
    memo: dict[int, Any] = {}
    if not isinstance(model, nn.Module):
        if isinstance(model, type):
            raise InputError(f"{model.__name__} is a class; pass an object, {model.__name__}(...)")
        if not callable(model):
            raise InputError(
                f"the model is a {type(model).__name__}; pass a torch.nn.Module or a function"
            )
        return _rebound(model, memo, device)
    return _replica(model, memo, device)


def _replica(model: nn.Module, memo: dict[int, Any], device: torch.device | None) -> nn.Module:
    written = {id(parameter) for parameter in written_to(model).values()}
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise InputError(f"parameter {name!r} of the model is lazy; run the model once before")
        # What was made in inference mode takes part in autograd only as a copy.
        own = parameter.is_inference() or id(parameter) in written
        values = (parameter.clone() if own else parameter).detach()
        memo[id(parameter)] = nn.Parameter(values, requires_grad=False)
    for module in model.modules():
        if _is_plain(module):
            memo[id(module)] = _plain(module, memo)
    try:
        with _Detaching():
            replica: nn.Module = copy.deepcopy(model, memo)
    except Exception as error:
        raise InputError(
            f"the model {type(model).__name__} cannot be copied ({type(error).__name__}: "
            f"{brief(error)}); "
            f"take what cannot be copied (locks, open files) out of it or give it a __deepcopy__"
        ) from error
    memo |= {id(module): module for module in replica.modules()}
    for module in replica.modules():
        # deepcopy hands functions on as they are, with the user's modules in their closures.
        for name, value in vars(module).items():
            if isinstance(value, _HOLDERS) and value and name not in _WEIGHTS:
                vars(module)[name] = _rebound_within(value, memo, device)
        _go_slowly(module)
    replica.eval()
    return replica if device is None else replica.to(device)


def written_to(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that a forward writes to: those of embeddings with a largest norm."""
    kinds = nn.Embedding | nn.EmbeddingBag
    found = [m for m in model.modules() if isinstance(m, kinds) and m.max_norm is not None]
    ids = {id(module.weight) for module in found}
    return {name: p for name, p in model.named_parameters() if id(p) in ids} if ids else {}


def _go_slowly(module: nn.Module) -> None:
    """Leave out what torch's transformers do only where no gradient is asked for.

    It sets padded positions to 0, so that it would be another function than the gradient's.
    """
    if isinstance(module, nn.TransformerEncoder):
        module.use_nested_tensor = False
    elif isinstance(module, nn.TransformerEncoderLayer):
        module.activation_relu_or_gelu = 0


def _rebound_within(value: Any, memo: dict[int, Any], device: torch.device | None) -> Any:
    """A function, or a container of some, over replicas of the modules that they reach.

    Args:
        value: What a replica holds; dicts and lists, which are its own, are changed in place.
        memo: id of what the user's model holds → what the replica has in its place.
        device: Where replicas are to live.
    """
    if isinstance(value, FunctionType | functools.partial):
        return _rebound(value, memo, device)
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = _rebound_within(item, memo, device)
    elif isinstance(value, list):
        value[:] = [_rebound_within(item, memo, device) for item in value]
    elif type(value) is tuple and any(callable(item) for item in value):
        return tuple(_rebound_within(item, memo, device) for item in value)
    return value


def _is_plain(module: nn.Module) -> bool:
    """Whether a module is torch's own, without hooks or children, and holds constants only."""
    return type(module).__module__.startswith("torch.nn.modules.") and all(
        _is_constant(value) or (type(value) in _TABLES and not value)
        for name, value in vars(module).items()
        if name not in ("_parameters", "_buffers")
    )


def _plain(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """What deepcopy makes of a plain module, at a tenth of the time."""
    made = object.__new__(type(module))
    for name, value in vars(module).items():
        vars(made)[name] = value if _is_constant(value) else type(value)()
    for name, parameter in module._parameters.items():
        made._parameters[name] = None if parameter is None else memo[id(parameter)]
    for name, buffer in module._buffers.items():
        made._buffers[name] = None if buffer is None else copy.deepcopy(buffer, memo)
    return made


def _is_constant(value: Any) -> bool:
    if type(value) is tuple:
        return all(isinstance(part, _CONSTANTS) for part in value)
    return isinstance(value, _CONSTANTS)


# What may be, or hold, a function.
_HOLDERS = (FunctionType, functools.partial, dict, list, tuple)
_WEIGHTS = ("_modules", "_parameters", "_buffers")
_CONSTANTS = (int, float, str, bool, type(None), torch.dtype, torch.device)
# What torch's modules keep hooks and names in.
_TABLES = (dict, OrderedDict, set, list)


def _rebound(value: Any, memo: dict[int, Any], device: torch.device | None) -> Any:
    """A function over replicas of the modules that it reaches; anything else as it is.

    Modules are looked for in closures, in the globals that the function names, behind bound
    methods and in the arguments of a ``functools.partial``.
    """
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, nn.Module):
        memo[id(value)] = _replica(value, memo, device)
    elif isinstance(value, MethodType):
        memo[id(value)] = MethodType(value.__func__, _rebound(value.__self__, memo, device))
    elif isinstance(value, functools.partial):
        arguments = [_rebound(argument, memo, device) for argument in value.args]
        keywords = {k: _rebound(v, memo, device) for k, v in value.keywords.items()}
        function = _rebound(value.func, memo, device)
        memo[id(value)] = functools.partial(function, *arguments, **keywords)
    elif isinstance(value, FunctionType):
        memo[id(value)] = value  # for a function that holds itself
        memo[id(value)] = _rebound_function(value, memo, device)
    return memo.get(id(value), value)


def _rebound_function(
    function: FunctionType, memo: dict[int, Any], device: torch.device | None
) -> FunctionType:
    """The function itself where it reaches no module, so that what it counts or keeps is kept."""
    named = [name for name in function.__code__.co_names if name in function.__globals__]
    seen = {n: v for n in named if isinstance(v := function.__globals__[n], nn.Module)}
    cells = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty cell: a name that was not assigned yet
            content = _rebound(cell.cell_contents, memo, device)
            cell = cell if content is cell.cell_contents else CellType(content)
        cells.append(cell)
    # By identity: cells are equal where what they hold is, such as two empty dicts.
    if not seen and all(a is b for a, b in zip(cells, function.__closure__ or (), strict=True)):
        return function
    reached = {n: _rebound(v, memo, device) for n, v in seen.items()}
    made = FunctionType(
        function.__code__,
        {**function.__globals__, **reached} if seen else function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


class _Detaching(TorchFunctionMode):
    """Lets deepcopy take tensors inside a graph, such as an activation that a forward has kept."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.__deepcopy__ and args[0].grad_fn is not None:
            tensor, memo = args
            return memo.setdefault(id(tensor), tensor.detach().clone())
        return func(*args, **(kwargs or {}))


def home(model: Any) -> tuple[torch.device, torch.dtype | None]:
    """Device of the model, and the dtype of its floating-point parameters if it has any."""
    if isinstance(model, nn.Module):
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                return tensor.device, tensor.dtype
    return torch.device("cpu"), None
