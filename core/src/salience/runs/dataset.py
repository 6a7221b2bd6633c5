"""A data set of any length: it is explained unit by unit into a folder, once and for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from salience.data.names import ids as plain_ids
from salience.data.names import labels as plain_labels
from salience.engine.executors.chosen import make_executor
from salience.engine.progress import progress_bar
from salience.engine.request import Request
from salience.errors import InputError, brief
from salience.intake import boolean, choice, integer
from salience.runs.driver import Driver
from salience.runs.folder import RunFolder
from salience.runs.head import first_explained, head_of, remade
from salience.runs.manifest import Manifest, load
from salience.runs.origin import check_origin
from salience.runs.pilot import FIRST, Beginning, beginning, prepared, threads_of
from salience.runs.ranges import stripe_of
from salience.runs.run import Run
from salience.runs.settling import settled
from salience.runs.sources.source import source_of
from salience.runs.stored.arrow import arrow
from salience.runs.stored.index import write_index
from salience.runs.stored.result_set import ResultSet
from salience.runs.work import UnitWriter, shapes_of


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a data set is explained.

    Args:
        ids: An id for each item, or ``None``.
        labels: A label for each item, or ``None``.
        unit_items: Number of items of a unit, or ``"auto"``.
        executor: Name, config mapping or object.
        resume: Whether a run that is in the folder may go on.
        on_error: ``"record"`` or ``"raise"``.
        progress: Whether to show a progress bar; only in a terminal where ``None``.
        stripe: Rank and number of programs that share the run, or ``None``.
    """

    ids: Any = None
    labels: Any = None
    unit_items: int | str = "auto"
    executor: Any = "serial"
    resume: bool = True
    on_error: str = "record"
    progress: bool | None = None
    stripe: Any = None

    def checked(self) -> RunOptions:
        """These options, those that are truth values, words or numbers in their plain form.

        Raises:
            InputError: One is something else.
        """
        automatic = isinstance(self.unit_items, str) and self.unit_items == "auto"
        return replace(
            self,
            unit_items="auto" if automatic else integer(self.unit_items, "unit_items", 1),
            resume=boolean(self.resume, "resume"),
            on_error=choice(self.on_error, "on_error", ("record", "raise")),
            progress=None if self.progress is None else boolean(self.progress, "progress"),
            stripe=stripe_of(self.stripe),
        )


def explained_dataset(request: Request, data: Any, out: Path, options: RunOptions) -> ResultSet:
    """Explain what a folder still lacks of a data set.

    Raises:
        InputError: An argument is wrong; the folder holds another run, or other files; the data
            cannot be read; or the folder cannot be written.
    """
    arrow()
    options = options.checked()
    run = _run(request, data, out, options)
    record_errors = options.on_error == "record"
    earlier = load(run.folder.manifest)
    if earlier is None:
        run.folder.check_new()
    elif not options.resume:
        raise InputError(
            f"{brief(str(out), 80)} holds a run already; pass resume=True to let it go on, or "
            f"another folder"
        )
    else:
        run = replace(run, manifest=run.manifest.fitted(earlier))
    if earlier is None or run.missing() or not run.folder.head.exists():
        run = _computed(run, options, record_errors)
    _index(run)
    return ResultSet.open(out)


def _run(request: Request, data: Any, out: Path, options: RunOptions) -> Run:
    domain = request.settings.domain
    if getattr(domain, "on_error", "raise") == "skip":  # the run itself records what is broken
        domain = replace(domain, on_error="raise")  # type: ignore[type-var]
        request = replace(request, settings=replace(request.settings, domain=domain))
    executor = make_executor(options.executor)
    source = source_of(data, domain)
    request.check(len(source))
    ids = None if options.ids is None else plain_ids(options.ids)
    labels = None if options.labels is None else plain_labels(options.labels)
    for name, given in (("ids", ids), ("labels", labels)):
        if given is not None and len(given) != len(source):
            raise InputError(f"got {len(given)} {name} for {len(source)} items; pass one an item")
    size = options.unit_items
    size = size if isinstance(size, str) else min(size, len(source))
    found = {"unit_items": size, "max_rows": request.settings.max_rows}
    manifest = Manifest.of(
        request, source, ids=ids, labels=labels, threads=None, first=None, **found
    )
    folder = RunFolder(out.absolute(), options.stripe)
    run = Run(request, source, folder, manifest, executor=executor, ids=ids, labels=labels)
    if executor.other_processes:
        check_origin(request.settings.model)
    return run


def _index(run: Run) -> None:
    """Write the index where all units are done and it is missing, as after a program was killed."""
    if run.folder.index.exists() or len(run.folder.done()) < len(run.manifest.bounds):
        return
    with run.folder.locked():
        run.folder.clean()
        write_index(run.folder, own_ids=run.ids is not None)


def _computed(run: Run, options: RunOptions, record_errors: bool) -> Run:
    """Compute the units that are missing; the run with what a pilot has found."""
    threads = run.manifest.entries["threads"] or getattr(run.executor, "threads", None)
    threads = threads or torch.get_num_threads()
    with threads_of(threads), run.executor.session():
        if not run.folder.manifest.exists():
            run = settled(run, record_errors, threads)
        run = run.fixed()
        start = run.manifest.entries["first"] or 0
        items = run.items(start, start + FIRST)
        first = beginning(run.request, run.source, items, record_errors)
        with run.folder.locked():
            run.folder.clean()
            missing = run.missing()
            if missing:
                run.folder.drop_index()
            writer = _writer(run, first, record_errors)
            with progress_bar(run.n_draws(missing), options.progress) as report:
                try:
                    Driver(run, writer, report).compute(missing)
                finally:
                    run.folder.clean()
    return run


def _writer(run: Run, first: Beginning, record_errors: bool) -> UnitWriter:
    """What explains the ranges, after preflight."""
    folder, ready = run.folder, prepared(first).request
    explained = first_explained(ready, first)
    head = head_of(ready, explained)
    writer = UnitWriter(
        **run.working(record_errors, run.manifest.entries["threads"]) | {"request": ready},
        folder=folder,
        info=first.info,
        shapes=shapes_of(head),
        origin=remade(ready, explained, folder.weights) if run.executor.other_processes else None,
    )
    if not folder.head.exists():
        head.save(folder.head)
    return writer
