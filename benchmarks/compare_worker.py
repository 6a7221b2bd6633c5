"""Times the rows of one tree, as ``compare.py`` asks; not to be run by hand.

A command is a line of JSON on the standard input, its answer a line of JSON on the standard output.
The folder that is given is the tree; ``compare.py`` sets the path so that its modules are found.
"""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO

import torch
from torch import Tensor, nn

import salience

if TYPE_CHECKING:  # at run time it is the tree's own, which is imported when its scripts are
    from task import Contender, Task

#: Entries of the saliency that are compared one by one.
ENTRIES = 256
#: Rows whose time is all what a call costs besides its arithmetic: name → number of draws.
CALLS = {"one row of a small network": 1, "30 draws of one row": 30}


def main() -> None:
    """Answer commands until the input ends."""
    tree, threads = Path(sys.argv[1]), int(sys.argv[2])
    commands, answers = _pipes()
    check_origin(tree)
    # As harness.prepare does, and before anything else is loaded.
    salience.tune_allocator()
    warnings.simplefilter("ignore")
    if threads:
        torch.set_num_threads(threads)
    rows = Rows()
    for line in commands:
        print(json.dumps(_answer(rows, json.loads(line))), file=answers, flush=True)


def check_origin(tree: Path) -> None:
    """See that salience and the plugins that are installed come from the tree.

    Raises:
        ImportError: One comes from elsewhere.
    """
    plugins = sorted(path.name for path in tree.glob("plugins/*/src/salience_*"))
    for name in ("salience", *plugins):
        spec = importlib.util.find_spec(name)
        if spec is None and name != "salience":
            continue  # a plugin that is not installed
        origin = Path(spec.origin) if spec is not None and spec.origin is not None else None
        if origin is None or tree.resolve() not in origin.resolve().parents:
            raise ImportError(f"{name} is imported from {origin}, not from {tree}")


class Rows:
    """The rows of a tree, of which one is ready to be timed."""

    def __init__(self) -> None:
        self._run: Callable[[], object] | None = None
        self._stopwatch = _stopwatch()

    def list(self) -> dict[str, Any]:
        """The names of the rows, and by script why one has none."""
        names, broken = list(CALLS), {}
        for script in import_module("run_all").TASKS:
            try:
                names += [row for row, _ in _rows(script, quick=True)]
            except Exception as error:
                broken[script] = _said(error)
        return {"rows": names, "broken": broken}

    def prepare(self, row: str, quick: bool, batch: int | None) -> dict[str, Any]:
        """Make a row ready, which runs it once or more and so fills caches.

        Args:
            row: Its name.
            quick: Whether its task is to be small.
            batch: The size of batches; the fastest is searched for where ``None``.

        Returns:
            What the task says of itself, the size of batches, and a summary of the saliency.
        """
        self.drop()
        about, contender = _row(row, quick)
        if not contender.batches:
            batch = 0
        elif batch is None:
            contender.run(max(contender.batches))
            batch = self._stopwatch.fastest(contender.run, contender.batches)
        found = contender.run(batch)
        run, size = contender.run, batch
        self._run = lambda: run(size)
        values = found[0] if isinstance(found, tuple) else found
        return {"about": about, "batch": batch, "values": summary(values)}

    def time(self) -> dict[str, Any]:
        """The seconds of a run."""
        assert self._run is not None
        return {"seconds": self._stopwatch.once(self._run)}

    def drop(self) -> dict[str, Any]:
        """Free the memory of the row that is ready."""
        self._run = None
        gc.collect()
        self._stopwatch.release()
        return {}


def summary(values: Tensor) -> dict[str, Any]:
    """What tells whether two trees have computed the same, in float64.

    Returns:
        Shape, sum, norm, entries spread evenly over all, and a digest of every bit.
    """
    flat = values.detach().double().flatten().cpu()
    some = flat[:: max(1, -(-len(flat) // ENTRIES))]
    return {
        "shape": list(values.shape),
        "sum": float(flat.sum()),
        "norm": float(flat.norm()),
        "entries": some.tolist(),
        "digest": hashlib.sha256(flat.numpy().tobytes()).hexdigest(),
    }


def _pipes() -> tuple[TextIO, TextIO]:
    """Streams of commands and answers, out of the way of what benchmarks print and read."""
    commands, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return commands, answers


def _answer(rows: Rows, command: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(command)
    try:
        answer: dict[str, Any] = getattr(rows, settings.pop("do"))(**settings)
        return answer
    except Exception as error:
        traceback.print_exc()
        return {"error": _said(error)}


def _said(error: Exception) -> str:
    """An error and its place, in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    where = f"{Path(place.filename).name}, line {place.lineno}"
    return f"{type(error).__name__} in {where}" + (f": {text}" if text else "")


def _stopwatch() -> ModuleType:
    """The module ``measure`` beside this file, so that both trees are timed by the same one.

    It has a name of its own, since the tree's scripts import the tree's by the usual name.
    """
    name = "compare_measure"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("measure.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _rows(script: str, quick: bool) -> Iterator[tuple[str, tuple[str, Contender]]]:
    """Name → what its task says of itself, and the contender, for those that are salience.

    Scripts that do not follow the protocol of tasks have no ``make``, and no rows.
    """
    module = import_module(script)
    if not hasattr(module, "make"):
        return
    torch.manual_seed(0)  # as the harness does before it makes the task
    task: Task = module.make(quick)
    for i, (name, contender) in enumerate(task.contenders.items()):
        if i == 0 or contender.own:
            yield f"{script}: {name}", (f"{task.title}. {task.about}", contender)


def _row(row: str, quick: bool) -> tuple[str, Contender]:
    if row in CALLS:
        return row, _call(CALLS[row])
    return dict(_rows(row.split(": ")[0], quick))[row]


def _call(n_samples: int) -> Contender:
    """The gradient of one row, or the mean of some gradients of noisy ones."""
    from task import Contender, found

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(9, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
    net, rows, domain = net.eval(), torch.randn(1, 9), salience.Tensors()
    draws: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": n_samples}
    settings = draws if n_samples > 1 else {}
    return Contender(lambda _: found(salience.explain(net, rows, domain, **settings)))


if __name__ == "__main__":
    main()
