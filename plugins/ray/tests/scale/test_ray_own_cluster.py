"""A cluster that an executor starts is reached from this machine only, and leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import processes
import pytest
import ray
import scale_models
import torch

from salience import Explainer, InputError, ResultSet, load_model
from salience_ray import RayExecutor

PROGRAM = Path(__file__).with_name("ray_program.py")


class Looking:
    """A worker that tells what it sees of its process."""

    def explain(self, unit: int) -> dict[str, str]:
        return dict(os.environ)


def variables() -> dict[str, str]:
    """The environment, without what Ray notes of its mode when it is imported."""
    return {name: value for name, value in os.environ.items() if name != "RAY_CLIENT_MODE"}


def folders(pids: set[int]) -> set[Path]:
    """Folders of Ray's files that the command lines of processes name."""
    named = [re.findall(r"/tmp/ray-\w+", processes.title_of(pid)) for pid in pids]
    return {Path(name) for names in named for name in names}


def listening(pids: set[int]) -> set[str]:
    """Addresses on which processes listen, in the hexadecimal words of Linux."""
    nodes = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = str(handle.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                nodes.add(target[8:-1])
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in nodes:
                found.add(words[1].partition(":")[0])
    return found


def test_a_cluster_of_its_own_is_private_and_ends(tmp_path: Path) -> None:
    before = set(processes.descendants(os.getpid()))
    environment, handler = variables(), signal.getsignal(signal.SIGTERM)
    results = RayExecutor(processes=2, threads=3).run(Looking(), range(20))
    seen = next(results)
    started = set(processes.descendants(os.getpid())) - before
    addresses, files = listening(started | {os.getpid()}), folders(started)
    n_seen = 1 + len(list(results))
    assert n_seen == 20
    assert addresses == {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, twice
    assert seen["RAY_USAGE_STATS_ENABLED"] == "0"
    assert seen["RAY_AUTH_MODE"] == "token" and len(seen["RAY_AUTH_TOKEN"]) == 64
    assert seen["OMP_NUM_THREADS"] == "3"
    assert started and not any(map(processes.is_running, started))
    assert len(files) == 1 and not any(path.exists() for path in files)
    assert not ray.is_initialized()
    assert variables() == environment
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not (Path.home() / ".ray" / "auth_token").exists()


def test_computations_at_a_time_share_a_cluster() -> None:
    executor = RayExecutor(processes=2)
    one, two = executor.run(Looking(), range(5)), executor.run(Looking(), range(5))
    next(one), next(two)
    assert len(list(one)) == 4
    assert ray.is_initialized()
    assert len(list(two)) == 4
    assert not ray.is_initialized()


def test_an_explainer_runs_on_ray() -> None:
    model, data = load_model("scale_models:table", None), torch.randn(40, 6)
    settings: Any = {"samplers": ["gaussian"], "n_samples": 2}
    one = Explainer(model, "tensor", max_rows=8).explain(data, **settings)
    on_ray = Explainer(model, "tensor", max_rows=8, executor="ray:processes=2")
    torch.testing.assert_close(on_ray.explain(data, **settings).values, one.values, rtol=0, atol=0)


def test_an_item_that_kills_its_process_is_recorded(tmp_path: Path) -> None:
    data = scale_models.rows(4096)
    data[700, 0] = 2 * scale_models.DEADLY
    explainer = Explainer(load_model("scale_models:deadly", None), "tensor", max_rows=64)
    settings: Any = {"unit_items": 256, "executor": "ray:processes=2"}
    begin = time.monotonic()
    results = explainer.explain_dataset(data, tmp_path / "run", **settings)
    assert time.monotonic() - begin < 60
    assert len(results) == 4095
    assert list(results.failed) == [700]
    assert "crashed or was killed" in results.failed[700]


def test_a_cluster_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="cannot join the Ray cluster"):
        list(RayExecutor(address="127.0.0.1:1").run(Looking(), [1]))
    assert not ray.is_initialized()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_program_that_is_stopped_leaves_no_process_and_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    program = subprocess.Popen([sys.executable, PROGRAM, out], stderr=subprocess.DEVNULL)
    started: list[int] = []
    files: set[Path] = set()
    try:
        processes.wait_for(lambda: len(list((out / "units").glob("*.parquet"))) >= 2)
        started = processes.descendants(program.pid)
        files = folders(set(started))
        program.send_signal(number)
        assert program.wait(timeout=30) != 0
    finally:
        program.kill()
        program.wait()
    assert len(started) > 2
    processes.wait_for(lambda: not any(map(processes.is_running, started)), 10)
    assert len(files) == 1
    processes.wait_for(lambda: not any(path.exists() for path in files), 10)
    done = {path.name: path.stat().st_mtime_ns for path in (out / "units").glob("*.parquet")}
    assert 2 <= len(done) < 32
    subprocess.run([sys.executable, PROGRAM, out], check=True, timeout=120)
    now = {path.name: path.stat().st_mtime_ns for path in (out / "units").glob("*.parquet")}
    assert done.items() <= now.items()
    results = ResultSet.open(out)
    assert results.is_complete and len(results) == 500
    assert not [path for path in out.rglob(".*") if not path.name.startswith(".lock")]
