"""Objects and functions rebuilt over replicas of the modules that they reach.

A model may be a function, a bound method or an object that is no module but holds modules: in a
closure, a default, a global name, an attribute, a list or a dict. What lies on the way to a module
is copied, each object once; all else stays shared with the user's objects.
"""

from __future__ import annotations

import copy
import copyreg
import functools
import sys
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import (
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    SimpleNamespace,
)
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.module import register_module_forward_pre_hook

from salience.errors import InputError, an
from salience.support.hooks import removing

# Packages whose functions and objects hold no module of the user's.
_OTHERS = sys.stdlib_module_names | {"torch", "numpy", "pandas", "polars", "scipy", "salience"}
_SEQUENCES = (list, tuple, set, frozenset, deque)
_STANDARD = {dict, OrderedDict, defaultdict, SimpleNamespace, functools.partial, MethodType}
_Cached = type(functools.cache(len))  # of functions that keep what they returned
# An object that reaches more than this many others is looked through no further.
_LARGEST = 200_000


class Rebuilding:
    """Copies objects so that they reach replicas in place of the user's modules.

    Args:
        memo: id of an object of the user's → its counterpart; what is made is added.
        replica_of: Makes the replica of a module that has no counterpart yet.
    """

    def __init__(self, memo: dict[int, Any], replica_of: Callable[[nn.Module], nn.Module]) -> None:
        self._memo = memo
        self._replica_of = replica_of
        self._reaching: set[int] = set()

    def look(self, roots: Iterable[Any]) -> list[nn.Module]:
        """Find what reaches a module from the roots; return the modules without a counterpart."""
        parents: dict[int, list[int]] = {}
        modules: list[nn.Module] = []
        changing: list[int] = []
        kept: dict[int, Any] = {}
        left = list(roots)
        while left and len(kept) < _LARGEST:
            value = left.pop()
            if id(value) in kept:
                continue
            kept[id(value)] = value  # alive, so that no other object gets its id
            known = self._memo.get(id(value), self)
            if known is not self:
                changing += [] if known is value else [id(value)]
            elif isinstance(value, nn.Module):
                modules.append(value)
                changing.append(id(value))
            else:
                for child in _children(value):
                    parents.setdefault(id(child), []).append(id(value))
                    left.append(child)
        while changing:
            one = changing.pop()
            if one not in self._reaching:
                self._reaching.add(one)
                changing += parents.get(one, [])
        return modules

    def made(self, value: Any) -> Any:
        """The counterpart of an object that :meth:`look` met; the object itself where it has none.

        An object that cannot be copied stays itself.
        """
        if id(value) in self._memo:
            return self._memo[id(value)]
        if id(value) not in self._reaching:
            return value
        if isinstance(value, nn.Module):
            made: Any = self._replica_of(value)
        elif isinstance(value, MethodType):
            made = MethodType(self.made(value.__func__), self.made(value.__self__))
        elif isinstance(value, functools.partial):
            keywords = {name: self.made(v) for name, v in value.keywords.items()}
            made = type(value)(self.made(value.func), *map(self.made, value.args), **keywords)
        elif isinstance(value, FunctionType):
            made = self._function(value)
        elif isinstance(value, _Cached):
            made = self.made(value.__wrapped__)  # what was kept came from the user's modules
        elif isinstance(value, MappingProxyType):
            made = MappingProxyType({key: self.made(part) for key, part in value.items()})
        else:
            made = self._object(value)
        self._memo[id(value)] = made
        return made

    def _function(self, function: FunctionType) -> FunctionType:
        """Copy a function, with the cells of its closure, its defaults and the globals it names."""
        named = _globals(function)
        reached = {name: v for name, v in named.items() if id(v) in self._reaching}
        space = {**function.__globals__} if reached else function.__globals__
        cells = tuple(self._cell(cell) for cell in function.__closure__ or ())
        made = FunctionType(function.__code__, space, function.__name__, None, cells)
        self._memo[id(function)] = made  # ends the recursion for a function that holds itself
        if reached:
            space.update({name: self.made(value) for name, value in reached.items()})
        for old, new in zip(function.__closure__ or (), cells, strict=True):
            if new is not old:
                new.cell_contents = self.made(old.cell_contents)
        defaults = function.__defaults__
        made.__defaults__ = None if defaults is None else tuple(map(self.made, defaults))
        keywords = function.__kwdefaults__
        made.__kwdefaults__ = keywords and {n: self.made(v) for n, v in keywords.items()}
        vars(made).update({name: self.made(v) for name, v in vars(function).items()})
        return made

    def _cell(self, cell: CellType) -> CellType:
        """The new, empty cell of a variable that changes; a cell is shared by several functions."""
        with suppress(ValueError):  # an empty cell: a name that was not assigned yet
            if id(cell.cell_contents) in self._reaching:
                made: CellType = self._memo.setdefault(id(cell), CellType())
                return made
        return cell

    def _object(self, value: Any) -> Any:
        """Copy an object or container and give the copy the counterparts of what it holds."""
        if isinstance(value, tuple | set | frozenset):
            parts = [self.made(part) for part in value]
            return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
        try:
            made = _blank(value)
        except Exception:  # the class says how it is copied, and may raise anything
            return value
        self._memo[id(value)] = made  # ends the recursion for an object that holds itself
        if isinstance(value, dict):
            for key, part in value.items():
                made[key] = self.made(part)
        elif isinstance(value, list | deque):
            for i, part in enumerate(value):
                made[i] = self.made(part)
        own = getattr(value, "__dict__", {})
        for name, part in _attributes(value).items():
            new = self.made(part)
            if new is not part or name in own:
                with suppress(AttributeError):  # an attribute of the class, and no room for own
                    object.__setattr__(made, name, new)
        return made


def _blank(value: Any) -> Any:
    """A shallow copy, made without the methods of its class where that is a plain one."""
    kind = type(value)
    if isinstance(value, dict | list | deque):
        return copy.copy(value)
    try:
        made = object.__new__(kind)
    except TypeError:  # the class is derived from one that is written in C
        return copy.copy(value)
    for name, part in _attributes(value, inherited=False).items():
        object.__setattr__(made, name, part)
    return made


def _children(value: Any) -> Iterator[Any]:
    """The objects that an object holds and that may be, or reach, a module."""
    kind = type(value)
    if isinstance(value, FunctionType):
        if _is_others(value.__module__):
            return
        yield from _globals(value).values()
        for cell in value.__closure__ or ():
            with suppress(ValueError):
                yield cell.cell_contents
        yield from value.__defaults__ or ()
        yield from (value.__kwdefaults__ or {}).values()
        yield from vars(value).values()
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, _Cached):
        yield value.__wrapped__
    elif isinstance(value, MappingProxyType):
        yield from list(value.values())
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, type) or hasattr(kind, "__del__"):
        return  # a copy with a ``__del__`` would close or remove what the original uses
    elif kind in _STANDARD or kind in _SEQUENCES or not _is_others(kind.__module__):
        if isinstance(value, dict):
            yield from list(value.values())
        elif isinstance(value, _SEQUENCES):
            yield from list(value)
        yield from _attributes(value).values()


def _is_others(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _OTHERS


def _attributes(value: Any, inherited: bool = True) -> dict[str, Any]:
    """The attributes of an object, and modules and containers that are attributes of its class."""
    kind = type(value)
    found: dict[str, Any] = {}
    for base in kind.__mro__ if inherited else ():
        for name, part in () if _is_others(base.__module__) else vars(base).items():
            if isinstance(part, nn.Module | list | dict | tuple) and not name.startswith("__"):
                found.setdefault(name, part)
    for name in copyreg._slotnames(kind):  # type: ignore[attr-defined]
        with suppress(AttributeError):  # a slot without a value
            found[name] = object.__getattribute__(value, name)
    own = getattr(value, "__dict__", None)
    return {**found, **own} if isinstance(own, dict) else found


def _globals(function: FunctionType) -> dict[str, Any]:
    """Each global name that a function, or one defined inside it, uses → the global's value."""
    space = function.__globals__
    return {name: space[name] for name in _names(function.__code__) if name in space}


def _names(code: CodeType) -> set[str]:
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*(_names(part) for part in inner))


@contextmanager
def refusing_strangers(replica: Any) -> Iterator[None]:
    """Refuse, in the pass inside the context, modules in train mode that are not the replica's.

    A forward may reach a module in a way that was not found, such as through an imported Python
    module. That is the user's own module, and it would draw dropout or change its statistics.

    Args:
        replica: The replica that runs, a module or a function.

    Raises:
        InputError: Such a module is called.
    """
    if isinstance(replica, nn.Module):
        own = {id(module) for module in replica.modules()}
        if any(hasattr(module, "_orig_mod") for module in replica.modules()):
            yield  # torch.compile would compile anew for a global hook
            return
    else:
        own = set()
    thread = threading.get_ident()

    def refuse(module: nn.Module, args: Any) -> None:
        if not module.training or id(module) in own or threading.get_ident() != thread:
            return
        if _differs_in_training(module):
            raise InputError(
                f"the model calls {an(type(module).__name__)} in train mode that is not part of it "
                f"and that salience cannot copy; call eval() on that module, or pass a "
                f"torch.nn.Module that holds it"
            )

    with removing() as temporary:
        temporary(register_module_forward_pre_hook(refuse))
        yield


def _differs_in_training(module: nn.Module) -> bool:
    """Whether a module may return something else, or change, in train mode."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, _NormBase):
        return True
    if type(module).__module__.startswith("torch.nn.modules."):
        return bool(getattr(module, "dropout", 0))
    return any(True for _ in module.buffers()) or any(True for _ in module.parameters())
