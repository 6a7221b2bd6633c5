"""Making parts from an object, a name or a config mapping, and turning parts into configs."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

from salience.errors import InputError, brief, nearest
from salience.intake import check_settings
from salience.plugins import host


def make(kind: str, spec: Any, options: Mapping[str, Any] | None = None) -> Any:
    """Make a part of a given kind from the user's specification.

    Args:
        kind: ``"domains"``, ``"calculators"`` or another of :data:`salience.plugins.KINDS`.
        spec: An object, which is returned as it is; a name with or without parameters
            (``"gaussian:scale=0.15"``); or a mapping (``{"name": "gaussian", "scale": 0.15}``).
        options: Further parameters of the part, which override those in ``spec``; not allowed
            beside an object.

    Raises:
        InputError: The name or a parameter is unknown, a class was given where an object is
            expected, options were given beside an object, or the part refuses its parameters.
    """
    options = dict(options or {})
    if isinstance(spec, str):
        name, parameters = parse(spec)
    elif isinstance(spec, Mapping):
        parameters = dict(spec)
        name = parameters.pop("name", "")
        if not isinstance(name, str) or not name:
            known = ", ".join(host().names(kind))
            raise InputError(f"the {kind[:-1]} {brief(spec)} has no 'name'; known are: {known}")
    elif isinstance(spec, type):
        raise InputError(f"{spec.__name__} is a class; pass an object, {spec.__name__}(...)")
    elif options:
        raise InputError(
            f"parameters {sorted(options)} were given beside an object of "
            f"{type(spec).__name__}; put them into the object or pass its name"
        )
    else:
        return spec
    cls = host().get(kind, name)
    parameters |= options
    allowed = inspect.signature(cls).parameters if parameters else {}
    for parameter in parameters:
        if parameter not in allowed:
            raise InputError(
                f"{kind[:-1]} {name!r} has no parameter {parameter!r}; "
                f"{nearest(parameter, allowed)}"
            )
    try:
        made = cls(**parameters)
    except TypeError as error:
        raise InputError(
            f"{kind[:-1]} {name!r} cannot be made of {brief(parameters)}: {brief(error)}"
        ) from error
    if is_dataclass(made):  # a part of another author may not check its settings itself
        check_settings(made)
    return made


# The parser of Python 3.11 counts how deep it is for all threads at once, and may raise SystemError
# where two of them parse.
_PARSING = Lock()
# What Python raises of a text that is no literal, or nested too deep.
_UNREADABLE = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)
# Most characters of a part that is named in one line.
_LONGEST = 10_000
# Words for truth values and nothing, as they are written on command lines and in TOML.
_WORDS = {"true": True, "false": False, "none": None}


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``"name:key=value,…"`` into name and parameters, Python literals or bare words.

    Several values are a list, ``"tabular:categorical=[size,colour]"``, of which the brackets may be
    left out, ``"tabular:categorical=size,colour,on_error=skip"``.

    Raises:
        InputError: The text does not have that form.
    """
    if len(text) > _LONGEST:
        raise InputError(
            f"{brief(text, 60)} has {len(text)} characters, more than the {_LONGEST} that a name "
            f"with parameters may have; pass an object or a mapping"
        )
    name, _, arguments = text.partition(":")
    mistake = InputError(
        f"cannot read {brief(text)}; write a name and parameters as in "
        f"'gaussian:scale=0.15,mode=relative'"
    )
    if "(" in name:
        raise mistake
    if not arguments.strip():
        return name, {}
    try:
        with _PARSING:
            call = ast.parse(f"f({_bracketed(arguments)})", mode="eval").body
    except _UNREADABLE:
        raise mistake from None
    if not isinstance(call, ast.Call) or call.args:
        raise mistake
    parameters: dict[str, Any] = {}
    for keyword in call.keywords:
        value = keyword.value
        if keyword.arg is None:
            raise mistake
        if keyword.arg in parameters:
            raise InputError(f"{brief(text)} sets {keyword.arg!r} twice; set it once")
        try:
            parameters[keyword.arg] = _value(value)
        except _UNREADABLE:
            raise mistake from None
    return name, parameters


# A quoted text, or what opens, closes or separates values.
_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[()\[\]{},]""")


def _bracketed(arguments: str) -> str:
    """Arguments in which values behind a comma, without a name of their own, are made a list."""
    ends, depth = [0], 0
    for token in _TOKEN.finditer(arguments):
        depth += (token[0] in "([{") - (token[0] in ")]}")
        if token[0] == "," and depth == 0:
            ends.append(token.end())
    pieces = [arguments[a:b].rstrip(",") for a, b in pairwise([*ends, len(arguments) + 1])]
    groups: list[list[str]] = []
    for piece in pieces:
        if groups and piece.strip() and not re.match(r"\s*(\w+\s*=(?!=)|\*)", piece):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    made = []
    for first, *rest in groups:
        name, equals, value = first.partition("=")
        made.append(f"{name}{equals}[{','.join([value, *rest])}]" if rest and equals else first)
    return ",".join(made)


def _value(node: ast.expr) -> Any:
    """A value as it is written: a literal, a bare word, or a list of these.

    Raises:
        ValueError: It is something else, such as an operation.
    """
    if isinstance(node, ast.Name):
        return _WORDS.get(node.id.lower(), node.id)
    if isinstance(node, ast.List):
        return [_value(element) for element in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(element) for element in node.elts)
    return ast.literal_eval(node)


def to_config(kind: str, part: Any) -> dict[str, Any]:
    """The part's name and parameters, from which :func:`make` makes the part again.

    For a part that no plugin registers, and for weights given as tensors instead of files, the
    config holds a :func:`placeholder`; the part cannot be made again from that config.

    Args:
        kind: ``"domains"``, ``"calculators"`` or another of :data:`salience.plugins.KINDS`.
        part: An object of that kind.
    """
    name = host().name_of(kind, type(part))
    config: dict[str, Any] = {"name": name or placeholder(type(part).__qualname__)}
    if is_dataclass(part):
        for field in (f for f in fields(part) if f.init):
            value = getattr(part, field.name)
            if field.metadata.get("weights") and not all(isinstance(v, str | Path) for v in value):
                value = placeholder(f"{len(value)} {field.name}")
            config[field.name] = value
    return config


def placeholder(name: str) -> str:
    """The string ``"⟨name⟩"``, which stands in a record for an object that cannot be saved."""
    return f"⟨{name}⟩"


def is_placeholder(value: object) -> bool:
    """Whether a value in a record is a :func:`placeholder`."""
    return isinstance(value, str) and value.startswith("⟨") and value.endswith("⟩")
