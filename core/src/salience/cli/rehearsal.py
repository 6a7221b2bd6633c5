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

# Items and draws that a rehearsal takes.
_ITEMS = 2
_DRAWS = 2


def rehearse(
    explainer: Explainer, unit: Unit, arguments: Mapping[str, Any], outputs: Outputs
) -> None:
    """Raise InputError where pictures, tables or reports of the explanation cannot be made.

    The first items are explained with as few draws as the aggregator allows, and are drawn and
    written to a temporary folder. Where they cannot be explained, nothing is said: the computation
    itself says what is wrong.

    Args:
        explainer: The explainer.
        unit: The items.
        arguments: Those of :meth:`Explainer.explain`.
        outputs: What is to be written.
    """
    made = _few(explainer, unit, arguments)
    if made is None:
        return
    with TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs.rehearse(made, Path(place))


def _few(explainer: Explainer, unit: Unit, arguments: Mapping[str, Any]) -> Explanation | None:
    """The explanation of the first items; ``None`` where they cannot be explained on their own."""
    own = copy(explainer)
    own._warned = set()  # what is to be said of all the items is said when they are explained
    try:
        fewest = make("aggregators", arguments["aggregator"]).min_draws
        several = bool(arguments["samplers"]) and arguments["n_samples"] != 1
        n_samples = max(_DRAWS, fewest + fewest % 2) if several else 1
        settings = {**arguments, "n_samples": n_samples, "progress": False}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return own.explain(unit.part(0, min(_ITEMS, len(unit))), **settings)
    except InputError:
        return None
