"""Forwards that squeeze their output, fixed numbers of rows, and errors that the model raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import Explainer, InputError, IntegratedGradients, Output, Tensors

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Network(nn.Module):
    """Scores of each item, through a function such as ``Tensor.squeeze``."""

    def __init__(self, width: int, last: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.drop, self.b = nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, width)
        self.last = last
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.b(self.drop(torch.tanh(self.a(x)))))


class Second(Output):
    def __call__(self, output: Any, fixed: Any) -> Tensor:
        return output[:, 1]


def kept(y: Tensor) -> Tensor:
    return y.squeeze(1) if y.shape[1] == 1 else y


SQUEEZES: list[Callable[[Tensor], Tensor]] = [torch.squeeze, lambda y: kept(y).squeeze(0)]
ONE = ["value", lambda out: out * 1, lambda out: 2 * out]
SEVERAL = ["predicted", "class:2", "cross_entropy", "value:1", lambda out: out[:, 1]]
SEVERAL += [lambda out: out[..., 1], lambda out: out.logsumexp(1), Second()]
CASES = [(1, output) for output in ONE] + [(3, output) for output in SEVERAL]


@pytest.mark.parametrize("squeeze", SQUEEZES)
@pytest.mark.parametrize("sampler", ["", "mc_dropout", "weight_noise", "gaussian"])
@pytest.mark.parametrize(("width", "output"), CASES)
def test_a_pass_of_one_row_is_read_as_any_other(
    width: int, output: Any, sampler: str, squeeze: Callable[[Tensor], Tensor]
) -> None:
    def explain(last: Callable[[Tensor], Tensor], x: Tensor, max_rows: Any) -> Any:
        explainer = Explainer(Network(width, last), Tensors(), output=output, max_rows=max_rows)
        return (
            explainer.explain(x, samplers=[sampler], n_samples=3)
            if sampler
            else explainer.explain(x)
        )

    for x in (X, X[:1]):
        for max_rows in (1, 4, "auto"):
            truth, found = (explain(last, x, max_rows) for last in (kept, squeeze))
            torch.testing.assert_close(found.values, truth.values)
            torch.testing.assert_close(found.score, truth.score)
            if isinstance(output, str):
                torch.testing.assert_close(found.prediction, truth.prediction)


def test_the_last_pass_of_a_path_may_have_one_row() -> None:
    def explain(last: Callable[[Tensor], Tensor]) -> Tensor:
        explainer = Explainer(Network(1, last), Tensors(), output="value", max_rows=5)
        return explainer.explain(X[:3], IntegratedGradients(steps=7)).values

    torch.testing.assert_close(explain(torch.squeeze), explain(kept))


def test_an_axis_that_stands_before_the_rows_is_left_alone() -> None:
    def explain(x: Tensor) -> Tensor:  # output of shape (T, B, K)
        model = nn.LSTM(4, 3).double().eval()
        return salience.explain(
            lambda x: model(x.expand(6, -1, -1))[0], x, Tensors(), output=lambda out: out[-1, :, 0]
        ).values

    torch.manual_seed(0)
    full = explain(X)
    torch.manual_seed(0)
    torch.testing.assert_close(explain(X[:1]), full[:1])


@pytest.mark.parametrize(
    "fixed",
    [
        lambda x: x.view(5, 4).sum(1, keepdim=True),
        lambda x: x.sum(1, keepdim=True) + torch.zeros(5, 1),
        lambda x: torch.bmm(torch.ones(5, 1, 4).to(x), x[..., None])[:, 0],
    ],
)
def test_a_model_of_a_fixed_number_of_rows_is_refused_with_the_reason(fixed: Any) -> None:
    with pytest.raises(InputError, match=r"any number of (rows|items)"):
        salience.explain(fixed, X, Tensors(), output="value", samplers=["gaussian"], n_samples=3)


def test_a_model_of_one_row_runs_row_by_row() -> None:
    def model(x: Tensor) -> Tensor:
        return x.view(1, 4) ** 2 @ torch.ones(4, 1).to(x)

    found = salience.explain(model, X, Tensors(), output="value", max_rows=1)
    torch.testing.assert_close(found.values, 2 * X)


class Raises(nn.Module):
    def __init__(self, error: Exception, at: int = 1) -> None:
        super().__init__()
        self.error, self.at, self.calls = error, at, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls >= self.at:
            raise self.error
        return x.sum(1, keepdim=True)


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("kind", [RuntimeError, ValueError, TypeError, IndexError, KeyError])
def test_an_error_of_the_model_is_shown_as_it_is(kind: type[Exception], at: int) -> None:
    model = Raises(kind("the weights are not loaded. Call load() first"), at)
    with pytest.raises(Exception, match="the weights are not loaded") as caught:
        salience.explain(model, X, Tensors(), output="value", samplers=["gaussian"], n_samples=3)
    assert "expects" not in str(caught.value)
    assert "any number" not in str(caught.value)


@pytest.mark.parametrize("model", [nn.Linear(7, 2), lambda x: x @ torch.ones(7, 2)])
def test_an_error_of_a_shape_is_said_to_be_one(model: Any) -> None:
    with pytest.raises(InputError, match=r"items of the shape that the model expects.*shapes"):
        salience.explain(model, X.float(), Tensors(), output="value")
