"""Ctrl-C arrives as KeyboardInterrupt and leaves nothing; other threads keep their numbers."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import Calculator, Gradient, Posterior, Tensors

SCRIPT = Path(__file__).parents[1] / "scripts" / "sigint.py"
X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def explain(model: Any, **options: Any) -> Tensor:
    values: Tensor = salience.explain(model, X, Tensors(), progress=False, **options).values
    return values


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 2)).eval()


def test_interrupts_at_random_moments_and_at_lines_of_core_leave_nothing() -> None:
    run = [sys.executable, str(SCRIPT), "--number", "400", "--seconds", "40"]
    found = subprocess.run(run, capture_output=True, text=True, timeout=100, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "400 interrupts" in found.stdout or "0 bad" in found.stdout


def test_an_interrupt_in_the_users_forward_arrives_at_once() -> None:
    behind = []

    def model(x: Tensor) -> Tensor:
        signal.raise_signal(signal.SIGINT)
        behind.append(x)
        return x

    with pytest.raises(KeyboardInterrupt):
        explain(model)
    assert not behind
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Passing(nn.Module):
    """Passes over an interrupt, or makes an error of it."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error, self.calls = error, 0
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Any:
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            if self.error is not None:
                raise self.error from None
        return self.layer(x)


@pytest.mark.parametrize("error", [None, RuntimeError("by the model"), ValueError("by the model")])
@pytest.mark.parametrize("options", [{}, {"device": ["cpu", "cpu"]}])
def test_an_interrupt_that_the_model_swallows_arrives_all_the_same(
    error: Exception | None, options: dict[str, Any]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        explain(Passing(error), **options)


def test_a_handler_of_the_users_is_run_and_stays() -> None:
    calls = []

    def own(number: int, frame: Any) -> None:
        calls.append(number)

    signal.signal(signal.SIGINT, own)
    model = Passing(None)
    assert torch.equal(explain(model), explain(model.layer))
    assert calls
    assert signal.getsignal(signal.SIGINT) is own


def test_an_ignored_interrupt_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    explain(Passing(RuntimeError("never")))
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_interrupt_between_passes_stops_a_calculator_that_catches_nothing() -> None:
    passes = []

    class Pressing(Calculator):
        def __call__(self, score: Any, x: Any) -> Any:
            found = Gradient()(score, x)
            signal.raise_signal(signal.SIGINT)
            passes.append(1)
            return found

    with pytest.raises(KeyboardInterrupt):
        salience.explain(net(), X, Tensors(), Pressing(), progress=False)
    assert not passes


class Training:
    """A thread that draws from the global generators as fast as it can."""

    def __init__(self, numpy: bool = False) -> None:
        self.drawn: list[float] = []
        self._numpy, self._on = numpy, True
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Training:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False
        self._thread.join()

    def _run(self) -> None:
        while self._on:
            drawn = np.random.rand() if self._numpy else torch.rand(1, dtype=torch.float64).item()
            self.drawn.append(drawn)
            time.sleep(0.0002)


class Drawn:
    """A posterior that draws from torch, or from numpy."""

    def __init__(self, model: nn.Module, kind: str = "torch") -> None:
        self.mean, self.kind = dict(model.state_dict()), kind

    def sample(self) -> dict[str, Tensor]:
        if self.kind == "numpy":
            return {n: v + 0.05 * float(np.random.randn()) for n, v in self.mean.items()}
        layers = nn.functional.dropout(torch.ones(1), 0.5)  # a function that takes no generator
        return {n: v + 0.05 * torch.randn_like(v) * layers for n, v in self.mean.items()}


@pytest.mark.parametrize("numpy", [False, True])
def test_a_training_thread_beside_60_explanations_draws_no_number_twice(numpy: bool) -> None:
    model = net()
    with Training(numpy) as training:
        for number in range(60):
            if number % 2:
                explain(model, samplers=["mc_dropout"], n_samples=2)
            else:
                explain(model, samplers=[Posterior(Drawn(model))], n_samples=2)
    assert len(training.drawn) > 60
    assert len(set(training.drawn)) == len(training.drawn)


@pytest.mark.parametrize("numpy", [False, True])
def test_60_posterior_runs_beside_a_training_thread_agree(numpy: bool) -> None:
    model = net()
    truth = explain(model, samplers=[Posterior(Drawn(model))], n_samples=4)
    with Training(numpy):
        for _ in range(60):
            found = explain(model, samplers=[Posterior(Drawn(model))], n_samples=4)
            assert torch.equal(found, truth)


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_a_posterior_leaves_the_global_generators_as_they_are(kind: str) -> None:
    model = net()
    torch.manual_seed(3)
    np.random.seed(3)
    first = explain(model, samplers=[Posterior(Drawn(model, kind))], n_samples=4)
    after = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    assert after == (torch.rand(1).item(), np.random.rand())
    again = explain(model, samplers=[Posterior(Drawn(model, kind))], n_samples=4)
    assert torch.equal(first, again)


def test_draws_of_a_posterior_are_those_of_the_seeded_global_generator() -> None:
    from salience.support.private_draws import PrivateDraws

    def some() -> list[Tensor]:
        like = torch.zeros(7, dtype=torch.float64)
        return [
            *(torch.randn(5), torch.rand(3, 2), torch.randn_like(like), torch.rand_like(like)),
            *(torch.randint(9, (4,)), torch.randperm(6), torch.normal(like, 2.0)),
            *(torch.bernoulli(like + 0.5), like.clone().uniform_(), like.clone().exponential_()),
            *(torch.multinomial(like + 1, 3), torch.distributions.Gamma(2.0, 1.0).sample()),
            *(nn.functional.dropout(like + 1, 0.5), torch.randint_like(like, 5)),
            *(torch.randint_like(like, 3, 9), torch.randn_like(like, dtype=torch.float16)),
        ]

    torch.manual_seed(5)
    truth = some()
    before = torch.get_rng_state()
    with PrivateDraws(5):
        found = some()
    assert torch.equal(before, torch.get_rng_state())
    assert all(map(torch.equal, truth, found))
