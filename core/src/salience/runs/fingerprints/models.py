"""Fingerprints of models: of their weights, of their settings and of their code."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import torch
from torch import nn

from salience.model.reach import Rebuilding
from salience.runs.fingerprints.values import named, of_code, of_values

# Packages whose version is recorded, or that come with Python.
_KNOWN = sys.stdlib_module_names | {"torch", "salience"}


def of_model(model: Any) -> dict[str, str]:
    """Fingerprints of a model; of a function or another object, of the modules that it reaches.

    Functions that its code calls are seen only where they are methods of its modules.

    Returns:
        ``"sha256"`` of names of classes, parameters and buffers; ``"settings_sha256"`` of the
        numbers, truth values and words that are attributes of modules, such as the rate of dropout;
        ``"code_sha256"`` of the code of the classes of modules that are not torch's.
    """
    if isinstance(model, nn.Module):
        modules, own = [model], type(model)
    else:
        modules = Rebuilding({}, lambda module: module).look([model])
        own = model if hasattr(model, "__qualname__") else type(model)
    # The order in which modules are reached from a function is that of a set.
    return {
        "sha256": of_values([named(own), *sorted(map(_weights, modules))]),
        "settings_sha256": of_values(sorted(map(_settings, modules))),
        "code_sha256": of_values(sorted({*_codes(own), *(c for m in modules for c in _code(m))})),
    }


def _weights(module: nn.Module) -> str:
    own = [*module.state_dict().items(), *module.named_buffers()]
    return of_values([named(type(module)), *(each for pair in own for each in pair)])


def _settings(module: nn.Module) -> str:
    found: list[Any] = []
    for path, one in module.named_modules():
        own = {name: value for name, value in vars(one).items() if not name.startswith("_")}
        own.pop("training", None)  # explanations are those of evaluation mode
        plain = [(name, own[name]) for name in sorted(own) if _is_plain(own[name])]
        found += [path, named(type(one)), *(each for pair in plain for each in pair)]
    return of_values(found)


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, truth value or word, or a list or tuple of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, bool | int | float | str | None)


def _code(module: nn.Module) -> Iterator[str]:
    """Code of all modules: of their classes, and of what is no method of a class."""
    for one in module.modules():
        if isinstance(one, torch.fx.GraphModule):
            yield of_values(one.code)
        hooks = [*one._forward_hooks.values(), *one._forward_pre_hooks.values()]
        for value in [*vars(one).values(), *hooks]:
            function = getattr(value, "__func__", value)
            if isinstance(function, FunctionType):
                yield _of_function(function)
    for kind in {type(one) for one in module.modules()}:
        yield from _codes(kind)


def _codes(own: Any) -> Iterator[str]:
    """Code of a function, or of the methods of a class; of other objects none."""
    if isinstance(own, FunctionType):
        yield _of_function(own)
    for kind in own.__mro__ if isinstance(own, type) else ():
        if kind.__module__.partition(".")[0] in _KNOWN:
            continue
        for member in vars(kind).values():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, FunctionType):
                yield _of_function(function)


def _of_function(function: FunctionType) -> str:
    inner = inspect.unwrap(function)
    found = inner if isinstance(inner, FunctionType) else function
    return of_values([named(found), of_code(found)])
