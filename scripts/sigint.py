"""Send this process SIGINT in the middle of explanations, and see whether anything is left behind.

Half of the interrupts come at random moments, from another process; the others at a line of core
each, all lines in turn where ``--number`` allows. After each one, modes, hooks, flags, generators,
threads and files are as before, what arrived was a KeyboardInterrupt, and the same explanation
gives the same numbers. ``make sigint`` sends 1000.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import salience
from salience import IntegratedGradients, Occlusion, Posterior, Target, Tensors

Job = Callable[[], Any]
# File and line.
Site = tuple[str, int]

_CORE = f"{Path(salience.__file__).parent}{os.sep}"
_TORCH = (f"torch{os.sep}overrides.py", f"torch{os.sep}autograd{os.sep}grad_mode.py")
# Sends SIGINT to its parent, after as many seconds as each line of its input says.
_SENDER = """
import os, signal, sys, time
for line in sys.stdin:
    time.sleep(float(line))
    os.kill(os.getppid(), signal.SIGINT)
"""


class _Drawn:
    """A posterior of a few weights, which draws from torch and, if asked, from numpy."""

    def __init__(self, net: nn.Module, numpy: bool) -> None:
        self.mean, self.numpy = dict(net.state_dict()), numpy

    def sample(self) -> dict[str, Tensor]:
        scale = np.random.rand() if self.numpy else 1.0
        return {n: v + 0.05 * scale * torch.randn_like(v) for n, v in self.mean.items()}


def jobs(net: nn.Module, images: nn.Module, folder: Path) -> dict[str, Job]:
    """Explanations of many kinds, each of which returns its values."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, generator=generator)
    photos = torch.randn(2, 3, 8, 8, generator=generator)
    dense = Tensors(axes=("item", "channel", "height", "width"))
    inner, window = Target("0", axes=("item", "unit")), {"height": 4, "width": 4}
    torn: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 4, "progress": False}

    def explain(*given: Any, data: Any = x, domain: Any = None, **more: Any) -> Any:
        own = {"max_rows": 16, "progress": False} | more
        model = images if data is photos else net
        return salience.explain(model, data, domain or Tensors(), *given, **own).values

    def stream() -> Tensor:
        explainer = salience.Explainer(net, Tensors(), max_rows=16)
        chunks = (x[i : i + 2] for i in (0, 2))
        found = explainer.stream(chunks, samplers=["gaussian"], n_samples=2)
        return torch.cat([one.values for one in found])

    def kept() -> Any:
        explainer = salience.Explainer(net, Tensors(), max_rows=16)
        return explainer.aggregate(explainer.compute(x, **torn), "raw").values

    def saved() -> Any:
        found = salience.explain(net, x, Tensors(), progress=False)
        found.save(folder / "found.salience")
        return found.values

    dropout: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 2}
    return {
        "gradient": lambda: explain(),
        "smoothgrad": lambda: explain(**torn),
        "integrated": lambda: explain(IntegratedGradients(steps=4)),
        "inner": lambda: explain(IntegratedGradients(steps=4), target=inner, **dropout),
        "dropout": lambda: explain(**dropout),
        "posterior": lambda: explain(samplers=[Posterior(_Drawn(net, False))], n_samples=3),
        "numpy": lambda: explain(samplers=[Posterior(_Drawn(net, True))], n_samples=3),
        "weights": lambda: explain(samplers=["weight_noise"], n_samples=3),
        "photos": lambda: explain(Occlusion(window=window), data=photos, domain=dense),
        "folded": lambda: explain(data=photos, domain=dense, **torn),
        "devices": lambda: explain(device=["cpu", "cpu"], **torn),
        "bf16": lambda: explain(precision="bf16"),
        "stream": stream,
        "kept": kept,
        "saved": saved,
    }


def look(models: Sequence[nn.Module], folder: Path) -> dict[str, Any]:
    """All that an interrupt could leave otherwise, to be compared by ``==``."""
    modules = [module for model in models for module in model.modules()]
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    numpy: Any = np.random.get_state()
    return {
        "function modes": torch._C._len_torch_function_stack(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.is_autocast_cache_enabled()),
        "algorithms": (
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.enabled,
            torch.backends.cudnn.benchmark,
        ),
        "dtype": torch.get_default_dtype(),
        "filters": list(warnings.filters),
        "handler": signal.getsignal(signal.SIGINT),
        "modules": [
            (module.training, *(len(getattr(module, name)) for name in hooks)) for module in modules
        ],
        "parameters": [p.requires_grad for model in models for p in model.parameters()],
        "weights": [p.detach().clone().numpy().tobytes() for m in models for p in m.parameters()],
        "generators": (
            random.getstate(),
            numpy[1].tobytes(),
            numpy[2:],
            torch.get_rng_state().numpy().tobytes(),
        ),
        "threads": [t.name for t in threading.enumerate() if type(t).__module__ != "tqdm._monitor"],
        "files": sorted(path.name for path in folder.iterdir() if path.name != "found.salience"),
    }


def _ours(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith(_CORE) or name.endswith(_TORCH)


def sites(job: Job) -> list[Site]:
    """The lines of core, and of torch's modes, that a job runs in the main thread."""
    seen: dict[Site, None] = {}
    traced(job, lambda site: seen.setdefault(site))
    return list(seen)


def at_line(job: Job, wanted: Site) -> None:
    """Run a job and send SIGINT when it first comes to a line."""

    def visit(site: Site) -> None:
        if site == wanted:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)

    traced(job, visit)


def traced(job: Job, visit: Callable[[Site], object]) -> None:
    """Run a job, and call ``visit`` at each line of core, and of torch's modes."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not _ours(frame):
            return None
        if event == "line":
            visit((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        job()
    finally:
        sys.settrace(None)


class Interrupts:
    """Sends interrupts into jobs and counts what went wrong.

    Args:
        folder: Folder for files.
        seed: Seed of the moments.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))
        images = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
        )
        self.models, self.folder = (net.eval(), images.eval()), folder
        self.jobs = jobs(net, images, folder)
        self.bad: list[str] = []
        self.sent = self.arrived = 0
        self.random = random.Random(seed)
        self.truth, self.seconds = {}, {}
        for name, job in self.jobs.items():
            job()
            began = time.perf_counter()
            self.truth[name] = job()
            self.seconds[name] = time.perf_counter() - began

    def send(self, name: str, run: Callable[[], object], where: str) -> None:
        """Run something that is interrupted, and compare what is there before and behind it."""
        before = look(self.models, self.folder)
        self.sent += 1
        faults = []
        try:
            run()
        except KeyboardInterrupt:
            self.arrived += 1
        except BaseException as error:
            faults.append(f"raised {type(error).__name__}: {error}")
        else:
            if where != "at random":
                faults.append("the interrupt did not arrive")
        after = look(self.models, self.folder)
        faults += [f"{what} left" for what in before if before[what] != after[what]]
        if before["threads"] != after["threads"]:
            faults.append(f"threads {before['threads']} became {after['threads']}")
        try:
            if not torch.equal(self.jobs[name](), self.truth[name]):
                faults.append("other numbers afterwards")
        except BaseException as error:
            faults.append(f"afterwards {type(error).__name__}: {error}")
        if faults:
            self.bad.append(f"{name}, {where}: {'; '.join(faults)}")

    def at_random(self, number: int, until: float) -> None:
        """Send interrupts from another process at random moments of random jobs."""
        names = sorted(self.jobs)
        with subprocess.Popen(
            [sys.executable, "-c", _SENDER], stdin=subprocess.PIPE, text=True
        ) as sender:
            assert sender.stdin is not None
            for _ in range(number):
                if time.monotonic() > until:
                    break
                name = self.random.choice(names)
                delay = self.random.uniform(0, self.seconds[name])

                def run(name: str = name, delay: float = delay) -> None:
                    print(delay, file=sender.stdin, flush=True)
                    self.jobs[name]()
                    time.sleep(delay + 5)  # an interrupt that comes late

                self.send(name, run, "at random")
            sender.stdin.close()

    def at_lines(self, number: int, until: float) -> None:
        """Send interrupts at lines of core, in turn."""
        found = [(name, site) for name, job in self.jobs.items() for site in sites(job)]
        self.random.shuffle(found)
        # Each line once, whatever the job, before a line comes again.
        first = list({site: (name, site) for name, site in found}.values())
        rest = [entry for entry in found if entry not in set(first)]
        for name, site in (first + rest)[:number]:
            if time.monotonic() > until:
                break
            where = f"{Path(site[0]).relative_to(Path(site[0]).parents[1])}:{site[1]}"
            self.send(name, partial(at_line, self.jobs[name], site), where)


def main() -> int:
    """Send the interrupts; the exit status is 1 where one left something behind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=1000, help="interrupts to send")
    parser.add_argument("--seconds", type=float, default=3600, help="stop after that long")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        interrupts = Interrupts(Path(folder), options.seed)
        half = options.number // 2
        interrupts.at_lines(half, began + options.seconds / 2)
        interrupts.at_random(options.number - interrupts.sent, began + options.seconds)
    for sentence in interrupts.bad:
        print(sentence)
    print(
        f"{interrupts.sent} interrupts, {interrupts.arrived} arrived, {len(interrupts.bad)} bad, "
        f"{time.monotonic() - began:.0f} s"
    )
    return int(bool(interrupts.bad))


if __name__ == "__main__":
    sys.exit(main())
