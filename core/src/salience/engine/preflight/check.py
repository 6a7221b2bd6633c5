"""Preflight alone: the verdicts about a request, without its results."""

from __future__ import annotations

from dataclasses import replace

from salience.engine.batching import batches
from salience.engine.collecting.collect import aggregation
from salience.engine.draws import blocks
from salience.engine.means import with_means
from salience.engine.preflight.samplers import preflight
from salience.engine.request import Request
from salience.engine.units import Unit
from salience.engine.worker import Worker
from salience.errors import InputError
from salience.results.preflight import REFUSED, Preflight, Verdict

_ALL = "the model can be explained on this data"


def checked(request: Request, unit: Unit) -> Preflight:
    """Compute the first draws of the first batch, and return what that shows about the model.

    Args:
        request: What would be computed.
        unit: All the items.
    """
    worker: Worker | None = None
    try:
        request.check(len(unit))
        worker = Worker.of(request)
        worker = preflight(with_means(worker, unit.samples), unit)
        return worker.proven(unit, lambda own: _first_block(own, unit))[1]
    except InputError as error:
        found = Preflight() if worker is None else worker.proof.report()
        refused = Verdict(_ALL, REFUSED, str(error))
        return replace(found, verdicts=(*found.verdicts, refused))


def _first_block(worker: Worker, unit: Unit) -> None:
    for predicted in batches(worker.runner, unit, worker.request):
        stop = worker.request.draws.total
        block = next(blocks(worker.request, worker.runner, predicted, 0, stop))
        if worker.request.pool is not None:  # raises InputError for groups that do not fit
            views = {name: predicted.view(name) for name in predicted.x}
            aggregation(worker.request, views, unit).update({}, predicted, block)
        return
