"""Models as users write them: hooks, functions in containers, reparametrised weights."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, weight_norm

import salience
from salience import Ensemble, InputError, Target, Tensors, WeightNoise

ROWS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
PHOTOS = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
IMAGES = Tensors(("item", "channel", "height", "width"), output="class:0")
TABLE = Tensors(output="class:0")
SEQUENCES = Tensors(("item", "time", "channel"), output="value")


@pytest.fixture(autouse=True)
def _same_weights() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        yield


def by_hand(model: nn.Module, x: Tensor, read: Callable[[Any], Tensor]) -> Tensor:
    """Gradients of one item at a time."""
    found = []
    for item in torch.split(x, 1):
        leaf = item.clone().requires_grad_()
        found += torch.autograd.grad(read(model(leaf)).sum(), leaf)
    return torch.cat(found)


def first(scores: Tensor) -> Tensor:
    return scores[:, 0]


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


# --- Functions that a model keeps, wherever it keeps them -----------------------------------------


class Reached(nn.Module):
    """Reaches a layer with dropout and running statistics by a function that it keeps somewhere."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh())
        self.last = nn.Linear(4, 3)
        self.kept: Any = None
        if where == "dict":
            self.kept = {"f": lambda x: self.inner(x)}
        elif where == "list":
            self.kept = [[lambda x: self.inner(x)]]
        elif where == "tuple":
            self.kept = (1, lambda x: self.inner(x))
        elif where == "partial":
            self.kept = functools.partial(lambda x, scale: self.inner(scale * x), scale=1.0)
        elif where == "hook":
            self.last.register_forward_pre_hook(lambda module, args: (self.inner(args[0]),))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.kept, dict):
            x = self.kept["f"](x)
        elif isinstance(self.kept, list):
            x = self.kept[0][0](x)
        elif isinstance(self.kept, tuple):
            x = self.kept[1](x)
        elif self.kept is not None:
            x = self.kept(x)
        scores: Tensor = self.last(x)
        return scores


PLACES = ["dict", "list", "tuple", "partial", "hook"]


@pytest.mark.parametrize("max_rows", [1, 2, "auto"])
@pytest.mark.parametrize("where", PLACES)
def test_functions_in_a_model_run_over_the_private_copy(where: str, max_rows: Any) -> None:
    model = Reached(where)
    model(ROWS + 1)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = salience.explain(model, ROWS, TABLE, max_rows=max_rows)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    same(found.values, by_hand(model.eval(), ROWS, first))


@pytest.mark.parametrize("where", PLACES)
def test_functions_in_a_model_run_with_drawn_weights(where: str) -> None:
    members = [Reached(where).eval() for _ in range(3)]
    found = salience.explain(Reached(where), ROWS, TABLE, samplers=[Ensemble(members)], n_samples=3)
    apart = [by_hand(member, ROWS, first) for member in members]
    same(found.values, torch.stack(apart).mean(0))


class Keeping(nn.Module):
    """A hook keeps an activation, on the model or in a dict of it, for the forward to read."""

    def __init__(self, in_dict: bool) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 6).double(), nn.Linear(6, 3).double()
        self.activations: dict[str, Tensor] = {}
        self.activation: Any = None
        kept, self.in_dict = self.activations, in_dict
        if in_dict:
            self.one.register_forward_hook(lambda module, args, out: kept.update(one=out))
        else:
            self.one.register_forward_hook(
                lambda module, args, out: setattr(self, "activation", out)
            )

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.two(self.one(x).tanh())
        kept = self.activations["one"] if self.in_dict else self.activation
        return scores * kept.sum(1, keepdim=True)


@pytest.mark.parametrize("in_dict", [False, True])
@pytest.mark.parametrize("max_rows", [1, 2, "auto"])
def test_a_hook_keeps_activations_in_the_private_copy(in_dict: bool, max_rows: Any) -> None:
    model = Keeping(in_dict)
    found = salience.explain(model, ROWS, TABLE, max_rows=max_rows)
    assert model.activation is None and not model.activations
    same(found.values, by_hand(model, ROWS, first))


def test_a_compiled_model_is_one_model() -> None:
    plain = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    others = [nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double() for _ in "ab"]
    compiled, *members = (torch.compile(net, backend="eager") for net in (plain, *others))
    found = salience.explain(compiled, ROWS, TABLE, samplers=[Ensemble(members)], n_samples=2)
    same(found.values, torch.stack([by_hand(net, ROWS, first) for net in others]).mean(0))
    axes = ("item", "unit")
    inside, expected = (
        salience.explain(model, ROWS, TABLE, target=Target(path, axes=axes)).values
        for model, path in ((compiled, "_orig_mod.1"), (plain, "1"))
    )
    same(inside, expected)


# --- Convolutions ---------------------------------------------------------------------------------


def reparametrised(how: Callable[[nn.Module], Any]) -> nn.Module:
    convolution = nn.Conv2d(3, 4, 3)
    how(convolution)
    return nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).double().eval()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "how",
    [
        weight_norm,
        lambda c: prune.l1_unstructured(c, "weight", 0.4),
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        parametrizations.orthogonal,
    ],
    ids=["weight_norm", "prune", "weight norm", "spectral norm", "orthogonal"],
)
def test_reparametrised_convolutions_are_explained(how: Callable[[nn.Module], Any]) -> None:
    model = reparametrised(how)
    expected = by_hand(model, PHOTOS, first)
    for max_rows in (1, 3, "auto"):
        same(salience.explain(model, PHOTOS, IMAGES, max_rows=max_rows).values, expected)
    settings: dict[str, Any] = {"samplers": ["gaussian:scale=0"], "n_samples": 3}
    same(salience.explain(model, PHOTOS, IMAGES, **settings).values, expected)


@dataclass
class Output:
    """What no tree of tensors knows."""

    scores: Tensor


class Shortcut(nn.Module):
    """The first convolution is read by a normalisation and by a shortcut around it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.convolution, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 3)
        nn.init.normal_(self.norm.weight)
        assert self.norm.running_mean is not None and self.norm.running_var is not None
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.3, 3)
        self.kind = kind

    def forward(self, x: Tensor) -> Any:
        stem = self.stem(x)
        hidden = self.convolution(self.norm(stem).relu())
        gate = x.amax((1, 2, 3), keepdim=True) < 10 if self.kind == "gated" else 1
        scores = self.last((hidden + gate * stem).relu().mean((2, 3)))
        if self.kind == "softmax":
            return (40 * scores).softmax(1)
        if self.kind == "complex":
            return torch.complex(scores, scores)
        if self.kind == "dataclass":
            return Output(scores)
        return scores + 1e4 if self.kind == "offset" else scores


READ: dict[str, Callable[[Any], Tensor]] = {
    "plain": first,
    "gated": first,
    "softmax": lambda scores: scores[:, 1].clamp_min(1e-300).log(),
    "complex": lambda scores: scores[:, 0].abs(),
    "dataclass": lambda output: first(output.scores),
    "offset": first,
}


@pytest.mark.parametrize("max_rows", [1, 2, "auto"])
@pytest.mark.parametrize("kind", READ)
def test_a_convolution_with_a_shortcut_is_not_folded(kind: str, max_rows: Any) -> None:
    model, x = Shortcut(kind).eval(), PHOTOS.float()
    x[0] *= 6
    found = salience.explain(model, x, IMAGES, output=READ[kind], max_rows=max_rows).values
    expected = by_hand(model, x, READ[kind])
    assert (found - expected).norm() < 1e-4 * expected.norm()


# --- Dropout whose rows do not lie item by item ---------------------------------------------------


class TimeMajor(nn.Module):
    """Its rows lie time by time under dropout, which a constant or a long mean hides."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 16).double(), nn.Linear(16, 1).double()
        self.dropout, self.constant = nn.Dropout(0.2), constant

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(0, 1).reshape(-1, x.shape[2])
        hidden = self.two(self.dropout(self.one(rows).relu()))
        scores: Tensor = hidden.reshape(x.shape[1], len(x)).mean(0) + self.constant
        return scores


@pytest.mark.parametrize(("constant", "time"), [(0.0, 20), (20.0, 20), (1e6, 20), (0.0, 300)])
def test_masks_that_would_meet_the_wrong_rows_are_found_out(constant: float, time: int) -> None:
    model, x = TimeMajor(constant), torch.randn(3, time, 4).double()
    settings: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 4}
    found = [
        salience.explain(
            model, x, SEQUENCES, "integrated_gradients:steps=4", max_rows=n, **settings
        ).values
        for n in (1, 3, 64)
    ]
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-9, atol=1e-12)


# --- Modules of torch that are another function without a gradient, or that write -----------------


class Padded(nn.Module):
    """An encoder that is told which positions are padding."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder, self.last = nn.TransformerEncoder(layer, 2), nn.Linear(8, 1)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.tensor([x.shape[1] - int(row[0, 0] > 0) for row in x])
        padding = torch.arange(x.shape[1]) >= lengths[:, None]
        scores: Tensor = self.last(self.encoder(x, src_key_padding_mask=padding)).mean(1)
        return scores


@pytest.mark.filterwarnings("ignore:.*nested tensors is in prototype")
@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
def test_values_and_gradients_of_a_padded_encoder_are_of_one_function(max_rows: Any) -> None:
    model, x = Padded().eval(), torch.randn(4, 5, 8).double()
    x[:, 0, 0] = torch.tensor([1.0, -1.0, 1.0, -1.0])
    half_way = salience.IntegratedGradients(64, salience.PerItem(x / 2))
    path = salience.explain(model, x, SEQUENCES, half_way, max_rows=max_rows)
    gradient = salience.explain(model, x, SEQUENCES, max_rows=max_rows)
    same(path.score, gradient.score)
    assert path.completeness_gap.max() < 1e-3 * path.score.abs().max()
    same(gradient.values, by_hand(model, x, lambda scores: scores))
    inside = Target("encoder.layers.0.linear1", axes=("item", "time", "channel"))
    assert salience.explain(model, x, SEQUENCES, target=inside).values.isfinite().all()


class Renormed(nn.Module):
    """An embedding that scales its rows down in its own weights when they are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.tied = nn.Linear(4, 10)
        self.embed, self.last = nn.Embedding(10, 4, max_norm=1.0), nn.Linear(4, 1)
        nn.init.normal_(self.tied.weight)
        self.embed.weight = self.tied.weight

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.last(self.embed(x).mean(1))
        return scores


def test_weights_that_a_forward_writes_to_are_copies() -> None:
    models = [Renormed() for _ in range(3)]
    before = [model.embed.weight.clone() for model in models]
    words = torch.arange(10).reshape(5, 2)
    target = Target("embed", axes=("item", "word", "channel"))
    domain = Tensors(("item", "word"), output="value")
    settings: dict[str, Any] = {"samplers": [Ensemble(models[1:])], "n_samples": 2}
    for more in ({}, settings, settings | {"max_rows": 1}):
        salience.explain(models[0], words, domain, target=target, **more)
    assert all(torch.equal(m.embed.weight, b) for m, b in zip(models, before, strict=True))


# --- What cannot be served ------------------------------------------------------------------------


def test_batch_statistics_are_refused_unless_items_run_alone() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2, track_running_stats=False))
    model = nn.Sequential(model, nn.Flatten(), nn.Linear(72, 2)).double().eval()
    with pytest.raises(InputError, match=r"'0\.1' normalises .* max_rows=1"):
        salience.explain(model, PHOTOS, IMAGES)
    found = salience.explain(model, PHOTOS, IMAGES, max_rows=1)
    same(found.values, by_hand(model, PHOTOS, first))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_scripted_model_does_not_let_in_is_refused() -> None:
    model = torch.jit.script(nn.Sequential(nn.Linear(4, 3)).double())
    same(salience.explain(model, ROWS, TABLE).values, by_hand(model, ROWS, first))
    with pytest.raises(InputError, match="scripted"):
        salience.explain(model, ROWS, TABLE, samplers=[WeightNoise()], n_samples=2)
    with pytest.raises(InputError, match="scripted"):
        salience.explain(model, ROWS, TABLE, target=Target("0", axes=("item", "unit")))


class Copied(nn.Module):
    """Runs a shallow copy of a layer, which shares its hooks, before the layer itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.4))
        self.second = copy.copy(self.first)
        self.second._forward_hooks = self.first._forward_hooks
        self.second._forward_pre_hooks = self.first._forward_pre_hooks

    def forward(self, x: Tensor) -> Tensor:
        between = self.second(x).tanh()
        return self.first(between).tanh().sum(1)


@pytest.mark.parametrize("at", ["output", "input"])
def test_a_shallow_copy_of_the_watched_module_is_not_taken_for_it(at: str) -> None:
    torch.manual_seed(0)
    model, x = Copied().double().eval(), torch.randn(4, 3).double()
    target = salience.Target("first", at=at, axes=("item", "unit"))
    found = salience.explain(model, x, "tensor", target=target, output="value")
    between = model.second(x).tanh().detach().requires_grad_()
    inside = model.first(between)
    at_leaf = inside if at == "output" else between
    (expected,) = torch.autograd.grad(inside.tanh().sum(), at_leaf)
    torch.testing.assert_close(found.values, expected)
