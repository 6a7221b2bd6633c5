"""Models that are functions, dropout that flattens rows, records with all that they need."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import salience

ROWS = torch.linspace(-1, 1, 24).reshape(6, 4)


class Holding(nn.Module):
    """Reaches its layers by a function that it keeps."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.function = lambda x: self.net(x)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.function(x)
        return out


def call(net: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = net(x)
    return out


WAYS: dict[str, Callable[[nn.Module], Any]] = {
    "closure": lambda net: lambda x: net(x),
    "bound method": lambda net: net.forward,
    "partial": lambda net: functools.partial(call, net),
    "function inside a module": Holding,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_function_over_a_module_in_train_mode_is_explained_in_eval_mode(way: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    expected = salience.explain(net, ROWS, "tensor").values
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = salience.explain(WAYS[way](net), ROWS, "tensor").values
    torch.testing.assert_close(found, expected)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    assert net.training


def test_what_a_function_counts_is_still_counted() -> None:
    calls = 0

    def model(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return x.square().sum(1)

    salience.explain(model, ROWS, "tensor", output="value")
    assert calls > 0


class TimeMajor(nn.Module):
    """Flattens time and items, time first, before dropout."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.outer = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        flat = self.inner(x).transpose(0, 1).reshape(-1, 8)
        kept = F.dropout(flat, 0.5, self.training).reshape(x.shape[1], len(x), 8)
        out: Tensor = self.outer(kept.mean(0))
        return out


def test_rows_that_a_model_flattens_keep_their_masks_in_any_packing() -> None:
    domain = salience.Tensors(axes=("item", "time", "feature"))
    x = torch.randn(6, 5, 4)
    found = [
        salience.explain(
            TimeMajor(), x, domain, samplers=["mc_dropout"], n_samples=4, max_rows=rows
        ).values
        for rows in (1, 3, 64)
    ]
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


def test_dropout_inside_a_recurrent_layer_is_refused_beside_other_dropout() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.LSTM(4, 5, num_layers=2, dropout=0.5, batch_first=True)
            self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(5, 3))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.layers(x)[0][:, -1])
            return out

    domain = salience.Tensors(axes=("item", "time", "feature"))
    with pytest.raises(salience.InputError, match=r"nn\.LSTM"):
        salience.explain(
            Recurrent(), torch.randn(3, 6, 4), domain, samplers=["mc_dropout"], n_samples=2
        )


@pytest.mark.parametrize(
    "settings", [{"precision": "bf16"}, {"ids": list("abcdef"), "seed": 5}], ids=["bf16", "ids"]
)
def test_a_record_holds_what_the_numbers_depend_on(settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
    found = salience.explain(net, ROWS, "tensor", samplers=["gaussian"], n_samples=3, **settings)
    again = salience.rerun(net, ROWS, found.provenance)
    assert torch.equal(again.values, found.values)
    plain = salience.explain(net, ROWS, "tensor", samplers=["gaussian"], n_samples=3)
    assert not torch.equal(plain.values, found.values)


def test_kept_draws_can_be_run_again_too() -> None:
    explainer = salience.Explainer(nn.Linear(4, 3), "tensor")
    samples = explainer.compute(ROWS, samplers=["gaussian"], n_samples=3)
    again = salience.rerun(explainer.model, ROWS, samples.provenance)
    assert torch.equal(again.values, explainer.aggregate(samples).values)


def test_a_stream_refuses_items_beyond_the_labels() -> None:
    explainer = salience.Explainer(nn.Linear(4, 3), "tensor", output=salience.CrossEntropy([0, 1]))
    with pytest.raises(salience.InputError, match="2 labels for 6 items"):
        list(explainer.stream([ROWS]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64])
def test_occlusion_takes_scores_of_any_type(dtype: torch.dtype) -> None:
    found = salience.explain(
        lambda x: (8 * x).round().sum(1).to(dtype), ROWS, "tensor", "occlusion", output="value"
    )
    torch.testing.assert_close(found.values, (8 * ROWS).round(), rtol=0, atol=0.2)


@pytest.mark.parametrize("groups", [[-1, 0], [0.5, 1.0]])
def test_groups_that_are_no_whole_numbers_are_refused(graphs: Any, groups: list[float]) -> None:
    ragged, _ = graphs.models()
    calculator = salience.Occlusion(groups=[torch.tensor(groups)] * len(graphs.data))
    with pytest.raises(salience.InputError, match="groups of item 0"):
        salience.explain(ragged, graphs.data, graphs.ragged(), calculator)
