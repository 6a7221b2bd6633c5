"""Rows that share a pass are proven to keep apart; else they run alone, or are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

import salience
from salience import Batch, ClassScore, Domain, Explainer, Field, InputError, Layout, Tensors

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
IMAGES = Tensors(("item", "channel", "height", "width"))


class Meeting(nn.Module):
    """A linear layer behind a function that may look along the axis of items."""

    def __init__(self, meet: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.norm, self.layer, self.meet = nn.BatchNorm1d(4), nn.Linear(4, 3), meet
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(self.meet(self, x)).tanh()
        return out


def counted(net: Any, x: Tensor) -> Tensor:
    net.calls = getattr(net, "calls", 0) + 1
    return x * net.calls


def sorted_rows(net: Any, x: Tensor) -> Tensor:
    return x[x.sum(1).argsort()]


WAYS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "mean": lambda net, x: x - 0.3 * x.mean(0),
    "softmax over items": lambda net, x: torch.softmax(x, 0) * x,
    "cumulative sum": lambda net, x: x.cumsum(0) / 4,
    "attention over items": lambda net, x: x + (x @ x.T).softmax(1) @ x,
    "sorted": sorted_rows,
    "rolled": lambda net, x: x.roll(1, 0),
    "largest row": lambda net, x: x / x.norm(),
    "number of rows": lambda net, x: x * len(x),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "gradient": {},
    "smoothgrad": {"samplers": ["gaussian"], "n_samples": 5},
    "path": {"calculator": "integrated_gradients:steps=5"},
    "occlusion": {"calculator": "occlusion"},
}


@pytest.mark.parametrize("max_rows", [2, 3, 6, "auto"])
@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("way", WAYS)
def test_rows_that_meet_run_alone_and_it_is_told(way: str, kind: str, max_rows: Any) -> None:
    net, settings = Meeting(WAYS[way]).eval(), {"output": "class:0"} | SETTINGS[kind]
    alone = salience.explain(net, X, Tensors(), max_rows=1, **settings)
    with pytest.warns(salience.Notice, match="in a pass of its own"):
        found = salience.explain(net, X, Tensors(), max_rows=max_rows, **settings)
    torch.testing.assert_close(found.values, alone.values, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.score, alone.score, rtol=1e-10, atol=1e-12)
    assert "fallback" in {verdict.outcome for verdict in found.preflight.verdicts}


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_the_items_hides_rows_that_meet(seed: int) -> None:
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    net = Meeting(WAYS["sorted"]).eval()
    alone = salience.explain(net, X[order], Tensors(), max_rows=1, output="class:0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", salience.Notice)  # the order may be the sorted one
        found = salience.explain(net, X[order], Tensors(), output="class:0")
    torch.testing.assert_close(found.values, alone.values, rtol=1e-10, atol=1e-12)


NO_SINGLE_ROW: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "own batch statistics": lambda net, x: F.batch_norm(x, None, None, training=True),
    "norm.train()": lambda net, x: net.norm.train()(x),
}


@pytest.mark.parametrize("size", [2, 3, 6])
@pytest.mark.parametrize("way", NO_SINGLE_ROW)
def test_rows_that_meet_and_cannot_run_alone_are_refused(way: str, size: int) -> None:
    net = Meeting(NO_SINGLE_ROW[way]).eval()
    with pytest.raises(InputError, match="cannot run a single row"):
        salience.explain(net, X, Tensors(), max_rows=size, output="class:0")


def test_a_state_kept_from_pass_to_pass_is_refused() -> None:
    with pytest.raises(InputError, match="keeps a state from pass to pass"):
        salience.explain(Meeting(counted).eval(), X, Tensors(), output="class:0", max_rows=3)


def passes(net: nn.Module) -> list[int]:
    sizes: list[int] = []
    net.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    return sizes


def test_nothing_is_proven_that_is_not_relied_on() -> None:
    net = Meeting(lambda net, x: x).eval()
    sizes = passes(net)
    salience.explain(net, X[:1], Tensors())
    assert sizes == [1]
    sizes.clear()
    salience.explain(net, X, Tensors(), samplers=["gaussian"], n_samples=2, max_rows=1)
    assert sizes == [1] * 6 * 3


@pytest.mark.parametrize("kind", SETTINGS)
def test_three_rows_are_proven_once_a_request(kind: str) -> None:
    net = Meeting(lambda net, x: x).eval()
    sizes = passes(net)
    salience.explain(net, X, Tensors(), max_rows=3, **SETTINGS[kind])
    if kind != "gradient":  # two rows of the prediction, which is no pass of the gradient here
        assert sizes[:3] == [3, 1, 1]
        del sizes[1:3]
    proven = sizes.index(1)
    assert sizes[proven : proven + 2] == [1, 2]
    assert set(sizes[:proven] + sizes[proven + 2 :]) == {3}


CLIPPED: dict[str, Any] = {
    "norm": lambda net, x: x * (1 / x.norm()).clamp(max=1),
    "largest": lambda net, x: x / x.abs().max().clamp(min=1).detach(),
    "level": lambda net, x: x - x.mean(0) * (x.abs().max() > 0.9),
}


@pytest.mark.parametrize("way", CLIPPED)
@pytest.mark.parametrize("size", [2, 3, 4, 6])
@pytest.mark.parametrize("baseline", [0.0, 0.01])
def test_rows_that_meet_at_x_only_are_not_missed_on_the_way_to_it(
    way: str, size: int, baseline: float
) -> None:
    net = Meeting(CLIPPED[way]).eval()
    calculator = salience.IntegratedGradients(steps=6, baseline=baseline)
    settings: dict[str, Any] = {"calculator": calculator, "output": "class:0"}
    found = salience.explain(net, 3 * X, Tensors(), max_rows=size, **settings)
    alone = salience.explain(net, 3 * X, Tensors(), max_rows=1, **settings)
    torch.testing.assert_close(found.score, alone.score)
    torch.testing.assert_close(found.values, alone.values)


def test_dropout_costs_no_more_than_five_rows_forward_and_backward() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3)).double()
    forward = passes(net)
    backward: list[int] = []
    net[0].register_full_backward_hook(lambda module, into, out: backward.append(len(out[0])))
    salience.explain(net, X, Tensors(), samplers=["mc_dropout"], n_samples=6, max_rows=6)
    # The hooks do not see the pass in training mode, which is one more row forward.
    assert [size for size in forward if size != 6] == [1, 1, 1, 1, 2]
    assert [size for size in backward if size != 6] == [1]


# --- Padding --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sequences(Domain):
    """Sequences (time, 3), padded to the longest of the batch with zeros."""

    output: str = "value"
    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        return Layout(
            {"x": Field(("item", "time", "unit"), mask="mask"), "mask": Field(("item", "time"))}
        )

    def read(self, data: Any) -> list[Tensor]:
        return list(data)

    def collate(self, samples: Any) -> Batch:
        x = pad_sequence(list(samples), batch_first=True)
        lengths = torch.tensor([len(one) for one in samples])
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        return Batch({"x": x, "mask": mask}, self.layout, len(x))


class Padded(nn.Module):
    """Reads the padding in one of several ways, or not at all."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way, self.conv, self.out = way, nn.Conv1d(3, 4, 3, padding=1), nn.Linear(4, 1)
        self.double()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = self.conv(x.mT).tanh().mT
        if self.way == "twice":
            h = self.conv(h[..., :3].mT).mT
        if self.way == "mean":
            return self.out(h.mean(1))
        if self.way == "last":
            return self.out(h[:, -1])
        real = mask[..., None].to(h)
        return self.out((h * real).sum(1) / real.sum(1))


def sequences(*lengths: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(n, 3, generator=generator).double() for n in lengths]


@pytest.mark.parametrize("lengths", [(5, 3), (3, 5), (5, 3, 5), (4, 4, 2, 4), (4, 4, 4, 4, 4, 2)])
@pytest.mark.parametrize("way", ["twice", "mean", "last", "masked"])
@pytest.mark.parametrize("max_rows", [2, "auto"])
def test_a_model_that_reads_padding_runs_each_item_alone(
    way: str, lengths: tuple[int, ...], max_rows: Any
) -> None:
    data, net = sequences(*lengths), Padded(way).eval()
    explainer = Explainer(net, Sequences(), max_rows=max_rows)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = explainer.explain(data)
    for item, one in enumerate(data):
        alone = explainer.explain([one])
        torch.testing.assert_close(found.score[item], alone.score[0], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found.values[item], alone.values[0], rtol=1e-10, atol=1e-12)
    assert ("reads the padding" in " ".join(str(w.message) for w in told)) == (way != "masked")


# --- Output functions -----------------------------------------------------------------------------


def test_an_output_function_over_fixed_labels_is_refused_with_the_mend() -> None:
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    net = Meeting(lambda net, x: x).eval()

    def loss(out: Tensor) -> Tensor:
        return F.cross_entropy(out, labels[: len(out)], reduction="none")

    with pytest.raises(InputError, match=r"CrossEntropy\(labels\)"):
        salience.explain(net, X, Tensors(), output=loss)

    def fixed(out: Tensor) -> Tensor:
        return F.cross_entropy(out, labels, reduction="none")

    for settings in ({}, {"samplers": ["gaussian"], "n_samples": 4}):
        with pytest.raises(InputError):
            salience.explain(net, X, Tensors(), output=fixed, **settings)


# --- What folding leaves as it was ----------------------------------------------------------------


class Branching(nn.Module):
    """Reads what its convolution returns only where an item is large."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.norm, self.out = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)
        self.norm.running_mean.uniform_(1, 2)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        raw = self.conv(x)
        h = self.norm(raw).tanh()
        large = (x.amax((1, 2, 3)) > 10).double()
        if large.any():
            h = h + large[:, None, None, None] * raw
        return self.out(h.mean((2, 3)))


@pytest.mark.parametrize("where", [0, 3, 7, 11])
def test_a_rare_branch_that_reads_a_convolution_is_seen_where_it_predicts(where: int) -> None:
    data = torch.randn(12, 1, 6, 6, generator=torch.Generator().manual_seed(2)).double()
    data[where] *= 20
    settings: dict[str, Any] = {"output": "class:0", "samplers": ["gaussian"], "n_samples": 3}
    found = salience.explain(Branching(), data, IMAGES, max_rows=4, **settings)
    truth = salience.explain(Branching(), data, IMAGES, max_rows=4, speedups=(), **settings)
    torch.testing.assert_close(found.score, truth.score, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(found.values, truth.values, rtol=1e-9, atol=1e-11)


# --- What is kept and printed ---------------------------------------------------------------------


def test_the_explanation_keeps_the_verdicts_and_what_they_hold_for(tmp_path: Any) -> None:
    found = salience.explain(Meeting(lambda net, x: x).eval(), X, Tensors(), ids=list("abcdef"))
    assert found.preflight.holds
    assert set(found.preflight.items) == {"a", "e", "f"}
    found.save(tmp_path / "run.salience")
    assert salience.Explanation.load(tmp_path / "run.salience").preflight == found.preflight


def test_check_prints_what_holds_falls_back_or_is_refused(capsys: Any) -> None:
    for way, outcome in [(lambda net, x: x, "holds"), (WAYS["mean"], "fallback")]:
        found = Explainer(Meeting(way).eval(), Tensors()).check(X, output := "gradient")
        assert outcome in {verdict.outcome for verdict in found.verdicts}
        assert found.holds
        assert str(found) in capsys.readouterr().out
        assert output == "gradient"
    refused = Meeting(NO_SINGLE_ROW["norm.train()"]).eval()
    found = Explainer(refused, Tensors(), output=ClassScore(0)).check(X)
    assert not found.holds
    assert "cannot run a single row" in capsys.readouterr().out
