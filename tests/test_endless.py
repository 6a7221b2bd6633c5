"""What would never end, or fits no memory, is refused at once in one line."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import (
    ClassScore,
    Explainer,
    Explanation,
    InputError,
    IntegratedGradients,
    MCDropout,
    Occlusion,
    Target,
    Tensors,
    Until,
    Value,
)
from salience.calculators.legendre import gauss_legendre

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 2)).eval()
X = torch.randn(2, 3)
NOISE: dict[str, Any] = {"samplers": ["gaussian"]}
BOTH: dict[str, Any] = {"samplers": ["gaussian", "weight_noise"]}
HUGE = [10**12, 10**30, 10**400, 10**5000]


def explain(*given: Any, **options: Any) -> Explanation:
    return salience.explain(NET, X, Tensors(), *given, progress=False, **options)


def refused(work: Callable[[], object]) -> str:
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        work()
    message = str(caught.value)
    assert time.process_time() - began < 2
    assert len(message) <= 300
    assert "\n" not in message
    return message


NUMBERS: dict[str, Callable[[int], object]] = {
    "draws": lambda n: explain(n_samples=n, **NOISE),
    "nested": lambda n: explain(n_samples=(n, n), **BOTH),
    "many within few": lambda n: explain(n_samples=(2, n), **BOTH),
    "until": lambda n: explain(n_samples=Until(max=n), **NOISE),
    "until from": lambda n: explain(n_samples={"min": n, "max": n}, **NOISE),
    "kept": lambda n: Explainer(NET, Tensors()).compute(X, n_samples=n, **NOISE),
    "steps": lambda n: IntegratedGradients(steps=n),
    "trapezoid": lambda n: IntegratedGradients(steps=n, rule="trapezoid"),
    "midpoint": lambda n: IntegratedGradients(steps=n, rule="midpoint"),
    "windows": lambda n: explain(Occlusion(window=n)),
    "windows by axis": lambda n: explain(Occlusion(window={"feature": n})),
    "stride": lambda n: explain(Occlusion(window=1, stride=n)),
    "class": lambda n: explain(output=ClassScore(n)),
    "value": lambda n: explain(output=Value(n)),
    "call": lambda n: explain(target=Target("0", axes=("item", "unit"), call=n)),
    "rate": lambda n: explain(samplers=[MCDropout(rate=n)], n_samples=2),
}


@pytest.mark.parametrize("number", HUGE, ids=lambda n: f"{n.bit_length()} bits")
@pytest.mark.parametrize("what", NUMBERS)
def test_astronomic_numbers_are_refused_at_once(what: str, number: int) -> None:
    refused(lambda: NUMBERS[what](number))


@pytest.mark.parametrize("number", HUGE, ids=lambda n: f"{n.bit_length()} bits")
def test_a_budget_of_any_number_of_rows_is_none(number: int) -> None:
    assert torch.equal(explain(max_rows=number).values, explain(max_rows=100).values)


def test_draws_times_items_times_steps_are_refused_together() -> None:
    many = torch.zeros(1, 3).expand(10**6, 3)
    path = IntegratedGradients(steps=5000)
    work = lambda: salience.explain(NET, many, Tensors(), path, n_samples=10**4, **NOISE)  # noqa: E731
    assert "fewer" in refused(work)


def test_kept_draws_that_fit_no_memory_are_refused_before_the_first() -> None:
    passes = []

    def model(x: torch.Tensor) -> torch.Tensor:
        passes.append(x)
        return x.sum(1)

    explainer = Explainer(model, Tensors(), output="value")
    data = torch.randn(2, 300_000)
    message = refused(lambda: explainer.compute(data, n_samples=10**7, **NOISE))
    assert "explain" in message
    assert len(passes) <= 4  # the prediction, and the two rows with which it is compared


@pytest.mark.parametrize("length", [10_001, 10**6])
@pytest.mark.parametrize("begin", ["", "gaussian:", "gaussian:scale="])
@pytest.mark.parametrize("letter", ["a", "9", "(", "-", "[", "a=1,", "\n"])
@pytest.mark.parametrize("place", ["calculator", "sampler", "aggregator", "domain", "output"])
def test_long_names_are_refused_at_once(place: str, letter: str, begin: str, length: int) -> None:
    text = begin + letter * length
    work: dict[str, Callable[[], object]] = {
        "calculator": lambda: explain(text),
        "sampler": lambda: explain(samplers=[text]),
        "aggregator": lambda: explain(aggregator=text),
        "domain": lambda: salience.explain(NET, X, text),
        "output": lambda: explain(output=text),
    }
    refused(work[place])


@pytest.mark.parametrize("text", ["-" * 9000 + "1", "(" * 9000, "[" * 9000, "9" * 9000])
def test_deep_and_long_parameters_are_refused(text: str) -> None:
    refused(lambda: explain(samplers=[f"gaussian:scale={text}"]))


def test_paths_that_are_too_long_are_refused(tmp_path: Path) -> None:
    long = tmp_path / ("a" * 10_000)
    refused(lambda: Explanation.load(long))
    refused(lambda: explain().save(long))
    refused(lambda: salience.explain(NET, str(long), "tabular"))
    refused(lambda: salience.explain(NET, [str(long)], "vision"))


def test_molecules_of_too_many_characters_are_refused() -> None:
    target = Target("0", axes=("atom", "unit"))
    refused(lambda: salience.explain(NET, ["C" * 10**7], "molgraph", target=target))


@pytest.mark.parametrize("number", [257, 500, 1001])
def test_many_nodes_are_those_of_the_eigenvalues(number: int) -> None:
    nodes, weights = gauss_legendre(number)
    truth = np.polynomial.legendre.leggauss(number)
    np.testing.assert_allclose(nodes, truth[0], rtol=0, atol=1e-15)
    np.testing.assert_allclose(weights, truth[1], rtol=1e-7)


def test_ten_thousand_nodes_are_quick_and_exact() -> None:
    began = time.process_time()
    nodes, weights = gauss_legendre(10_000)
    assert time.process_time() - began < 2
    assert (weights * np.exp(nodes)).sum() == pytest.approx(np.e - 1 / np.e, rel=1e-14)


def test_items_of_tensors_end() -> None:
    assert len(list(Tensors().read(X))) == 2
    with pytest.raises(IndexError):
        Tensors().read(X)[2]
