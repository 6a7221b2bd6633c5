"""A process of the pool, and what runs in it.

The process is started by its own command and not forked, so that it gets the environment that it
needs, and imports nothing of the user's main script. It has two pipes: one for units and results,
and one that only closes when the process that started it ends.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from salience.engine.executors.outcomes import failure, outcome_of, result_of
from salience.errors import InputError, brief
from salience.support.allocator import tune_allocator

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_COMMAND = (
    "import sys; sys.path[:] = {path!r}; from salience.engine.executors.process import serve; "
    "serve({pipe}, {lifeline}, {parent})"
)
# From Linux's prctl.h: the signal that a process gets when the one that started it ends.
_PR_SET_PDEATHSIG = 1


class DiedError(Exception):
    """Raised where a process has ended; the message says how."""


class Process:
    """A process that builds a worker and explains units.

    Args:
        worker: The worker, pickled.
        threads: Number of threads of torch.

    Attributes:
        pipe: Readable where there is a result, or the process has died.
        ready: Whether the worker is built.
        unit: Number of the unit that is being explained; ``None`` where there is none.
    """

    def __init__(self, worker: bytes, threads: int) -> None:
        self.pipe, other = Pipe()
        lifeline, self._held = os.pipe()
        self.ready = False
        self.unit: int | None = None
        command = _COMMAND.format(
            path=sys.path, pipe=other.fileno(), lifeline=lifeline, parent=os.getpid()
        )
        environment = os.environ | dict.fromkeys(_THREADS, str(threads))
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", command],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=(other.fileno(), lifeline),
                start_new_session=True,  # Ctrl-C in a terminal goes to all of a session
            )
        finally:
            other.close()
            os.close(lifeline)
        self.pid = self._popen.pid
        with suppress(OSError):  # it has died, which take() finds
            self.pipe.send_bytes(worker)

    def give(self, number: int, unit: Any) -> None:
        """Hand over a unit.

        Raises:
            InputError: The unit cannot be sent.
        """
        try:
            sent = pickle.dumps((number, unit))
        except Exception as error:
            raise InputError(
                f"the data cannot be sent to another process ({brief(error)}); pass files, arrays "
                f"or 'module:name' of the data, or executor='serial'"
            ) from error
        self.unit = number
        with suppress(OSError):
            self.pipe.send_bytes(sent)

    def take(self) -> tuple[int, Any] | None:
        """Number of the unit that is done and its result; ``None`` where the worker is built.

        Raises:
            DiedError: The process has died.
            Exception: What the unit raised.
        """
        try:
            outcome = self.pipe.recv_bytes()
        except (EOFError, OSError) as error:
            raise DiedError(self._ending()) from error
        value = result_of(outcome)
        if not self.ready:
            self.ready = True
            return None
        self.unit, number = None, self.unit
        assert number is not None
        return number, value

    def _ending(self) -> str:
        code = self._popen.wait()
        if code >= 0:
            return f"it ended with status {code}"
        return f"it was ended by {signal.Signals(-code).name}"

    def kill(self) -> None:
        """Let the process end at once."""
        with suppress(OSError):
            self._popen.kill()

    def end(self) -> None:
        """Wait until the process is gone, and close its pipes."""
        self.kill()
        self._popen.wait()
        self.pipe.close()
        with suppress(OSError):
            os.close(self._held)


def serve(pipe: int, lifeline: int, parent: int) -> None:
    """Explain the units that come, until the process that started this one ends.

    Args:
        pipe: Descriptor of the pipe for units and results.
        lifeline: Descriptor of the pipe that closes when the other process ends.
        parent: Number of the other process.
    """
    _end_with(parent, lifeline)
    tune_allocator()
    connection = Connection(pipe)
    try:
        worker = _unpickled(connection.recv_bytes())
        connection.send_bytes(outcome_of(bool))  # it is built
        while True:
            _, unit = pickle.loads(connection.recv_bytes())
            connection.send_bytes(outcome_of(worker.explain, unit))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except BaseException as error:
        connection.send_bytes(failure(error))


def _unpickled(worker: bytes) -> Any:
    """The worker.

    Raises:
        InputError: It cannot be made in this process.
    """
    try:
        return pickle.loads(worker)
    except (AttributeError, ImportError) as error:
        raise InputError(
            f"the parts of the computation cannot be made in another process ({brief(error)}); "
            f"define classes and functions in a module that can be imported, not in the script"
        ) from error


def _end_with(parent: int, lifeline: int) -> None:
    """Let this process end when the one that started it does, however that ends."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
