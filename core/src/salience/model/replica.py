"""The replica: a private copy of a model's structure over the same weights.

Explaining changes training flags, ``requires_grad``, hooks and whatever a forward writes to
``self``. All of these are changed on the replica, which is discarded afterwards. So nothing has to
be restored after an exception, and threads that explain one model do not affect each other.
"""

from __future__ import annotations

import copy
import copyreg
import itertools
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.overrides import TorchFunctionMode

from salience.errors import InputError, an, brief
from salience.model.checks import check_not_quantised
from salience.model.reach import Rebuilding
from salience.support.cudnn import run_without_cudnn


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
    if isinstance(model, torch.export.ExportedProgram):
        raise InputError(
            "the model is an ExportedProgram (torch.export), which cannot be called; pass the "
            "model that was exported, or program.module() of an export with dynamic_shapes"
        )
    if not isinstance(model, nn.Module):
        if isinstance(model, type):
            raise InputError(f"{model.__name__} is a class; pass an object, {model.__name__}(...)")
        if not callable(model):
            raise InputError(
                f"the model is {an(type(model).__name__)}; pass a torch.nn.Module or a function"
            )
        return _rebuild(model, memo, device)
    return _replica(model, memo, device)


def _replica(model: nn.Module, memo: dict[int, Any], device: torch.device | None) -> nn.Module:
    modules = list(model.modules())
    check_not_quantised(modules)
    memo |= _frozen(model, modules)
    try:
        with _Detaching():
            plain = _copy_plain(modules, memo)
            replica: nn.Module = copy.deepcopy(model, memo)
            _complete(modules, memo)
    except Exception as error:
        raise InputError(
            f"the model {type(model).__name__} cannot be copied ({type(error).__name__}: "
            f"{brief(error)}); "
            f"take what cannot be copied (locks, open files) out of it or give it a __deepcopy__"
        ) from error
    if id(replica) in plain and _is_on(device, modules):
        return replica  # all inside it is plain too, so nothing is left to do
    copies = list(replica.modules())
    hidden = _hidden(copies, memo)
    memo |= {id(module): module for module in (*copies, *hidden)}
    for module in (replica, *hidden):
        module.eval()
        if module is not replica:
            module.requires_grad_(False)
        if device is not None:
            module.to(device)
    copies = [module for module in (*copies, *hidden) if id(module) not in plain]
    _rebuild_attributes(copies, memo, device)
    for module in copies:
        _go_slowly(module)
        run_without_cudnn(module)
    return replica


def _complete(modules: list[nn.Module], memo: dict[int, Any]) -> None:
    """Give copies of graph modules what torch.fx leaves out: hooks, and what only these use.

    Attributes that hide methods are left out: those of exports refuse ``eval()``.
    """
    done: set[int] = set()
    # deepcopy keeps a list of what it has copied, with modules that lie in plain lists.
    while new := [m for m in (*modules, *memo.get(id(memo), ())) if _is_graph(m, done)]:
        for module in new:
            done.add(id(module))
            copied = vars(memo[id(module)])
            there = {*copied, *dir(type(module))} - {*_HOOKS}
            left = {name: value for name, value in vars(module).items() if name not in there}
            copied.update(copy.deepcopy(left, memo))


def _is_graph(module: Any, others: set[int]) -> bool:
    return isinstance(module, GraphModule) and id(module) not in others


def _frozen(model: nn.Module, modules: list[nn.Module]) -> dict[int, nn.Parameter]:
    """The id of each parameter of the user's modules → the parameter of the replica."""
    written = _written(modules)
    made: dict[int, nn.Parameter] = {}
    for parameter in (p for module in modules for p in module._parameters.values()):
        if parameter is None or id(parameter) in made:
            continue
        if nn.parameter.is_lazy(parameter):
            name = next(name for name, p in model.named_parameters() if p is parameter)
            raise InputError(f"parameter {name!r} of the model is lazy; run the model once before")
        # A tensor made in inference mode can take part in autograd only as a copy.
        own = id(parameter) in written or parameter.is_inference()
        values = (parameter.clone() if own else parameter).detach()
        made[id(parameter)] = nn.Parameter(values, requires_grad=False)
    return made


def written_to(model: nn.Module) -> dict[str, nn.Parameter]:
    """Name → parameter that a forward writes to: weights of embeddings with a ``max_norm``."""
    ids = _written(model.modules())
    return {name: p for name, p in model.named_parameters() if id(p) in ids} if ids else {}


def _written(modules: Iterable[nn.Module]) -> set[int]:
    kinds = (nn.Embedding, nn.EmbeddingBag)
    return {id(m.weight) for m in modules if isinstance(m, kinds) and m.max_norm is not None}


def _is_on(device: torch.device | None, modules: list[nn.Module]) -> bool:
    tensors = (t for m in modules for t in (*m._parameters.values(), *m._buffers.values()))
    return device is None or all(t is None or t.device == device for t in tensors)


def _go_slowly(module: nn.Module) -> None:
    """Disable the fast path of torch's transformers, in place.

    The fast path runs only where no gradient is required. It sets padded positions to 0, so that
    the model without gradients would be another function than the model with gradients.
    """
    if isinstance(module, nn.TransformerEncoder):
        module.use_nested_tensor = False
    elif isinstance(module, nn.TransformerEncoderLayer):
        module.activation_relu_or_gelu = 0


def _rebuild(value: Any, memo: dict[int, Any], device: torch.device | None) -> Any:
    """Rebuild a function or object over replicas of the modules that it reaches.

    Args:
        value: A function, or an object that is no module.
        memo: id of an object of the user's model → its counterpart in the replica.
        device: Device of the replicas; that of the user's modules if ``None``.
    """
    rebuilding = Rebuilding(memo, lambda module: _replica(module, memo, device))
    rebuilding.look([value])
    return rebuilding.made(value)


def _rebuild_attributes(
    copies: list[nn.Module], memo: dict[int, Any], device: torch.device | None
) -> None:
    """Rebuild what modules of the replica hold beside modules, in place.

    deepcopy does not copy functions, whose closures may hold the user's modules.
    """
    held = [
        (vars(module), name, value)
        for module in copies
        for name, value in vars(module).items()
        if type(value) not in _CONSTANTS
        and name not in _WEIGHTS
        and not (type(value) in _TABLES and not value)
    ]
    rebuilding = Rebuilding(memo, lambda module: _replica(module, memo, device))
    rebuilding.look(value for _, _, value in held)
    for attributes, name, value in held:
        attributes[name] = rebuilding.made(value)


def _hidden(copies: list[nn.Module], memo: dict[int, Any]) -> list[nn.Module]:
    """Modules of the replica, with those in them, that torch does not know to be its children.

    These are modules in plain lists, dicts and objects, which deepcopy has copied.
    """
    known = {id(module) for module in copies}
    found = [v for v in list(memo.values()) if isinstance(v, nn.Module) and id(v) not in known]
    return list({id(module): module for one in found for module in one.modules()}.values())


def _copy_plain(modules: list[nn.Module], memo: dict[int, Any]) -> set[int]:
    """Copy plain modules into ``memo``, in eval mode; return the ids of the copies.

    A module is plain where its class does not say how to copy it, it has no hooks, and it holds
    only constants and plain modules.
    """
    ordinary = {kind: _is_ordinary(kind) for kind in {type(module) for module in modules}}
    copies = set()
    for module in reversed(modules):  # modules inside others come first
        ready = ordinary[type(module)] and id(module) not in memo
        if ready and (copied := _plain(module, memo)) is not None:
            memo[id(module)] = memo[id(copied)] = copied
            copies.add(id(copied))
    return copies


def _is_ordinary(kind: type[nn.Module]) -> bool:
    """Whether modules of a class are copied, moved and set to eval mode as any module is."""
    return (
        all(getattr(kind, name, None) is own for name, own in _ORDINARY.items())
        # Those of torch only complete what an older torch has pickled.
        and kind.__setstate__.__module__.startswith("torch.nn.modules.")
        and kind.__basicsize__ == nn.Module.__basicsize__  # it has no ``__slots__``
        and kind not in copyreg.dispatch_table
        and not issubclass(kind, nn.TransformerEncoder | nn.TransformerEncoderLayer)
    )


def _plain(module: nn.Module, memo: dict[int, Any]) -> nn.Module | None:
    """Copy a module as deepcopy would, in a tenth of the time; ``None`` where it is not plain."""
    if any(child is not None and id(child) not in memo for child in module._modules.values()):
        return None
    state = vars(module).copy()
    for name, value in state.items():
        kind = type(value)
        if kind in _CONSTANTS:
            continue
        # Through ``memo``, so that modules which share a list or table still do.
        if kind in _TABLES and not value:
            state[name] = memo.setdefault(id(value), kind())
        elif name in _WEIGHTS:
            state[name] = copy.deepcopy(value, memo)
        elif kind not in _SEQUENCES or any(type(part) not in _CONSTANTS for part in value):
            return None
        elif kind is not tuple:
            state[name] = memo.setdefault(id(value), value.copy())
    state["training"] = False
    made = object.__new__(type(module))
    vars(made).update(state)
    return made


_HOOKS = (
    *("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    *("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
    *("_backward_hooks", "_backward_pre_hooks", "_is_full_backward_hook"),
)
_WEIGHTS = ("_modules", "_parameters", "_buffers")
_CONSTANTS = frozenset({int, float, str, bool, type(None), torch.dtype, torch.device})
_TABLES = (dict, OrderedDict, set, list)
_SEQUENCES = (tuple, list, set)
# What a class defines to have its modules copied, moved or set to eval mode in another way.
_COPYING = ("__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__", "__new__")
_SETTING = ("__getattr__", "__getattribute__", "__setattr__", "training", "train", "eval")
_WAYS = (*_COPYING, *_SETTING, "to", "_apply")
_ORDINARY = {name: getattr(nn.Module, name, None) for name in _WAYS}


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
    """Device and dtype of the first floating-point parameter or buffer that a model reaches.

    Without such a tensor, the CPU and ``None``. Of a function or object, the dtype is ``None``
    too: it may convert its arguments itself.
    """
    is_module = isinstance(model, nn.Module)
    modules = [model] if is_module else Rebuilding({}, nn.Module.eval).look([model])
    for module in modules:
        for tensor in itertools.chain(module.parameters(), module.buffers()):
            if tensor.is_floating_point() and tensor.dtype.itemsize > 1:  # none computes in 8 bits
                return tensor.device, tensor.dtype if is_module else None
    return torch.device("cpu"), None
