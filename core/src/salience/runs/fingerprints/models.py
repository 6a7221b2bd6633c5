"""Fingerprints of models: of their weights, of their settings and of their code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import FunctionType
from typing import Any

from torch import nn
from torch.fx import GraphModule
from torch.jit import ScriptFunction, ScriptModule

from salience.model.reach import Rebuilding
from salience.runs.fingerprints.code import code_of, is_data, is_known, named
from salience.runs.fingerprints.values import of_values

# Attributes of any module. Explanations are those of evaluation mode, so ``training`` is not seen.
_OF_TORCH = frozenset(vars(nn.Module()))


def of_model(model: Any) -> dict[str, str]:
    """Fingerprints of a model; of a function or another object, of the modules that it reaches.

    Returns:
        ``"sha256"`` of names of classes, parameters and buffers; ``"settings_sha256"`` of numbers,
        truth values, words and arrays among the attributes of modules, such as the rate of dropout;
        ``"code_sha256"`` of the code of classes of modules that are not torch's, of hooks, and of a
        function with what it closes over.
    """
    if isinstance(model, nn.Module):
        modules = [model]
    else:
        modules = Rebuilding({}, lambda module: module).look([model])
    own = model if hasattr(model, "__qualname__") else type(model)
    codes = {code for each in _callables(model) for code in _codes(each)}
    codes |= {code for module in modules for code in _code(module)}
    # The order in which modules are reached from a function is that of a set.
    return {
        "sha256": of_values([named(own), *sorted(map(_weights, modules))]),
        "settings_sha256": of_values([_data(model), *sorted(map(_settings, modules))]),
        "code_sha256": of_values(sorted(codes)),
    }


def _callables(model: Any) -> list[Any]:
    """The function or class whose code a model runs, be it an object, a method or a partial."""
    held = [getattr(model, name, None) for name in ("__func__", "func")]
    return [model, *held, type(getattr(model, "__self__", model))]


def _data(one: Any) -> list[Any]:
    """Numbers, truth values, words and arrays among the attributes of an object."""
    own = dict(getattr(getattr(one, "__self__", one), "__dict__", {}))
    if isinstance(one, partial):
        own |= {"args": [v for v in one.args if is_data(v)], **one.keywords}
    return [(name, own[name]) for name in sorted(set(own) - _OF_TORCH) if is_data(own[name])]


def _weights(module: nn.Module) -> str:
    own = [*module.state_dict().items(), *module.named_buffers()]
    return of_values([named(type(module)), *(each for pair in own for each in pair)])


def _settings(module: nn.Module) -> str:
    found: list[Any] = []
    for path, one in module.named_modules():
        found += [path, named(type(one)), _data(one)]
    return of_values(found)


def _code(module: nn.Module) -> Iterator[str]:
    """Code of all modules: of their classes, and of what is no method of a class."""
    for one in module.modules():
        hooks = [*one._forward_hooks.values(), *one._forward_pre_hooks.values()]
        for value in [one, *vars(one).values(), *hooks]:
            yield from _codes(getattr(value, "__func__", value))
    for kind in {type(one) for one in module.modules()}:
        yield from _codes(kind)


def _codes(own: Any) -> Iterator[str]:
    """Code of a function, a graph or a script; of the methods of a class, with its data."""
    if isinstance(own, FunctionType):
        yield of_values(code_of(own))
    if isinstance(own, GraphModule | ScriptModule | ScriptFunction):
        with suppress(RuntimeError):  # a script without a forward
            yield of_values(own.code)
    for kind in own.__mro__ if isinstance(own, type) else ():
        if is_known(kind):
            continue
        for name, member in vars(kind).items():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, FunctionType):
                yield of_values(code_of(function))
            elif is_data(member) and not name.startswith("__"):
                yield of_values([named(kind), name, member])
