"""What a calculator can ask of its rows: reductions over real positions, and Grad-CAM of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import Attribution, Batch, Calculator, Field, Layout, RowView, Score, Target

# --- A calculator of an outside author, by public names alone -------------------------------------


@dataclass(frozen=True)
class GradCAM(Calculator):
    """ReLU(Σ_c w_c A_c) with w_c the mean gradient over positions (Selvaraju et al., 2017).

    Args:
        channel: Name of the axis that is weighted and summed.
    """

    channel: str = "channel"

    def __call__(self, score: Score, x: dict[str, Tensor]) -> Attribution:
        value, gradient = score.gradient(x)
        maps = {}
        for name, activation in x.items():
            view = score.view(name)
            weight = view.spread(view.mean(gradient[name], keep=[self.channel]))
            summed = (weight * activation).sum(view.dims([self.channel]), keepdim=True)
            maps[name] = summed.relu()
        return Attribution(maps, value)


class Photos(nn.Module):
    """A convolution, whose output is watched, and a head that mixes positions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(2, 3, 3, padding=1)
        self.head = nn.Linear(3 * 5 * 4, 2)

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(image).tanh().flatten(1))
        return out


class Words(nn.Module):
    """Features of words, whose padding is left out of the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 3)

    def forward(self, words: Tensor, real: Tensor) -> Tensor:
        out: Tensor = (self.body(words).tanh() * real[..., None]).sum(1).square()
        return out


class Atoms(nn.Module):
    """Features of the atoms of all graphs, summed by graph."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 3)

    def forward(self, atoms: Tensor, graph: Tensor, n_graphs: int) -> Tensor:
        features = self.body(atoms).tanh()
        return features.new_zeros(n_graphs, 3).index_add(0, graph, features).square()


def cam(activation: Tensor, f: Any) -> Tensor:
    """Grad-CAM of one item by hand: activation (C, positions) → map (positions)."""
    leaf = activation.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf)
    return (gradient.flatten(1).mean(1) @ activation.flatten(1)).relu()


@dataclass(frozen=True)
class Sequences(salience.Domain):
    """Sequences of words of different lengths, padded."""

    target: Any = field(default=Target("body", axes=("item", "word", "channel")))

    @property
    def layout(self) -> Layout:
        axes = ("item", "word", "feature")
        fields = {"words": Field(axes, mask="real"), "real": Field(("item", "word"))}
        return Layout(fields, reduce=("channel",), inner_mask="real")

    def read(self, data: Any) -> Any:
        return list(data)

    def collate(self, samples: Any) -> Batch:
        words = nn.utils.rnn.pad_sequence(list(samples), batch_first=True, padding_value=7.0)
        lengths = torch.tensor([len(s) for s in samples])
        real = torch.arange(words.shape[1]) < lengths[:, None]
        return Batch({"words": words, "real": real}, self.layout, len(samples))


@dataclass(frozen=True)
class Graphs(salience.Domain):
    """Graphs without bonds: their atoms, one graph after the other."""

    target: Any = field(default=Target("body", axes=("atom", "channel")))

    @property
    def layout(self) -> Layout:
        fields = {
            "atoms": Field(("atom", "feature")),
            "graph": Field(("atom",), refers_to="item"),
            "n_graphs": Field(counts="item"),
        }
        return Layout(fields, elements=("atom",), reduce=("channel",))

    def read(self, data: Any) -> Any:
        return list(data)

    def size(self, sample: Any) -> int:
        return len(sample)

    def collate(self, samples: Any) -> Batch:
        counts = torch.tensor([len(s) for s in samples])
        graph = torch.repeat_interleave(torch.arange(len(samples)), counts)
        arguments = {"atoms": torch.cat(list(samples)), "graph": graph, "n_graphs": len(samples)}
        return Batch(arguments, self.layout, len(samples), {"atom": counts})


LENGTHS = [3, 5, 1, 4]


def sequences() -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(n, 2).double() for n in LENGTHS]


@pytest.mark.parametrize("max_rows", [1, 3, 100])
def test_grad_cam_equals_autograd_by_hand_on_photos(max_rows: int) -> None:
    torch.manual_seed(0)
    model, data = Photos().double(), torch.randn(4, 2, 5, 4).double()
    domain = salience.Tensors(
        axes=("item", "channel", "height", "width"),
        target=Target("body", axes=("item", "channel", "height", "width")),
        output="class:1",
        reduce=("channel",),
    )
    found = salience.explain(model, data, domain, GradCAM(), max_rows=max_rows)
    for item, image in enumerate(data):
        expected = cam(
            model.body(image[None])[0], lambda a: model.head(a.tanh().flatten()[None])[0, 1]
        )
        torch.testing.assert_close(found.values[item].flatten(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("max_rows", [5, 9, 100])
@pytest.mark.parametrize("kind", ["padded", "ragged"])
def test_grad_cam_equals_autograd_by_hand_where_items_differ_in_size(
    kind: str, max_rows: int
) -> None:
    torch.manual_seed(0)
    data = sequences()
    padded = kind == "padded"
    model: Any = (Words() if padded else Atoms()).double()
    domain: Any = Sequences() if padded else Graphs()
    found = salience.explain(model, data, domain, GradCAM(), output="class:0", max_rows=max_rows)
    for item, words in enumerate(data):
        expected = cam(model.body(words).T, lambda a: a.tanh().sum(1).square()[0])
        torch.testing.assert_close(found.values[item], expected, rtol=1e-12, atol=1e-13)


# --- The views themselves -------------------------------------------------------------------------


def views() -> dict[str, tuple[RowView, Tensor, list[Tensor]]]:
    """Kind of data → its view, values for all rows, and the values of each row alone."""
    data = sequences()
    padded, ragged = Sequences().collate(data), Graphs().collate(data)
    dense = torch.stack([data[1], data[1] + 1])
    layout = Layout({"x": Field(("item", "word", "feature"))})
    turned = Layout({"x": Field(("feature", "atom"))}, elements=("atom",))
    counts = {"atom": torch.tensor(LENGTHS)}
    side = Batch({"x": torch.cat(data).T}, turned, len(data), counts)
    return {
        "dense": (
            RowView.of(Batch({"x": dense}, layout, 2), ("item", "word", "feature"), None),
            dense,
            list(dense),
        ),
        "padded": (
            RowView.of(padded, ("item", "word", "feature"), "real"),
            padded.arguments["words"],
            data,
        ),
        "ragged": (RowView.of(ragged, ("atom", "feature"), None), torch.cat(data), data),
        "turned": (RowView.of(side, ("feature", "atom"), None), torch.cat(data).T, data),
    }


@pytest.mark.parametrize("kind", ["dense", "padded", "ragged", "turned"])
@pytest.mark.parametrize("keep", [(), ("feature",)])
@pytest.mark.parametrize("what", ["sum", "mean", "max", "min", "range"])
def test_reductions_are_those_of_each_row_alone(kind: str, keep: Any, what: str) -> None:
    view, values, rows = views()[kind]
    by_hand: dict[str, Any] = {
        "sum": lambda v, d: v.sum(d),
        "mean": lambda v, d: v.mean(d),
        "max": lambda v, d: v.amax(d),
        "min": lambda v, d: v.amin(d),
        "range": lambda v, d: v.amax(d) - v.amin(d),
    }
    found = getattr(view, what)(values, keep)
    assert found.shape[view.row_axis] == len(rows) == len(view)
    for row, own in enumerate(rows):
        expected = by_hand[what](own, (0,) if keep else (0, 1))
        got = found.select(view.row_axis, row).flatten()
        torch.testing.assert_close(got, expected.flatten(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", ["dense", "padded", "ragged", "turned"])
def test_spread_gives_each_position_the_value_of_its_row(kind: str) -> None:
    view, values, rows = views()[kind]
    number = torch.arange(1.0, len(rows) + 1).double()
    full = view.spread(number).expand(values.shape)
    sizes = torch.tensor([own.numel() for own in rows]).double()
    torch.testing.assert_close(view.sum(full).flatten(), number * sizes)
    if view.mask is None:  # the mean over real positions says nothing of the others
        torch.testing.assert_close(view.spread(view.mean(full)).expand(full.shape), full)


def test_lengths_are_those_without_padding() -> None:
    found = views()
    assert found["dense"][0].lengths("word") is None
    for kind, axis in (("padded", "word"), ("ragged", "atom"), ("turned", "atom")):
        lengths = found[kind][0].lengths(axis)
        assert lengths is not None
        assert lengths.tolist() == LENGTHS
    assert found["padded"][0].lengths("feature") is None
