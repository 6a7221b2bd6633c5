"""Processes are killed, items are broken, disks are full: what is lost is known exactly.

Only processes that a test started are killed, each by its number.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scale_models
import torch

from salience import Executor, Explainer, InputError, Report, ResultSet, load_model
from salience_tabular import Tabular

PROGRAM = Path(__file__).with_name("driver_program.py")
UNITS = 32  # of 16 items


def children_of(pid: int) -> list[int]:
    """Numbers of the processes that a process has started, and that run."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def files(out: Path) -> dict[str, tuple[int, int]]:
    """Name → inode and time of change of each file of a unit."""
    found = {}
    for path in (out / "units").glob("*.parquet"):
        stat = path.stat()
        found[path.name] = (stat.st_ino, stat.st_mtime_ns)
    return found


def temporary(out: Path) -> list[Path]:
    return [path for path in out.rglob(".*") if not path.name.startswith(".lock")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the program's run, of which nothing is killed."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    subprocess.run([sys.executable, PROGRAM, out, "serial"], check=True, timeout=120)
    return ResultSet.open(out).digest()


def test_workers_that_are_killed_cost_nothing(tmp_path: Path, undisturbed: str) -> None:
    out, choose = tmp_path / "run", random.Random(0)
    program = subprocess.Popen([sys.executable, PROGRAM, out, "pool:processes=2"])
    try:
        for number in range(10):
            done = 2 * number + 1
            wait_for(lambda done=done: (out / "units").is_dir() and len(files(out)) >= done)
            time.sleep(choose.random() * 0.05)
            wait_for(lambda: children_of(program.pid))
            os.kill(choose.choice(children_of(program.pid)), signal.SIGKILL)
        assert program.wait(timeout=120) == 0
    finally:
        program.kill()
        program.wait()
    results = ResultSet.open(out)
    assert results.is_complete and len(results) == 500 and results.failed == {}
    assert results.digest() == undisturbed
    assert temporary(out) == []


@pytest.mark.parametrize("executor", ["serial", "pool:processes=2"])
def test_a_driver_that_is_killed_goes_on_where_it_stopped(
    executor: str, tmp_path: Path, undisturbed: str
) -> None:
    out, choose = tmp_path / "run", random.Random(1)
    for _ in range(10 if executor == "serial" else 4):
        before = files(out) if out.exists() else {}
        program = subprocess.Popen([sys.executable, PROGRAM, out, executor])
        started: list[int] = []
        try:
            wait_for(lambda before=before: len(files(out)) > len(before))
            time.sleep(choose.random() * 0.1)
            started = children_of(program.pid)
        finally:
            program.kill()
            program.wait()
        wait_for(lambda started=started: not any(map(is_running, started)), 10)
        after = files(out)
        assert before.items() <= after.items()  # what is done is never computed again
        if len(after) >= UNITS - 2:
            break
    subprocess.run([sys.executable, PROGRAM, out, executor], check=True, timeout=120)
    results = ResultSet.open(out)
    assert after.items() <= files(out).items()
    assert results.is_complete and len(results) == 500
    assert results.digest() == undisturbed
    assert temporary(out) == []


def test_a_program_that_is_killed_at_the_index_leaves_it_to_the_next(tmp_path: Path) -> None:
    out = tmp_path / "run"
    explainer = Explainer(load_model("scale_models:table", None), "tabular", output="class:0")
    settings: dict[str, Any] = {"unit_items": 64, "ids": [f"row {i}" for i in range(500)]}
    explainer.explain_dataset(scale_models.rows(), out, **settings)
    before = files(out)
    (out / "index").rename(out / ".tmp-index-0123456789ab")  # as it is while it is written
    results = explainer.explain_dataset(scale_models.rows(), out, **settings)
    assert (out / "index").is_dir() and temporary(out) == []
    assert files(out) == before and results.loc["row 17"].positions == [17]


@pytest.mark.parametrize("executor", ["serial", "threads:devices=[cpu,cpu]", "pool:processes=2"])
def test_an_interrupt_leaves_a_folder_that_goes_on(
    executor: str, tmp_path: Path, undisturbed: str
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, PROGRAM, out, executor]
    program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: (out / "units").is_dir() and len(files(out)) >= 2)
        started = children_of(program.pid)
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=20) != 0
    finally:
        program.kill()
        _, said = program.communicate()
    assert "KeyboardInterrupt" in said
    assert not any(map(is_running, started))
    assert temporary(out) == []
    subprocess.run(command, check=True, timeout=120)
    assert ResultSet.open(out).digest() == undisturbed


@pytest.mark.parametrize(
    ("settings", "position"),
    [({"unit_items": 256, "max_rows": 64}, 3000), ({}, 0)],
    ids=["given", "piloted"],
)
def test_one_deadly_item_among_4096_is_recorded(
    settings: dict[str, Any], position: int, tmp_path: Path
) -> None:
    data = scale_models.rows(4096)
    data[position, 0] = 2 * scale_models.DEADLY
    model = load_model("scale_models:deadly", None)
    explainer = Explainer(model, "tensor", max_rows=settings.pop("max_rows", "auto"))
    begin = time.monotonic()
    results = explainer.explain_dataset(
        data, tmp_path / "run", **settings, executor="pool:processes=2"
    )
    assert time.monotonic() - begin < 60
    assert len(results) == 4095
    assert list(results.failed) == [position]
    assert "SIGKILL" in results.failed[position]
    assert position not in results.positions
    assert temporary(tmp_path / "run") == []


def test_where_all_items_are_deadly_the_run_ends(tmp_path: Path) -> None:
    data = torch.full((1, 6), 2 * scale_models.DEADLY)
    explainer = Explainer(load_model("scale_models:deadly", None), "tensor")
    with pytest.raises(InputError, match=r"processes that look at items of the data die \(it was"):
        explainer.explain_dataset(data, tmp_path / "run", executor="pool:processes=1")
    explainer = Explainer(load_model("scale_models:table", None), "tensor")
    assert len(explainer.explain_dataset(data, tmp_path / "run")) == 1


def test_a_deadly_item_stops_a_run_that_records_no_errors(tmp_path: Path) -> None:
    data = scale_models.rows(300)
    data[200, 0] = 2 * scale_models.DEADLY
    explainer = Explainer(load_model("scale_models:deadly", None), "tensor", max_rows=64)
    settings: Any = {"unit_items": 50, "executor": "pool:processes=2", "on_error": "raise"}
    with pytest.raises(InputError, match="item 200 cannot be explained"):
        explainer.explain_dataset(data, tmp_path / "run", **settings)


@pytest.mark.parametrize("executor", ["serial", "pool:processes=1"])
def test_items_that_cannot_be_read_are_recorded(executor: str, tmp_path: Path) -> None:
    data = scale_models.rows(300)
    data[[5, 170, 299]] = torch.nan
    explainer = Explainer(load_model("scale_models:table", None), "tensor", max_rows=64)
    settings: Any = {"unit_items": 64, "executor": executor, "labels": ["a", "b", "c"] * 100}
    results = explainer.explain_dataset(data, tmp_path / "run", **settings)
    assert list(results.failed) == [5, 170, 299]
    for position, text in results.failed.items():
        assert f"InputError: item {position}" in text
    assert len(results) == 297 and len(results.explanation()) == 297
    assert results.loc[171].explanation().ids == [171]
    assert len(results.where(label="c")) == 97
    expected = explainer.explain(data[171:172], ids=[171])
    torch.testing.assert_close(results.loc[171].explanation().values, expected.values)


class Centred(torch.nn.Linear):
    """A model of which rows influence each other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x - x.mean(0)).square()


def test_an_item_that_cannot_be_read_spares_no_proof(tmp_path: Path) -> None:
    data = scale_models.rows(300)
    data[5] = torch.nan
    model, kept = Centred(6, 1), [i for i in range(300) if i != 5]
    explainer = Explainer(model, "tensor", output="value", max_rows=64)
    results = explainer.explain_dataset(data, tmp_path / "run")
    single = Explainer(model, "tensor", output="value", max_rows=1).explain(data[kept])
    torch.testing.assert_close(results.explanation().values, single.values)


def test_an_item_that_fails_stops_a_run_that_records_no_errors(tmp_path: Path) -> None:
    data = scale_models.rows(300)
    data[170] = torch.nan
    explainer = Explainer(load_model("scale_models:table", None), "tensor", max_rows=64)
    with pytest.raises(InputError, match="NaN"):
        explainer.explain_dataset(data, tmp_path / "run", unit_items=64, on_error="raise")
    assert len(ResultSet.open(tmp_path / "run")) == 128
    assert temporary(tmp_path / "run") == []


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = Explainer(load_model("scale_models:table", None), "tensor", max_rows=64)
    plain, calls = os.fsync, iter(range(1000))

    def full(handle: int) -> None:
        if next(calls) > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(handle)

    out = tmp_path / "run"
    with monkeypatch.context() as patched, pytest.raises(InputError, match="No space left") as told:
        patched.setattr(os, "fsync", full)
        explainer.explain_dataset(scale_models.rows(), out, unit_items=10)
    assert "make room and run again" in str(told.value)
    assert 0 < len(ResultSet.open(out)) < 500
    assert temporary(out) == []
    assert len(explainer.explain_dataset(scale_models.rows(), out)) == 500


def test_a_unit_that_is_lost_or_damaged_is_computed_again(tmp_path: Path) -> None:
    out, explainer = tmp_path / "run", Explainer(load_model("scale_models:table", None), "tensor")
    settings: Any = {"unit_items": 100, "ids": [f"row {i}" for i in range(500)]}
    digest = explainer.explain_dataset(scale_models.rows(), out, **settings).digest()
    unit = out / "units" / "000000002.parquet"
    whole = unit.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:2000] + bytes(500) + whole[2500:]):
        unit.write_bytes(damaged)
        with pytest.raises(InputError, match=r"is missing or damaged .* remove it"):
            ResultSet.open(out).explanation()
    unit.unlink()
    assert len(ResultSet.open(out)) == 400
    assert ResultSet.open(out).loc["row 350"].positions == [350]
    assert explainer.explain_dataset(scale_models.rows(), out, **settings).digest() == digest


def test_two_programs_do_not_compute_one_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    program = subprocess.Popen([sys.executable, PROGRAM, out, "serial"])
    explainer = Explainer(load_model("scale_models:slow", None), "tensor", max_rows=8)
    settings: Any = {"samplers": ["gaussian"], "n_samples": 2, "unit_items": 16}
    try:
        wait_for(lambda: (out / "units").is_dir() and files(out))
        seen = len(ResultSet.open(out))  # a run that goes on can be asked
        assert 0 < seen <= 500
        with pytest.raises(InputError, match="another program computes the run"):
            explainer.explain_dataset(scale_models.rows(), out, **settings)
    finally:
        program.kill()
        program.wait()


def test_a_pool_that_cannot_begin_says_so() -> None:
    from salience.engine.executors.process import Process

    model = load_model("scale_models:table", None)
    explainer = Explainer(model, "tensor", executor="pool:processes=1")
    plain = Process.__init__

    def killed(self: Process, worker: bytes, threads: int) -> None:
        plain(self, worker, threads)
        os.kill(self.pid, signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Process, "__init__", killed)
        with pytest.raises(InputError, match="die before they begin"):
            explainer.explain(torch.randn(4, 6))


class Idle(Executor):
    """Gives reports without any work.

    Args:
        reported: The units of which there are reports, from those that it is given.
    """

    def __init__(self, reported: Callable[[list[Any]], list[Any]]) -> None:
        self.reported = reported

    def run(self, worker: Any, units: Iterable[Any]) -> Iterator[Any]:
        yield from self.reported([Report(unit.bare) for unit in units])


@pytest.mark.parametrize(
    ("reported", "what"),
    [
        (lambda reports: reports[:-1], "fewer results than units"),
        (lambda reports: reports[::-1], "reports in another order"),
        (lambda reports: [*reports, reports[0]], "more results than units"),
        (lambda reports: [7], "returned 7, expected the reports of ranges"),
        (lambda reports: [reports[0].nothing], "raised AttributeError"),
    ],
)
def test_an_executor_that_loses_units_is_named(
    reported: Callable[[list[Any]], list[Any]], what: str, tmp_path: Path
) -> None:
    explainer = Explainer(load_model("scale_models:table", None), "tensor", max_rows=64)
    with pytest.raises(InputError, match="executor 'Idle' .*" + what):
        explainer.explain_dataset(
            scale_models.rows(), tmp_path / "run", unit_items=64, executor=Idle(reported)
        )


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = set(children_of(os.getpid()))
    yield
    wait_for(lambda: not [c for c in children_of(os.getpid()) if c not in before], 10)


@pytest.mark.parametrize("executor", ["serial", "pool:processes=1"])
def test_many_items_in_front_that_cannot_be_read_hide_no_others(
    executor: str, tmp_path: Path
) -> None:
    data = scale_models.rows(1000)
    data[:400] = torch.nan
    explainer = Explainer(load_model("scale_models:table", None), "tensor", max_rows=64)
    for _ in range(2):
        results = explainer.explain_dataset(
            data, tmp_path / "run", unit_items=200, executor=executor
        )
        assert results.positions == [*range(400, 1000)] and len(results.failed) == 400
    data[:] = torch.nan
    with pytest.raises(InputError, match="item 0 holds NaN"):
        explainer.explain_dataset(data, tmp_path / "none", executor=executor)
    assert not (tmp_path / "none" / "manifest.json").exists()


def test_broken_items_are_found_in_one_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = pd.DataFrame(scale_models.rows(64).numpy(), columns=list("abcdef"))
    given.iloc[::3, 1] = np.nan
    explainer = Explainer(load_model("scale_models:table", None), "tabular", max_rows=64)
    read: list[int] = []
    inner = Tabular._load

    def counted(domain: Tabular, data: Any) -> Any:
        read.append(len(data))
        return inner(domain, data)

    monkeypatch.setattr(Tabular, "_load", counted)
    results = explainer.explain_dataset(given, tmp_path / "run", unit_items=64)
    assert len(results.failed) == 22 and results.positions == [n for n in range(64) if n % 3]
    assert read.count(64) < 10 and len(read) < 150  # those of the pilot among them
    expected = explainer.explain(given.iloc[results.positions])
    torch.testing.assert_close(results.explanation().values, expected.values)
