"""What is made before the first unit: the model of other processes, and the head of the folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from salience.engine.assembly import explanation
from salience.engine.record import record
from salience.engine.request import Request
from salience.engine.units import Unit, UnitResult
from salience.engine.worker import Worker
from salience.errors import InputError, brief
from salience.results.explanation import Explanation
from salience.runs.origin import Origin, origin_of
from salience.runs.pilot import Beginning

# So many items may fail before the first that does not.
_HEADS = 16


def first_explained(ready: Request, first: Beginning) -> tuple[Unit, UnitResult]:
    """The first item that does not fail, and its result.

    Args:
        ready: The request, after preflight.
        first: The first items.

    Raises:
        InputError: All of some items fail.
    """
    for position in range(len(first.unit)):
        unit = first.unit.part(position, position + 1)
        try:
            return unit, Worker.of(ready).explain(unit)
        except InputError:
            if position == len(first.unit) - 1 or position == _HEADS:
                raise
    raise AssertionError


def head_of(ready: Request, explained: tuple[Unit, UnitResult]) -> Explanation:
    """An explanation of an item, with the record of all items.

    Args:
        ready: The request, after preflight.
        explained: What :func:`first_explained` returned.
    """
    unit, result = explained
    found = explanation(result, ready, unit, more=True)
    kept = {"preflight": found.provenance["preflight"]}
    return replace(found, provenance=record(ready) | kept)


def remade(request: Request, explained: tuple[Unit, UnitResult], weights: Path) -> Origin:
    """Where other processes get the model from, which computes what the user's does.

    Args:
        request: The request, after preflight.
        explained: An item, and its result with the user's model.
        weights: File that the weights are written to.

    Raises:
        InputError: The factory makes a model that computes something else.
    """
    origin = origin_of(request.settings.model, weights)
    made = replace(request, settings=replace(request.settings, model=origin.model()))
    unit, own = explained[0], explained[1].items
    other = Worker.of(made).explain(unit).items
    if not torch.equal(own.prediction, other.prediction):
        raise InputError(
            f"{origin.factory!r} makes a model that gives {brief(other.score.tolist())} where the "
            f"one that was handed in gives {brief(own.score.tolist())}; let the factory set all "
            f"that is not among the weights"
        )
    return origin
