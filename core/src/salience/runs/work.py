"""Work: what one process does for a range of items, from reading them to one file."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from threading import Event
from typing import Any, Self

import torch

from salience.engine.assembly import explanation
from salience.engine.request import Request
from salience.engine.units import Unit
from salience.engine.worker import Worker
from salience.errors import InputError
from salience.results.explanation import Explanation
from salience.runs.folder import RunFolder
from salience.runs.manifest import own_devices
from salience.runs.origin import Origin
from salience.runs.ranges import ItemRange, Report
from salience.runs.sources.base import Source
from salience.runs.sources.reading import read_items, readable_items
from salience.runs.stored.unit_rows import UnitRows, write_unit
from salience.shown import ShortRepr
from salience.support.notices import Hearing

# How the error of an item begins that was read by itself: "item 0 ('a.png') …", "row 0, …".
_FIRST = re.compile(r"^(item|row) 0\b")


@dataclass(frozen=True, kw_only=True)
class RunWorker(ShortRepr):
    """What works for a run, in any process: base of :class:`UnitWriter` and :class:`Settler`.

    Pickled, it is without the model, which the other process makes by its origin.

    Args:
        request: What is computed.
        source: The data.
        record_errors: Whether items that fail are recorded, and the others explained.
        threads: Number of threads of torch.
        origin: Where another process gets the model from; ``None`` where there is no other.
        device: The device; that of the request where ``None``.
        stop: Set where all are to end.
    """

    request: Request
    source: Source
    record_errors: bool
    threads: int
    origin: Origin | None = None
    device: torch.device | None = None
    stop: Event = field(default_factory=Event)

    partial = False

    def on(self, device: torch.device | None) -> Self:
        """A further worker of the same run, on another device; both stop together."""
        return replace(self, device=device)

    def __reduce__(self) -> Any:
        # The model that is made elsewhere is on the CPU, and is copied to the device of this one.
        settings = replace(self.request.settings, model=None, devices=own_devices(self.request))
        request = replace(self.request, settings=settings)
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        others = {name: value for name, value in own.items() if name not in _NOT_SENT}
        return _elsewhere, (type(self), request.pickled(), others)


_NOT_SENT = ("request", "device", "stop")


def _elsewhere(kind: type[RunWorker], request: bytes, others: dict[str, Any]) -> RunWorker:
    """The worker in another process, which makes the model.

    Args:
        kind: Its class.
        request: The request without the model, pickled.
        others: The other fields.
    """
    torch.set_num_threads(others["threads"])
    made: Request = pickle.loads(request)
    made = replace(made, settings=replace(made.settings, model=others["origin"].model()))
    return kind(request=made, **others)


@dataclass(frozen=True, kw_only=True)
class UnitWriter(RunWorker):
    """Explains ranges of items and writes each into the folder of a run.

    A range is explained by a worker of its own, which knows nothing of other ranges: what comes of
    it is the same in any process, at any time, in any order.

    Args:
        folder: The folder of the run.
        info: What the domain knows of the first items.
        shapes: What :func:`shapes_of` gives for the first item.
    """

    folder: RunFolder
    info: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]

    def lost(self, unit: ItemRange, reason: str) -> Report:
        """The report of a range whose process died each time."""
        return Report(unit.bare, lost=reason)

    def explain(self, unit: ItemRange) -> Report:
        """Explain a range, and write its file unless it is only tried.

        Raises:
            InputError: An item fails, where errors are not recorded; or the folder cannot be
                written.
        """
        rows = UnitRows(unit, list(unit.left_out))
        for start, stop in unit.parts():
            self._read_and_explain(rows, start, stop)
        if unit.writes:
            if rows.failed:
                rows.name_failed(self.source.names(unit.start, unit.stop, unit.held))
            self.folder.commit(unit.unit, lambda path: write_unit(path, rows))
        total = self.request.draws.total
        return Report(
            unit.bare,
            failed=tuple(sorted(rows.failed)),
            notices=tuple(rows.notices),
            n_draws=total * (len(unit) - len(rows.failed)),
        )

    def _read_and_explain(self, rows: UnitRows, start: int, stop: int) -> None:
        """Explain items that follow each other, without those that cannot be read."""
        given = self.request.settings.domain, self.source, rows.range, (start, stop), self.info
        try:
            with Hearing() as hearing:
                items = read_items(*given)
        except Exception as error:
            if stop - start == 1:
                self._fail(rows, start, error, getattr(error, "item_name", None))
            elif self.record_errors and (found := readable_items(*given)) is not None:
                for position, reason in found.reasons.items():
                    rows.fail(position, f"InputError: {reason}", found.names.get(position))
                rows.note(found.notices)
                for unit in found.units:
                    self._explain(rows, unit)
            else:
                middle = (start + stop) // 2
                self._read_and_explain(rows, start, middle)
                self._read_and_explain(rows, middle, stop)
        else:
            rows.note(hearing.sentences)
            self._explain(rows, items)

    def _explain(self, rows: UnitRows, items: Unit) -> None:
        """Explain items, in halves where one fails; add them to the rows."""
        try:
            with Hearing() as hearing:
                found, notices = self._explained(items)
        except Exception as error:
            if len(items) == 1:
                self._fail(rows, items.offset, error, items.called()[0])
                return
            middle = len(items) // 2
            self._explain(rows, items.part(0, middle))
            self._explain(rows, items.part(middle, len(items)))
        else:
            rows.add(items.offset, found)
            rows.note((*hearing.sentences, *notices))

    def _fail(self, rows: UnitRows, position: int, error: Exception, name: Any) -> None:
        """Record an item that failed; raise the error where errors are not recorded."""
        said = _FIRST.sub(rf"\g<1> {position}", str(error))
        if self.record_errors:
            rows.fail(position, f"{type(error).__name__}: {said}", name)
            return
        if isinstance(error, InputError):
            error.args = (said,)
        raise error

    def _explained(self, items: Unit) -> tuple[Explanation, tuple[str, ...]]:
        """The explanation of items, and what the user is to be told."""
        worker = Worker.of(self.request, self.device)
        worker = replace(worker, runner=replace(worker.runner, stop=self.stop))
        result = worker.explain(items)
        found = explanation(result, self.request, items, more=True)
        # A domain sees only that the items of one range have one shape.
        for name, shape in shapes_of(found).items():
            if shape != self.shapes.get(name, shape):
                raise InputError(
                    f"item 0 has {name!r} of shape {shape}, but the first items of the run have "
                    f"{self.shapes[name]}; bring all to one shape, or explain them apart"
                )
        return found, result.notices


def shapes_of(explained: Explanation) -> dict[str, tuple[int, ...]]:
    """The shape of an item of each target variable that all items of a run must share.

    Groups of positions are not among them, since each item may have its own.
    """
    if "pool" in explained.provenance:
        return {}
    every = explained.saliency.items()
    return {name: tuple(s.flat.shape[1:]) for name, s in every if s.counts is None}
