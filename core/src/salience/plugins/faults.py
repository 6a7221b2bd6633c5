"""Faults of parts: what a part raises, or returns in breach of its promise, names the part.

Core's own parts are trusted: of them nothing is looked at, and errors are raised as they are.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from salience.errors import InputError, brief
from salience.hookspecs import GROUP
from salience.plugins import host
from salience.shown import ShortRepr
from salience.support.interrupts import called
from salience.support.memory import out_of_memory
from salience.support.numerics import all_finite

# Parts call the model by these wings. What they call of the engine calls the model, or other parts.
_MODEL, _ENGINE = ("salience.scoring.", "salience.model."), "salience.engine."
_LIBRARIES = ("salience", "torch", "numpy", "contextlib", "functools", "concurrent", "threading")


@dataclass(frozen=True)
class Asked(ShortRepr):
    """What core asks of a part; called, it returns what the method of the part returns.

    An error names the part, its distribution and the place, and has the error of the part as its
    cause. Raised as they are: errors of salience, errors of lack of memory, and those that came out
    of the user's model. Where the error is of a class of the part's own package, or of a
    function of the user's that the part called, a note of it names the part.

    Args:
        kind: Kind of the part, as in :data:`salience.plugins.KINDS`.
        part: The part.
        method: Name of the method.
    """

    kind: str
    part: Any
    method: str = "__call__"

    @property
    def foreign(self) -> bool:
        """Whether the part is not one of core's own."""
        return _package(type(self.part)) != "salience"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method.

        Raises:
            InputError: The part raised an error of its own.
        """
        return self.call(getattr(self.part, self.method), *args, **kwargs)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function that runs the method, such as ``next`` of what it returned.

        Raises:
            InputError: The part raised an error of its own.
        """
        try:
            return called(function, *args, **kwargs)
        except Exception as error:
            fault = self._fault(error) if self.foreign else None
            if fault is None:
                raise
            raise fault from error

    def expect(self, holds: bool, returned: Any, expected: str) -> None:
        """Raise InputError unless a promise holds.

        Args:
            holds: Whether it does.
            returned: What the method returned.
            expected: What it should have returned.
        """
        if not holds:
            raise self.broken(_shown(returned), expected)

    def expect_tensor(
        self,
        value: Any,
        shape: Sequence[int],
        like: Tensor | None = None,
        what: str = "",
        finite: bool = True,
    ) -> None:
        """Raise InputError unless the method returned a tensor of a shape, of finite numbers.

        Args:
            value: What it returned.
            shape: The expected shape.
            like: A tensor of the expected dtype and device; any will do where ``None``.
            what: Which of the returned values this is, for the message.
            finite: Whether its numbers have to be finite, which they need not be where those that
                the part was given may not be.
        """
        if not isinstance(value, Tensor):
            raise self.broken(_shown(value) + (f" as {what}" if what else ""), "a tensor")
        self._same(what, "shape", (tuple(value.shape), tuple(shape)))
        if like is not None:
            self._same(what, "dtype", (value.dtype, like.dtype))
            self._same(what, "device", (value.device, like.device))
        if finite and not all_finite(value):
            raise self.broken(f"{what or 'values'} with NaN or infinity", "finite numbers")

    def _same(self, what: str, fact: str, values: tuple[object, object]) -> None:
        """Raise InputError where a fact of what was returned is not the expected one."""
        found, expected = values
        if found != expected:
            raise self.broken(f"{what} of {fact} {found}".removeprefix(" of "), f"{expected}")

    def broken(self, returned: str, expected: str) -> InputError:
        """The error for a promise that was broken.

        Args:
            returned: What the method returned, in words.
            expected: What it should have returned.
        """
        return InputError(
            f"{label(self.kind, self.part)} returned {returned}, expected {expected}; mend "
            f"{type(self.part).__name__}.{self.method}, or tell its authors"
        )

    def _fault(self, error: Exception) -> InputError | None:
        """The error that names the part; ``None`` where the error is raised as it is."""
        if isinstance(error, InputError | MemoryError | Warning) or out_of_memory(error):
            return None
        if self.kind == "executors" and error.__cause__ is not None:  # from another process
            return None
        package = _package(type(self.part))
        if _package(type(error)) == "salience" or _is_of_model(error.__traceback__):
            return None
        where = f"{type(self.part).__name__}.{self.method}{_place(error.__traceback__)}"
        if _package(type(error)) == package or _is_of_user(error.__traceback__, package):
            error.add_note(f"raised in {where} of the {label(self.kind, self.part)}")
            return None
        return InputError(
            f"{label(self.kind, self.part)} raised {type(error).__name__}: {brief(error)}; mend "
            f"{where}, or tell its authors"
        )


def label(kind: str, part: object) -> str:
    """A part in words: its kind, its name, and the distribution or module that it is from.

    Args:
        kind: Kind of the part, as in :class:`Asked`.
        part: The part.
    """
    cls = type(part)
    return f"{kind[:-1]} {host().name_of(kind, cls) or cls.__name__!r} of {_origin(cls.__module__)}"


@cache
def _origin(module: str) -> str:
    package = module.partition(".")[0]
    for point in metadata.entry_points(group=GROUP):
        if point.dist is not None and point.module.partition(".")[0] == package:
            return point.dist.name
    found = metadata.packages_distributions().get(package)
    return found[0] if found else f"the module {module}"


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _is_of_user(trace: TracebackType | None, package: str) -> bool:
    """Whether an error went through code of the user's, such as a function that a part was given.

    That is what is neither installed nor of the part's package.

    Args:
        trace: The traceback, from the call of the part on.
        package: Name of the part's package.
    """
    for frame in _frames(trace):
        own = _module(frame).partition(".")[0] in (package, *_LIBRARIES)
        file = frame.tb_frame.f_code.co_filename
        if not own and not file.startswith(("<frozen", *_installed())):
            return True
    return False


@cache
def _installed() -> tuple[str, ...]:
    """Folders of Python's library and of what is installed."""
    return tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))


def _is_of_model(trace: TracebackType | None) -> bool:
    """Whether an error came to the part out of the model, or of another part.

    Args:
        trace: The traceback, from the call of the part on.
    """
    modules = [_module(frame) for frame in _frames(trace)[1:]]
    through = [at for at, name in enumerate(modules) if name.startswith("salience.")]
    through = [at for at in through if modules[at] not in (__name__, called.__module__)]
    if not through or any(modules[at].startswith(_ENGINE) for at in through):
        return bool(through)
    beyond = (name.partition(".")[0] for name in modules[through[-1] + 1 :])
    last = modules[through[-1]]
    return last.startswith(_MODEL) and any(name not in _LIBRARIES for name in beyond)


def _place(trace: TracebackType | None) -> str:
    """Where an error arose, in words: the deepest line that is of no library."""
    for frame in reversed(_frames(trace)):
        if _module(frame).partition(".")[0] not in _LIBRARIES:
            return f" ({Path(frame.tb_frame.f_code.co_filename).name}, line {frame.tb_lineno})"
    return ""


def _frames(trace: TracebackType | None) -> list[TracebackType]:
    found = []
    while trace is not None:
        found.append(trace)
        trace = trace.tb_next
    return found


def _module(frame: TracebackType) -> str:
    return str(frame.tb_frame.f_globals.get("__name__") or "")


def _shown(value: Any) -> str:
    """A value in words: the type and shape of an array, else its beginning."""
    shape = getattr(value, "shape", None)
    if shape is None:
        return brief(value, 60)
    return f"{type(value).__name__} of shape {tuple(shape)}"
