"""What is named by ``module:attribute``: models, data, transforms, names of classes."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from salience.errors import InputError, an, brief, one_line
from salience.model.state_dicts import read_state

_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
# Names of the modules that the user's options named, with whose code errors are told apart.
_of_user: set[str] = set()
# Model → the factory that made it, by which another process makes it.
_factories: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


def is_named(text: str) -> bool:
    """Whether a text has the form ``module:attribute``."""
    return _NAMED.fullmatch(text) is not None


def load_object(text: str, option: str, expected: str) -> Any:
    """The object that ``module:attribute`` names; the working folder is looked in first.

    Args:
        text: The text.
        option: What is made, for the error.
        expected: What to pass, for the error.

    Raises:
        InputError: There is no such module or attribute, or the module raises.
    """
    module, _, attribute = text.partition(":")
    if not module or not attribute:
        raise InputError(f"{option} {brief(text)} is not of the form module:name; {expected}")
    _of_user.add(module.partition(".")[0])
    with _made(text, option, expected):
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
        return found


def result_of(found: Any, text: str, option: str, expected: str) -> Any:
    """What a function without arguments returns; the working folder is looked in for modules.

    Args:
        found: The function.
        text: Its name as ``module:attribute``, for the error.
        option: What is made, for the error.
        expected: What to pass, for the error.

    Raises:
        InputError: It cannot be called so, or raises.
    """
    with _made(text, option, expected):
        return found()


@contextmanager
def _made(text: str, option: str, expected: str) -> Iterator[None]:
    """Run code of the user's, with the working folder first; the arguments are as above.

    Raises:
        InputError: The code raises.
    """
    sys.path.insert(0, "")  # as `python -m` does, so that modules in the working folder are found
    try:
        yield
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise InputError(
            f"cannot make {option} {brief(text, 60)} ({type(error).__name__}: {brief(error)}); "
            f"{expected}"
        ) from error
    finally:
        sys.path.remove("")


def load_model(factory: str, weights: str | None) -> Any:
    """Make the model by ``module:factory`` and load its weights.

    Only tensors are read from the file of weights; nothing in the file is executed. Other processes
    can make such a model again, so that a run over a data set may use several.

    Args:
        factory: ``"module:attribute"``, where the attribute is a ``torch.nn.Module``, or is called
            without arguments to return the model.
        weights: Path of a state dict, ``.safetensors`` or ``.pt``; where ``None``, the model keeps
            its weights.

    Raises:
        InputError: The factory is missing or raises, or the weights are missing or do not fit.
    """
    expected = "pass module:factory, where factory() returns the model"
    model = load_object(factory, "the model", expected)
    if not isinstance(model, nn.Module):
        model = result_of(model, factory, "the model", expected)
    if weights is not None:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"{factory!r} makes {an(type(model).__name__)}, which takes no weights; "
                f"leave --weights out"
            )
        _load_weights(model, Path(weights))
    if isinstance(model, nn.Module):
        _factories[model] = factory
    return model


def factory_of(model: Any) -> str | None:
    """The factory with which :func:`load_model` made a model; ``None`` for another model."""
    return _factories.get(model) if isinstance(model, nn.Module) else None


def _load_weights(model: nn.Module, path: Path) -> None:
    state = read_state(path)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        # The first line of torch's message is a headline; the lines after it name the misfits.
        _, _, misfit = str(error).partition("\n")
        shown = RuntimeError(misfit) if misfit else error
        raise InputError(
            f"the weights in {str(path)!r} do not fit the model: {brief(shown)}; "
            f"pass those of the model that --model makes"
        ) from error


def sentence_of(error: BaseException) -> str | None:
    """An error of the user's modules in a line, with its place; ``None`` where it is not theirs."""
    place, trace = "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _of_user:
            place = f"{Path(frame.f_code.co_filename).name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    if not place:
        return None
    return one_line(f"{type(error).__name__} in {place}: {brief(error)}")
