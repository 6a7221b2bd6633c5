"""On Ray, the numbers are those of one thread, whatever happens to processes and nodes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import processes
import pytest
import ray
import scale_models
import torch
from ray.cluster_utils import Cluster

from salience import Explainer, InputError, ResultSet, load_model
from salience_ray import RayExecutor

SMILES = ["CCO", "c1ccccc1O", "CC(=O)O", "CN", "CCCCCl", "C#N", "OCC", "CC(C)C", "O", "CCN"] * 2


def table() -> tuple[Explainer, Any, int]:
    made = Explainer(load_model("scale_models:table", None), "tensor", max_rows=32)
    return made, torch.randn(300, 6, generator=torch.Generator().manual_seed(4)), 64


def photos() -> tuple[Explainer, Any, int]:
    model = load_model("scale_models:photos", None)
    made = Explainer(model, "vision", output="class:1", max_rows=4)
    pixels = torch.randint(0, 256, (12, 20, 24, 3), generator=torch.Generator().manual_seed(5))
    return made, list(pixels.to(torch.uint8).numpy()), 5


def molecules() -> tuple[Explainer, Any, int]:
    model = load_model("scale_models:molecules", None)
    return Explainer(model, "molgraph", target="embed", output="value", max_rows=60), SMILES, 7


KINDS: dict[str, Callable[[], tuple[Explainer, Any, int]]] = {
    "table": table,
    "photos": photos,
    "molecules": molecules,
}
METHODS: dict[str, tuple[Any, ...]] = {
    "integrated gradients": ("integrated_gradients:steps=4", [], 1),
    "smoothgrad": ("gradient", ["gaussian"], 3),
    "bayesgrad": ("gradient", ["mc_dropout"], 3),
}
SLOW: dict[str, Any] = {
    "calculator": "gradient",
    "samplers": ["gaussian"],
    "n_samples": 2,
    "unit_items": 16,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of two nodes with a core each, on this machine."""
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    found.add_node(num_cpus=1)
    yield found
    found.shutdown()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_ray_gives_the_digest_of_one_thread(
    kind: str, method: str, tmp_path: Path, cluster: Cluster
) -> None:
    explainer, data, unit_items = KINDS[kind]()
    digests = []
    for executor in ("serial", RayExecutor(address=cluster.address)):
        out = tmp_path / type(executor).__name__
        settings: Any = {"unit_items": unit_items, "executor": executor}
        results = explainer.explain_dataset(data, out, *METHODS[method], **settings)
        assert results.is_complete
        assert len(results) == len(data)
        digests.append(results.digest())
    assert digests[0] == digests[1]
    assert not ray.is_initialized()


def test_a_connection_of_the_program_is_used_and_left(cluster: Cluster, tmp_path: Path) -> None:
    ray.init(cluster.address, configure_logging=False, log_to_driver=False)
    try:
        explainer, data, unit_items = table()
        explainer.explain_dataset(data, tmp_path / "run", unit_items=unit_items, executor="ray")
        assert ray.is_initialized()
        with pytest.raises(InputError, match=r"call ray\.shutdown"):
            explainer.explain_dataset(data, tmp_path / "2", executor=RayExecutor("10.0.0.1:6379"))
    finally:
        ray.shutdown()


def test_a_worker_is_built_once_a_process(cluster: Cluster) -> None:
    executor = RayExecutor(address=cluster.address)
    found = list(executor.run(Counting(), range(40)))
    assert [unit for unit, _, _ in found] == list(range(40))
    builds: dict[int, set[str]] = {}
    for _, pid, build in found:
        builds.setdefault(pid, set()).add(build)
    assert 1 <= len(builds) <= 2
    assert all(len(each) == 1 for each in builds.values())


def test_units_are_asked_for_as_they_are_needed(cluster: Cluster) -> None:
    asked: list[int] = []

    def units() -> Iterator[int]:
        for unit in range(1000):
            asked.append(unit)
            yield unit

    results = RayExecutor(address=cluster.address).run(Counting(), units())
    assert next(results)[0] == 0
    assert len(asked) <= 16
    results.close()
    assert not ray.is_initialized()


def test_what_a_unit_raises_arrives_as_it_is(cluster: Cluster) -> None:
    results = RayExecutor(address=cluster.address).run(Counting(), [1, 2, "a"])
    with pytest.raises(TypeError, match="no number"):
        list(results)
    assert not ray.is_initialized()


def test_a_process_that_no_node_has_room_for_is_refused(cluster: Cluster) -> None:
    for executor in (
        RayExecutor(address=cluster.address, threads=2),
        RayExecutor(address=cluster.address, gpus=1),
    ):
        with pytest.raises(InputError, match="pass fewer threads or gpus"):
            list(executor.run(Counting(), [1]))


def test_a_worker_that_does_not_pickle_is_refused(cluster: Cluster) -> None:
    worker = Counting()
    worker.lock = threading.Lock()
    with pytest.raises(InputError, match="cannot be sent to another process"):
        list(RayExecutor(address=cluster.address).run(worker, [1]))


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"processes": 0}, "processes"), ({"threads": True}, "threads"), ({"gpus": -1}, "gpus")],
)
def test_settings_are_checked(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        RayExecutor(**settings)


class Counting:
    """A worker that tells unit, process and which building of the worker it was."""

    def __init__(self) -> None:
        self.build = os.urandom(4).hex()

    def explain(self, unit: Any) -> tuple[int, int, str]:
        if not isinstance(unit, int):
            raise TypeError("no number")
        return unit, os.getpid(), self.build

    def __reduce__(self) -> Any:
        return (Counting, (), {k: v for k, v in vars(self).items() if k != "build"})


def test_a_node_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    explainer = Explainer(load_model("scale_models:slow", None), "tensor", max_rows=8)
    serial = explainer.explain_dataset(scale_models.rows(), tmp_path / "serial", **SLOW)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        killer = threading.Thread(target=_kill_node, args=(cluster, node, tmp_path / "ray"))
        killer.start()
        executor = RayExecutor(address=cluster.address)
        results = explainer.explain_dataset(
            scale_models.rows(), tmp_path / "ray", **SLOW, executor=executor
        )
        killer.join()
        alive = [each for each in cluster.list_all_nodes() if each is not node]
        assert len(alive) == 1
    finally:
        cluster.shutdown()
    assert results.is_complete and results.failed == {}
    assert results.digest() == serial.digest()


def _kill_node(cluster: Cluster, node: Any, out: Path) -> None:
    processes.wait_for(lambda: len(list((out / "units").glob("*.parquet"))) >= 4)
    cluster.remove_node(node, allow_graceful=False)


def test_processes_that_are_killed_cost_nothing(tmp_path: Path) -> None:
    explainer = Explainer(load_model("scale_models:slow", None), "tensor", max_rows=8)
    serial = explainer.explain_dataset(scale_models.rows(), tmp_path / "serial", **SLOW)
    killed: list[int] = []
    before = processes.descendants(os.getpid())

    def kill() -> None:
        for number in range(10):
            done = 2 * number + 1
            processes.wait_for(
                lambda done=done: len(list((tmp_path / "ray/units").glob("*.parquet"))) >= done
            )
            processes.wait_for(processes.explaining)
            killed.append(processes.explaining()[0])
            os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    results = explainer.explain_dataset(
        scale_models.rows(), tmp_path / "ray", **SLOW, executor="ray:processes=2"
    )
    killer.join()
    assert len(killed) == 10
    assert results.is_complete and results.failed == {}
    assert results.digest() == serial.digest()
    assert not set(processes.descendants(os.getpid())) - set(before)
    assert ResultSet.open(tmp_path / "ray").is_complete
