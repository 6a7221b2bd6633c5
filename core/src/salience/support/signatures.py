"""Named values as arguments of a callable: its parameters get the values of their own names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from salience.errors import InputError

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def by_name(function: Callable[..., Any], names: list[str]) -> bool:
    """Whether values are to be passed by keyword, since by position they would meet others' names.

    Args:
        function: A module or another callable.
        names: Names of the values, in their order.

    Raises:
        InputError: Some names are parameters, but stand in other places than these.
    """
    parameters = _parameters(function)
    kinds = {p.kind for p in parameters}
    places = [p.name for p in parameters if p.kind in _BY_PLACE]
    if len(names) < 2 and (places or inspect.Parameter.VAR_POSITIONAL in kinds):
        return False
    if inspect.Parameter.VAR_POSITIONAL in kinds and inspect.Parameter.VAR_KEYWORD in kinds:
        # A wrapper hands them on to a forward with names of its own.
        return not places or set(places) <= set(names)
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return False
    known = {p.name for p in parameters if p.kind in _BY_NAME}
    if inspect.Parameter.VAR_KEYWORD in kinds and len(names) > len(places):
        known |= set(names)  # more values than places: the others go to **kwargs
    named = [name for name in names if name in known]
    fits = len(names) <= len(places)
    if not named or (fits and all(n not in known or places[i] == n for i, n in enumerate(names))):
        return False
    if len(named) == len(names):
        return True
    other = next(name for name in names if name not in known)
    raise InputError(
        f"argument {other!r} is no parameter of the model, and the arguments {names} do not stand "
        f"in the order of its parameters {places}; name them as the parameters"
    )


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a callable; any number by position where they are unknown."""
    if isinstance(function, functools.partial):
        function = functools.partial(_forward(function.func), *function.args, **function.keywords)
    function = _forward(function)
    schema = getattr(function, "schema", None)  # of a scripted forward
    if schema is not None:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return [inspect.Parameter(a.name, kind) for a in schema.arguments if a.name != "self"]
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C
        return [inspect.Parameter("values", inspect.Parameter.VAR_POSITIONAL)]


def _forward(function: Callable[..., Any]) -> Callable[..., Any]:
    """The forward of a module, or of the module that it wraps; any other callable itself."""
    if not isinstance(function, nn.Module):
        return function
    inner = getattr(function, "_orig_mod", None)
    if inner is None and isinstance(function, nn.DataParallel):
        inner = function.module
    return function.forward if inner is None else _forward(inner)
