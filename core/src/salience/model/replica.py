"""The replica: a private copy of a model's structure over the same weights.

Explaining changes training flags, ``requires_grad``, hooks and whatever a forward writes to
``self``. All of these are changed on the replica, which is discarded afterwards. So nothing has to
be restored after an exception, and threads that explain one model do not affect each other.
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
    """Copy the model, in eval mode and with parameters that do not require grad.

    The replica's parameters share the memory of the user's and are only read. They are copies where
    the replica is moved to another device, the parameter was made in inference mode, or a forward
    writes to the parameter. Buffers are copied, since a forward may write to them. A function is
    rebuilt over replicas of the modules that it reaches.

    Args:
        model: The user's model, a module or a function.
        device: Device of the replica; the model's device if ``None``.

    Raises:
        InputError: The model is neither a module nor a function, has lazy parameters that were
            never initialised, or cannot be copied.
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
        # A tensor made in inference mode can take part in autograd only as a copy.
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
        # deepcopy does not copy functions, whose closures may hold the user's modules.
        for name, value in vars(module).items():
            if isinstance(value, _HOLDERS) and value and name not in _WEIGHTS:
                vars(module)[name] = _rebound_within(value, memo, device)
        _go_slowly(module)
    replica.eval()
    return replica if device is None else replica.to(device)


def written_to(model: nn.Module) -> dict[str, nn.Parameter]:
    """Name → parameter that a forward writes to: weights of embeddings with a ``max_norm``."""
    kinds = nn.Embedding | nn.EmbeddingBag
    found = [m for m in model.modules() if isinstance(m, kinds) and m.max_norm is not None]
    ids = {id(module.weight) for module in found}
    return {name: p for name, p in model.named_parameters() if id(p) in ids} if ids else {}


def _go_slowly(module: nn.Module) -> None:
    """Disable the fast path of torch's transformers, in place.

    The fast path runs only where no gradient is required. It sets padded positions to 0, so that
    the model without gradients would be another function than the model with gradients.
    """
    if isinstance(module, nn.TransformerEncoder):
        module.use_nested_tensor = False
    elif isinstance(module, nn.TransformerEncoderLayer):
        module.activation_relu_or_gelu = 0


def _rebound_within(value: Any, memo: dict[int, Any], device: torch.device | None) -> Any:
    """Rebuild a function, or the functions in a container, over replicas of modules they reach.

    Args:
        value: An attribute of a replica's module. Dicts and lists belong to the replica and are
            changed in place.
        memo: id of an object of the user's model → its counterpart in the replica.
        device: Device of the replicas; that of the user's modules if ``None``.

    Returns:
        The rebuilt function or tuple; any other value as it is.
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
    """Whether a module is torch's own, has no hooks or children, and holds only constants."""
    return type(module).__module__.startswith("torch.nn.modules.") and all(
        _is_constant(value) or (type(value) in _TABLES and not value)
        for name, value in vars(module).items()
        if name not in ("_parameters", "_buffers")
    )


def _plain(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Copy a plain module as deepcopy would, in a tenth of the time."""
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


# Types that are functions or may hold functions.
_HOLDERS = (FunctionType, functools.partial, dict, list, tuple)
_WEIGHTS = ("_modules", "_parameters", "_buffers")
_CONSTANTS = (int, float, str, bool, type(None), torch.dtype, torch.device)
# Types of the containers in which torch's modules keep hooks and names.
_TABLES = (dict, OrderedDict, set, list)


def _rebound(value: Any, memo: dict[int, Any], device: torch.device | None) -> Any:
    """Rebuild a function over replicas of the modules that it reaches; return others as they are.

    Modules are looked for in closures, in the globals that the function names, behind bound
    methods and in the arguments of a ``functools.partial``. A module itself becomes its replica.

    Args:
        value: Any object.
        memo: id of an object of the user's model → its counterpart in the replica.
        device: Device of the replicas; that of the user's modules if ``None``.
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
        memo[id(value)] = value  # ends the recursion for a function that holds itself
        memo[id(value)] = _rebound_function(value, memo, device)
    return memo.get(id(value), value)


def _rebound_function(
    function: FunctionType, memo: dict[int, Any], device: torch.device | None
) -> FunctionType:
    """Copy a function so that it uses replicas of the modules in its closure and globals.

    A function that reaches no module is returned itself, so that state in its closure stays shared.

    Args:
        function: The function.
        memo: id of an object of the user's → its replacement; replicas that are made are added.
        device: Device of the replicas; the device of each module if ``None``.
    """
    named = [name for name in function.__code__.co_names if name in function.__globals__]
    seen = {n: v for n in named if isinstance(v := function.__globals__[n], nn.Module)}
    cells = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty cell: a name that was not assigned yet
            content = _rebound(cell.cell_contents, memo, device)
            cell = cell if content is cell.cell_contents else CellType(content)
        cells.append(cell)
    # Compared by identity: ``==`` on cells compares their contents, such as two empty dicts.
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
    """Lets deepcopy copy tensors inside a graph, such as a kept activation, by detaching them."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.__deepcopy__ and args[0].grad_fn is not None:
            tensor, memo = args
            return memo.setdefault(id(tensor), tensor.detach().clone())
        return func(*args, **(kwargs or {}))


def home(model: Any) -> tuple[torch.device, torch.dtype | None]:
    """Device and dtype of the model's first floating-point parameter or buffer.

    Without such a tensor, or where the model is no module, the CPU and ``None``.
    """
    if isinstance(model, nn.Module):
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                return tensor.device, tensor.dtype
    return torch.device("cpu"), None
