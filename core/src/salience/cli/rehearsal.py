"""A rehearsal: the first items are explained, drawn and written, before the long work begins."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from salience.cli.outputs import Outputs
from salience.engine.units import Unit
from salience.errors import InputError
from salience.explainer import Explainer
from salience.plugins.parts import make
from salience.results.explanation import Explanation

# Items and draws that a rehearsal takes; one item where there are few.
_ITEMS, _FEW = 2, 4
_DRAWS = 2


def rehearse(
    explainer: Explainer, unit: Unit, arguments: Mapping[str, Any], outputs: Outputs
) -> Explanation | None:
    """Raise InputError where pictures, tables or reports of the explanation cannot be made.

    The first items are explained with as few draws as the aggregator allows, and are drawn and
    written to a temporary folder. Where they cannot be explained, nothing is said: the computation
    itself says what is wrong.

    Args:
        explainer: The explainer.
        unit: The items.
        arguments: Those of :meth:`Explainer.explain`.
        outputs: What is to be written.

    Returns:
        The explanation, where these were all the items and draws already; else ``None``.
    """
    part = unit.part(0, 1 if len(unit) <= _FEW else _ITEMS)
    n_samples = _fewest(arguments)
    made = _explained(explainer, part, {**arguments, "n_samples": n_samples, "progress": False})
    if made is None:
        return None
    with TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs.rehearse(made, Path(place))
    return made if len(part) == len(unit) and arguments["n_samples"] == n_samples else None


def _fewest(arguments: Mapping[str, Any]) -> int:
    """The smallest number of draws that the samplers and the aggregator allow."""
    if not arguments["samplers"] or arguments["n_samples"] == 1:
        return 1
    fewest: int = make("aggregators", arguments["aggregator"]).min_draws
    return max(_DRAWS, fewest + fewest % 2)


def _explained(
    explainer: Explainer, part: Unit, arguments: Mapping[str, Any]
) -> Explanation | None:
    """The explanation of the first items; ``None`` where they cannot be explained on their own."""
    own = copy(explainer)
    own._warned = set()  # what is to be said of all the items is said when they are explained
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return own.explain(part, **arguments)
    except InputError:
        return None
