"""Ray's clusters: one that is started for a while, or one that is there and is joined."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from salience import InputError
from salience.errors import brief
from salience_ray.guard import Guard, descendants

# The variable that names the function which breakpoint() calls.
_BREAKPOINT = "PYTHONBREAKPOINT"
# Seconds within which a cluster must answer.
_REACHED = 10.0


@dataclass
class _Connection:
    """The connection of this program to Ray, of which there is at most one.

    Args:
        users: Number of computations that use it.
        ours: Whether it was made here, so that it ends with the last computation.
    """

    users: int = 0
    ours: bool = False


_connection, _lock = _Connection(), threading.Lock()


@dataclass(frozen=True)
class Wanted:
    """The cluster that is wanted.

    Args:
        address: Address of the one to join; ``None`` to start one.
        cores: Number of cores of the one that is started.
        threads: Number of threads of torch in each of its processes.
    """

    address: str | None
    cores: int
    threads: int


@contextmanager
def connected(wanted: Wanted) -> Iterator[None]:
    """A context in which this program is connected to a cluster.

    A connection that the program has already is used, and left as it is. One that is made here is
    shared by all computations that run at a time, and ends with the last of them; so does a cluster
    that was started here, with all its processes and files.

    Raises:
        InputError: There is no such cluster, or it cannot be started.
    """
    with _lock:
        if ray.is_initialized():
            _check_same(wanted.address)
        else:
            _connection.ours = True
            _connect(wanted)
        _connection.users += 1
    try:
        yield
    finally:
        with _lock:
            _connection.users -= 1
            if not _connection.users and _connection.ours:
                _connection.ours = False
                _disconnect()


def room(threads: int, gpus: float) -> int:
    """Number of processes that the nodes of the cluster have room for.

    Args:
        threads: Number of cores that a process takes.
        gpus: Number of GPUs that it takes.
    """
    total = 0
    for node in ray.nodes():
        has: dict[str, float] = node["Resources"] if node["Alive"] else {}
        fits = int(has.get("CPU", 0) // threads)
        total += min(fits, int(has.get("GPU", 0) / gpus + 1e-9)) if gpus else fits
    return total


def _check_same(address: str | None) -> None:
    """Raise InputError where this program is connected to another cluster than the one wanted."""
    now = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", now):
        raise InputError(
            f"this program is connected to the Ray cluster at {now!r}, not {brief(address, 60)}; "
            f"leave address out to use it, or call ray.shutdown() first"
        )


# What was in place before this program was connected: the handler of SIGTERM, and the folder with
# the files of a cluster that was started here.
_former: dict[str, Any] = {}


def _connect(wanted: Wanted) -> None:
    # Ray sets both.
    _former["handler"] = signal.getsignal(signal.SIGTERM)
    _former["breakpoint"] = os.environ.get(_BREAKPOINT)
    settings: dict[str, Any] = {"configure_logging": False, "log_to_driver": False}
    try:
        if wanted.address is None:
            _start(wanted, settings)
        else:
            _check_reached(wanted.address)
            ray.init(wanted.address, **settings)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        _disconnect()
        what = "start a Ray cluster" if wanted.address is None else "join the Ray cluster"
        raise InputError(
            f"cannot {what} ({brief(error)}); pass the address of one that runs, or leave it out "
            f"to start one on this machine"
        ) from error
    except BaseException:
        _disconnect()
        raise


def _check_reached(address: str) -> None:
    """Raise OSError where nothing answers at an address, to which Ray would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _REACHED).close()


def _start(wanted: Wanted, settings: dict[str, Any]) -> None:
    """Start a cluster that is reached from this machine only, and only with a token of its own."""
    # The paths of Ray's sockets are long, and systems limit them to some 100 characters.
    folder = _former["folder"] = tempfile.mkdtemp(
        prefix="ray-", dir="/tmp" if Path("/tmp").is_dir() else None
    )
    threads = str(wanted.threads)
    environment = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # Without this, Ray takes the address in the network instead of that of the loopback.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
    }
    others = set(descendants(os.getpid()))
    with _environment(environment):
        _read_again()
        ray.init(
            "local",
            num_cpus=wanted.cores,
            include_dashboard=False,
            _temp_dir=folder,
            **settings,
        )
    started = [pid for pid in descendants(os.getpid()) if pid not in others]
    _former["guard"] = Guard(started, folder)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Environment variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            _set_variable(name, value)


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _read_again() -> None:
    """Let Ray read its settings and token again, which it keeps from when it was imported."""
    raylet: Any = ray._raylet  # ray.init itself does both where it makes a token
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


def _disconnect() -> None:
    """End the connection, and a cluster that was started here."""
    try:
        ray.shutdown()
    finally:
        _set_variable(_BREAKPOINT, _former.pop("breakpoint", None))
        handler = _former.pop("handler", None)
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
        if guard := _former.pop("guard", None):
            guard.end()
        if folder := _former.pop("folder", None):
            _read_again()
            shutil.rmtree(folder, ignore_errors=True)
