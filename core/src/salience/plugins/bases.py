"""What the class of a part must be: derived from the base of its kind, with nothing left out."""

from __future__ import annotations

import importlib
import inspect

#: Kind → public names of the base classes, of which a part has one.
BASES = {
    "domains": ("Domain",),
    "calculators": ("Calculator",),
    "samplers": ("NoiseSampler", "ParameterSampler", "WeightSampler"),
    "aggregators": ("Aggregator",),
    "visualizers": ("Visualizer",),
    "executors": ("Executor",),
}


def fault_of(kind: str, cls: type) -> str | None:
    """What is wrong with the class of a part, and how to mend it; ``None`` where nothing is.

    Args:
        kind: Kind of the part.
        cls: Its class.
    """
    # The base classes lie in wings above this one, so they are looked up when a part is wanted.
    salience = importlib.import_module("salience")
    names = BASES[kind]
    if not issubclass(cls, tuple(getattr(salience, name) for name in names)):
        return f"its class {cls.__name__} is derived from no {_or(names)}; derive it from one"
    if inspect.isabstract(cls):
        lacking = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        return f"its class {cls.__name__} does not define {lacking}; define what is missing"
    return None


def _or(names: tuple[str, ...]) -> str:
    first, last = ", ".join(f"salience.{name}" for name in names[:-1]), f"salience.{names[-1]}"
    return f"{first} or {last}" if first else last
