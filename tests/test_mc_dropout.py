"""Monte Carlo dropout turns on dropout and nothing else, with one mask a draw."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import salience
from salience import (
    Batch,
    Domain,
    Field,
    Gradient,
    InputError,
    IntegratedGradients,
    Layout,
    MCDropout,
    PerItem,
    Tensors,
    Value,
)

SEQUENCES = Tensors(("item", "time", "channel"), output="value")
IMAGES = Tensors(("item", "channel", "height", "width"), output="value")


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        yield


def close(got: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)


def draws_of(
    model: Any,
    x: Any,
    domain: Domain,
    calculator: Any = "gradient",
    n_samples: int = 6,
    max_rows: int | str = "auto",
    **settings: Any,
) -> Any:
    explainer = salience.Explainer(model, domain, output=Value(), max_rows=max_rows)
    samples = explainer.compute(
        x, calculator, samplers=[MCDropout()], n_samples=n_samples, **settings
    )
    return samples.values


class Of(nn.Module):
    """A function of the input and of a module, as a model in float64."""

    def __init__(self, function: Callable[..., Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(modules)
        self.double()

    def forward(self, *args: Any) -> Tensor:
        return self.function(*self.parts, *args)


def total(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)


# --- What moves -----------------------------------------------------------------------------------


def attention(need_weights: bool) -> nn.Module:
    part = nn.MultiheadAttention(4, 2, dropout=0.4, batch_first=True)
    return Of(lambda m, x: total(m(x, x, x, need_weights=need_weights)[0].sin()), part)


def encoder_layer() -> nn.Module:
    part = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.4, activation="gelu", batch_first=True)
    return Of(lambda m, x: total(m(x).sin()), part)


def scaled_dot_product(x: Tensor) -> Tensor:
    return total(F.scaled_dot_product_attention(x, x.cos(), x.sin(), dropout_p=0.4))


def dropped_in_place(x: Tensor) -> Tensor:
    h = x.sin()
    F.dropout(h, 0.4, inplace=True)
    return total(h)


MOVING: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Domain]] = {
    "nn.Dropout": (lambda: Of(lambda d, x: total(d(x).sin()), nn.Dropout(0.4)), (5,), Tensors()),
    "nn.Dropout in place": (
        lambda: Of(lambda d, x: total(d(x.sin())), nn.Dropout(0.4, inplace=True)),
        (5,),
        Tensors(),
    ),
    "functional in place": (lambda: Of(dropped_in_place), (5,), Tensors()),
    "functional": (lambda: Of(lambda x: total(F.dropout(x, 0.4, False).sin())), (5,), Tensors()),
    "functional by keyword": (
        lambda: Of(lambda x: total(F.dropout(input=x, p=0.4, training=False).sin())),
        (5,),
        Tensors(),
    ),
    "torch.dropout": (lambda: Of(lambda x: total(torch.dropout(x, 0.4, False))), (5,), Tensors()),
    "torch.dropout by keyword": (
        lambda: Of(lambda x: total(torch.dropout(x, p=0.4, train=False))),
        (5,),
        Tensors(),
    ),
    "nn.AlphaDropout": (
        lambda: Of(lambda d, x: total(d(x).sin()), nn.AlphaDropout(0.4)),
        (5,),
        Tensors(),
    ),
    "nn.Dropout1d": (
        lambda: Of(lambda d, x: total(d(x).sin()), nn.Dropout1d(0.4)),
        (4, 3),
        SEQUENCES,
    ),
    "nn.Dropout2d": (
        lambda: Of(lambda d, x: total(d(x).sin()), nn.Dropout2d(0.4)),
        (4, 3, 3),
        IMAGES,
    ),
    "nn.FeatureAlphaDropout": (
        lambda: Of(lambda d, x: total(d(x).sin()), nn.FeatureAlphaDropout(0.4)),
        (4, 3, 3),
        IMAGES,
    ),
    "attention": (lambda: attention(False), (3, 4), SEQUENCES),
    "attention with weights": (lambda: attention(True), (3, 4), SEQUENCES),
    "transformer layer": (encoder_layer, (3, 4), SEQUENCES),
    "scaled dot product": (lambda: Of(scaled_dot_product), (3, 4), SEQUENCES),
}


@pytest.mark.parametrize("kind", MOVING)
def test_every_kind_of_dropout_moves_the_draws(kind: str) -> None:
    make, shape, domain = MOVING[kind]
    x = torch.randn(3, *shape).double()
    draws = draws_of(make(), x, domain)
    assert len({tuple(draw.flatten().tolist()) for draw in draws}) == len(draws)
    # Items of one draw have masks of their own, too.
    assert not torch.equal(*draws_of(make(), x[:1].expand(2, *shape), domain)[0])


@pytest.mark.parametrize("kind", MOVING)
def test_masks_do_not_depend_on_packing(kind: str) -> None:
    make, shape, domain = MOVING[kind]
    model, x = make(), torch.randn(5, *shape).double()
    alone = draws_of(model, x, domain, max_rows=1)
    for max_rows in (2, 3, 4, 6, 30, "auto"):
        close(draws_of(model, x, domain, max_rows=max_rows), alone)
    some = draws_of(model, x[[3, 1]], domain, ids=[3, 1])
    close(some, alone[:, [3, 1]])


@pytest.mark.parametrize("kind", MOVING)
def test_values_and_gradients_are_taken_of_one_function(kind: str) -> None:
    # Were a mask, or a fast path without dropout, different for values and gradients, then the
    # gradients along the path would not add up to the difference of the values at its ends.
    make, shape, domain = MOVING[kind]
    x = torch.randn(3, *shape).double()
    explainer = salience.Explainer(make(), domain, output=Value())
    found = explainer.explain(
        x,
        IntegratedGradients(32, PerItem(x + 0.5 * torch.randn_like(x))),
        samplers=[MCDropout()],
        n_samples=4,
    )
    assert (found.completeness_gap < 1e-6).all()
    assert (found.delta.abs() > 1e-2).all()


def test_attention_drops_the_same_with_and_without_weights() -> None:
    x = torch.randn(3, 3, 4).double()
    one, other = attention(True), attention(False)
    other.load_state_dict(one.state_dict())
    close(draws_of(one, x, SEQUENCES), draws_of(other, x, SEQUENCES))


MASKS = {
    "plain": {},
    "boolean mask": {"attn_mask": torch.tensor([[1, 0, 1], [1, 1, 0], [0, 1, 1]]).bool()},
    "additive mask": {"attn_mask": torch.linspace(-1, 1, 9).reshape(3, 3).double()},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "grouped queries": {"enable_gqa": True},
}


@pytest.mark.parametrize("kind", MASKS)
def test_attention_is_torchs_own_but_for_the_dropped_weights(kind: str) -> None:
    heads = 2 if kind == "grouped queries" else 4

    def model(p: float) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            q = x.reshape(len(x), 3, 4, 2).transpose(1, 2)
            k, v = q[:, :heads].cos(), q[:, :heads].sin()
            # The rate by position as well as by keyword.
            if kind == "plain":
                return total(F.scaled_dot_product_attention(q, k, v, None, p))
            return total(F.scaled_dot_product_attention(q, k, v, dropout_p=p, **MASKS[kind]))

        return forward

    x = torch.randn(3, 3, 8).double()
    expected = salience.explain(model(0.0), x, SEQUENCES).values
    # At this rate no weight is dropped, but all the code for dropping them runs.
    close(draws_of(model(1e-12), x, SEQUENCES, n_samples=1)[0], expected)


# --- What stays -----------------------------------------------------------------------------------


class Moody(nn.Module):
    """Stochastic depth and drop-connect, coded as such models do, beside batch norm and dropout."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.dropout = nn.Dropout(p)
        self.head = nn.Linear(4, 1)
        self.seen: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.first(x))
        if self.training and torch.rand(()) < 0.9:
            return self.head(h)
        weight = self.second.weight
        if self.training:
            weight = weight * (torch.rand_like(weight) > 0.5)
        h = h + F.linear(h, weight, self.second.bias).tanh()
        return self.head(self.dropout(h))


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_stochastic_depth_and_drop_connect_stay_as_in_eval(training: bool) -> None:
    # A dropout that drops nothing to speak of leaves the model of eval mode, whatever its flags.
    model = Moody(1e-12).double()
    model(torch.randn(8, 4).double())  # gives batch norm statistics
    x = torch.randn(5, 4).double()
    expected = salience.explain(copy.deepcopy(model), x, Tensors(), output="value").values
    model.train(training)
    before = copy.deepcopy(model.state_dict())
    draws = draws_of(model, x, Tensors())
    close(draws, expected.expand_as(draws))
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert before.keys() == after.keys()
    assert all(module.training == training for module in model.modules())


def test_no_module_ever_sees_training_mode() -> None:
    seen = []
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    for module in model:
        module.register_forward_hook(lambda module, args, output: seen.append(module.training))
    salience.explain(
        model, torch.randn(5, 4), Tensors(), samplers=["mc_dropout"], n_samples=3, output="value"
    )
    assert seen
    assert not any(seen)


def test_dropout_of_rate_zero_beside_another_stays_off() -> None:
    model = Of(lambda a, b, x: total(a(x)) + total(b(x)), nn.Dropout(0.0), nn.Dropout(0.5))
    draws = draws_of(model, torch.ones(3, 5).double(), Tensors(), n_samples=20)
    assert set(draws.unique().tolist()) == {1.0, 3.0}


@pytest.mark.parametrize(
    "model",
    [
        nn.Linear(4, 1),
        nn.Sequential(nn.Linear(4, 1), nn.Dropout(0.0)),
        Of(lambda x: total(F.scaled_dot_product_attention(x, x, x))),
    ],
    ids=["none", "rate 0", "attention without"],
)
def test_a_model_without_dropout_is_refused(model: nn.Module) -> None:
    with pytest.raises(InputError, match="mc_dropout needs a model with dropout"):
        salience.explain(
            model,
            torch.randn(3, 4),
            Tensors(),
            samplers=["mc_dropout"],
            n_samples=2,
            output="value",
        )


# --- One mask a draw ------------------------------------------------------------------------------


@pytest.mark.parametrize("max_rows", [1, 7, "auto"])
def test_all_path_points_of_a_draw_share_its_mask(max_rows: int | str) -> None:
    # With its mask fixed this model is linear, so each path point has the gradient of the end.
    model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.Linear(6, 1)).double()
    x = torch.randn(5, 4).double()
    gradient = draws_of(model, x, Tensors(), max_rows=max_rows)
    path = draws_of(model, x, Tensors(), IntegratedGradients(5, 0.5), max_rows=max_rows)
    close(path, (x - 0.5) * gradient)
    assert gradient.std(0).min() > 0


@pytest.mark.parametrize("max_rows", [1, 7, "auto"])
def test_all_windows_of_a_draw_share_its_mask(max_rows: int | str) -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.Linear(6, 1)).double()
    x = torch.randn(5, 4).double()
    gradient = draws_of(model, x, Tensors(), max_rows=max_rows)
    close(draws_of(model, x, Tensors(), "occlusion", max_rows=max_rows), x * gradient)


def test_completeness_is_as_good_under_dropout_as_without() -> None:
    model = nn.Sequential(
        nn.Linear(4, 16),
        nn.Tanh(),
        nn.Dropout(0.5),
        nn.Linear(16, 16),
        nn.Tanh(),
        nn.Dropout(0.5),
        nn.Linear(16, 1),
    ).double()
    x = torch.randn(64, 4).double()
    explainer = salience.Explainer(model, Tensors(), output="value")
    plain = explainer.explain(x, IntegratedGradients(6))
    dropped = explainer.explain(x, IntegratedGradients(6), samplers=["mc_dropout"], n_samples=8)
    assert dropped.completeness_gap.mean() < 1e-3 * dropped.delta.abs().mean()
    assert dropped.completeness_gap.mean() < 10 * plain.completeness_gap.mean()


def test_noise_and_dropout_of_one_draw_are_the_same_alone_and_together() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.Linear(6, 1)).double()
    x = torch.randn(5, 4).double()
    explainer = salience.Explainer(model, Tensors(), output="value")
    both = explainer.compute(x, Gradient(), samplers=["gaussian", "mc_dropout"], n_samples=4)
    # The gradient of this model knows its mask only.
    close(both.values, draws_of(model, x, Tensors(), n_samples=4))


# --- The masks themselves -------------------------------------------------------------------------


def dropped_sum(p: float) -> Callable[[Tensor], Tensor]:
    """Its gradient shows the mask: 0, or 1/(1 − p)."""
    return lambda x: total(F.dropout(x, p))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_units_are_kept_at_their_rate_and_scaled_to_keep_the_mean(p: float) -> None:
    draws = draws_of(dropped_sum(p), torch.ones(50, 40).double(), Tensors(), n_samples=30)
    kept = draws != 0
    close(draws[kept], torch.full_like(draws[kept], 1 / (1 - p)))
    n = draws.numel()
    assert abs(float(kept.double().mean()) - (1 - p)) < 4 * (p * (1 - p) / n) ** 0.5
    for rate in (
        kept.double().mean((1, 2)),
        kept.double().mean((0, 2)),
        kept.double().mean((0, 1)),
    ):
        slack = 5 * (p * (1 - p) * len(rate) / n) ** 0.5
        assert (rate - (1 - p)).abs().max() < slack


def test_the_mean_over_draws_of_a_linear_model_is_its_gradient_without_dropout() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 1)).double()
    x = torch.randn(200, 4).double()
    explainer = salience.Explainer(model, Tensors(), output="value")
    found = explainer.explain(x, samplers=["mc_dropout"], n_samples=64)
    true = (model[2].weight @ model[0].weight).detach()[0]
    error = found.values.mean(0) - true
    assert (error.abs() < 4 * found.mean_std_error()).all()
    # And the spread of the draws is that of dropped units: Σ_j (v_j w_ji)² p/(1 − p).
    spread = ((model[2].weight.T * model[0].weight) ** 2).sum(0).detach() * 0.3 / 0.7
    close(found.std_error.square().mean(0) * 64, spread, 0.05)


def test_two_dropouts_of_one_forward_drop_different_units() -> None:
    draws = draws_of(
        lambda x: total(F.dropout(x, 0.5)) + 10 * total(F.dropout(x, 0.5)),
        torch.ones(50, 40).double(),
        Tensors(),
    )
    pairs, counts = draws.unique(return_counts=True)
    assert pairs.tolist() == [0, 2, 20, 22]
    assert (counts.double() / draws.numel() - 0.25).abs().max() < 0.02


@pytest.mark.parametrize("function", [F.dropout2d, F.feature_alpha_dropout])
def test_whole_channels_are_dropped(function: Any) -> None:
    x = torch.randn(6, 20, 3, 4).double()
    draws = draws_of(lambda x: total(function(x, 0.5)), x, IMAGES)
    close(draws, draws[..., :1, :1].expand_as(draws))
    kept = (draws[..., 0, 0] != 0).double()
    assert abs(float(kept.mean()) - 0.5) < 4 * 0.5 / kept.numel() ** 0.5


def test_alpha_dropout_keeps_mean_and_variance_of_standard_normal_units() -> None:
    seen: list[Tensor] = []

    def model(x: Tensor) -> Tensor:
        dropped = F.alpha_dropout(x, 0.3)
        seen.append(dropped.detach())
        return total(dropped)

    x = torch.randn(400, 50).double()
    draws_of(model, x, Tensors(), n_samples=1, max_rows=400)
    units = next(values for values in reversed(seen) if values.shape == x.shape)
    assert units.mean().abs() < 0.03
    assert (units.var() - 1).abs() < 0.05
    # A dropped unit is set to the negative saturation of SELU, rescaled.
    low = 1.7580993408473766
    dropped = -0.7 * low / (0.7 * (1 + 0.3 * low**2)) ** 0.5
    rate = ((units - dropped).abs() < 1e-12).double().mean()
    assert float(rate) == pytest.approx(0.3, abs=0.02)


def test_dropout_of_rate_one_leaves_nothing() -> None:
    model = Of(lambda d, x: total(x) + total(F.dropout(x, 1.0)) + total(d(x)), nn.Dropout(0.5))
    draws = draws_of(model, torch.ones(3, 5).double(), Tensors())
    assert set(draws.unique().tolist()) == {1.0, 3.0}


# --- Which row a position belongs to --------------------------------------------------------------

# Dropped tensors need not begin with the items. Here lengths are chosen so that shapes alone
# mislead: as many time steps as rows, or a multiple of them.


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("time", [1, 2, 4, 6])
def test_time_may_come_before_the_items_inside_the_model(time: int, batch_first: bool) -> None:
    part = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.4, batch_first=batch_first)

    def forward(layer: nn.Module, x: Tensor) -> Tensor:
        return total(layer(x)) if batch_first else total(layer(x.transpose(0, 1)).transpose(0, 1))

    model = Of(forward, part)
    x = torch.randn(4, time, 4).double()
    alone = draws_of(model, x, SEQUENCES, max_rows=1, n_samples=3)
    for max_rows in (2, 3, 4, 6, "auto"):
        packed = draws_of(model, x, SEQUENCES, max_rows=max_rows, n_samples=3)
        close(packed, alone)


def test_time_may_come_before_the_items_in_the_data() -> None:
    domain = Tensors(("time", "item", "channel"), output="value")

    def model(x: Tensor) -> Tensor:
        return F.dropout(x, 0.5).sum((0, 2))

    x = torch.ones(4, 4, 3).double()
    alone = draws_of(model, x, domain, max_rows=1)
    for max_rows in (2, 4, 8):
        assert torch.equal(draws_of(model, x, domain, max_rows=max_rows), alone)


@pytest.mark.parametrize("max_rows", [2, 4, 8, "auto"])
def test_dropped_weights_follow_the_draw_of_each_row(max_rows: int | str) -> None:
    # Drop-connect by functional dropout: the weight has no axis of items at all.
    class DropConnect(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, F.dropout(self.weight, 0.5, self.training), self.bias)

    model = nn.Sequential(DropConnect(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x = torch.randn(4, 4).double()
    close(
        draws_of(model, x, Tensors(), max_rows=max_rows),
        draws_of(model, x, Tensors(), max_rows=1),
    )


@dataclass(frozen=True)
class Clouds(Domain):
    """Ragged items with two kinds of elements, points and links, both features of the model."""

    output: str = "value"
    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        return Layout(
            {
                "points": Field(("point", "channel")),
                "links": Field(("link", "channel")),
                "point_owner": Field(("point",), refers_to="item"),
                "link_owner": Field(("link",), refers_to="item"),
                "n_items": Field(counts="item"),
            },
            elements=("point", "link"),
        )

    def read(self, data: Any) -> list[Any]:
        return list(data)

    def size(self, sample: Any) -> int:
        return int(sample[0])

    def collate(self, samples: Any) -> Batch:
        points, links = (torch.tensor([sample[k] for sample in samples]) for k in (0, 1))
        return Batch(
            {
                "points": torch.ones(int(points.sum()), 3).double(),
                "links": torch.ones(int(links.sum()), 3).double(),
                "point_owner": torch.repeat_interleave(points),
                "link_owner": torch.repeat_interleave(links),
                "n_items": len(samples),
            },
            self.layout,
            len(samples),
            {"point": points, "link": links},
        )


def cloud_model(what: str) -> Callable[..., Tensor]:
    def forward(
        points: Tensor, links: Tensor, point_owner: Tensor, link_owner: Tensor, n_items: int
    ) -> Tensor:
        zero = points.new_zeros(n_items, 3)
        if what == "points":
            return zero.index_add(0, point_owner, F.dropout(points, 0.5)).sum(1)
        if what == "links":
            # The points of an item are scaled by the sum of its dropped links.
            kept = zero.index_add(0, link_owner, F.dropout(links, 0.5))
            return (
                (points * (1 + kept[point_owner]))
                .new_zeros(n_items)
                .index_add(0, point_owner, (points * (1 + kept[point_owner])).sum(1))
            )
        if what == "points and links":
            # As graph attention does that adds a loop to every atom.
            both = F.dropout(torch.cat([links, points]), 0.5)
            owner = torch.cat([link_owner, point_owner])
            kept = zero.index_add(0, owner, both)
            return zero.index_add(0, point_owner, points * kept[point_owner]).sum(1)
        pooled = zero.index_add(0, point_owner, points)
        if what == "items":
            return F.dropout(pooled, 0.5).sum(1)
        heads = F.dropout(pooled.repeat_interleave(4, 0) / torch.arange(1.0, 4.0), 0.5)
        return heads.reshape(n_items, -1).sum(1)

    return forward


#: Points and links of items; their totals agree with each other, with the number of items and with
#: multiples of it in many of the ways in which they can be packed.
CLOUDS = [(2, 3), (3, 2), (1, 2), (2, 1), (1, 1), (1, 3), (4, 1), (1, 0)]


@pytest.mark.parametrize("first", [0, 4, 6], ids=lambda i: f"first {CLOUDS[i]}")
@pytest.mark.parametrize(
    "what", ["points", "links", "points and links", "items", "items times heads"]
)
def test_masks_of_ragged_items_follow_their_items_even_where_lengths_mislead(
    what: str, first: int
) -> None:
    model = cloud_model(what)
    clouds, ids = CLOUDS[first:] + CLOUDS[:first], [*range(first, 8), *range(first)]
    whole = draws_of(model, clouds, Clouds(), max_rows=100, ids=ids)
    assert any(len(values.unique()) > 1 for values in whole)
    for max_rows in (4, 5, 6, 8, 12, "auto"):
        packed = draws_of(model, clouds, Clouds(), max_rows=max_rows, ids=ids)
        for one, other in zip(packed, whole, strict=True):
            close(one, other)
    for i, cloud, own in zip(ids, clouds, whole, strict=True):
        close(draws_of(model, [cloud], Clouds(), ids=[i])[0], own)


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_masks_do_not_depend_on_padding(graphs: Any, need_weights: bool) -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(6, 4)
            self.attend = nn.MultiheadAttention(4, 2, dropout=0.4, batch_first=True)
            self.double()

        def forward(self, labels: Tensor, adjacency: Tensor, real: Tensor) -> Tensor:
            h = self.embed(labels)
            mixed, _ = self.attend(h, h, h, key_padding_mask=~real, need_weights=need_weights)
            return total((h + mixed).sin() * real[..., None])

    model = Attending()
    one, other = (draws_of(model, graphs.data, graphs.padded(least=least)) for least in (0, 9))
    for a, b in zip(one, other, strict=True):
        close(a, b)
    alone = draws_of(model, [graphs.data[3]], graphs.padded(), ids=[3])
    close(alone[0], one[3])


# --- Chosen layers and rates ---------------------------------------------------------------------


class Layered(nn.Module):
    """Four inputs, each behind dropout of a kind of its own; the gradient of each is its mask."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Dropout(0.5)
        self.block = nn.Sequential(nn.Identity(), nn.Sequential(nn.Dropout(0.25)))
        self.channels = nn.Dropout1d(0.5)

    def forward(self, x: Tensor) -> Tensor:
        functional = F.dropout(x[:, 2], 0.5, training=self.training)
        whole = self.channels(x[:, 3:, None])[:, 0, 0]
        return self.first(x[:, 0]) + self.block(x[:, 1]) + functional + whole


def masks(sampler: MCDropout, n_samples: int = 400) -> Tensor:
    explainer = salience.Explainer(Layered().double(), Tensors(output="value"))
    kept = explainer.compute(torch.ones(1, 4).double(), samplers=[sampler], n_samples=n_samples)
    return kept.values[:, 0]


CHOSEN: dict[str, tuple[Any, set[int]]] = {
    "everywhere": (None, {0, 1, 2, 3}),
    "a path": ("first", {0}),
    "what a module holds": ("block", {1}),
    "paths": (["first", "block.1.0"], {0, 1}),
    "the whole model": ("", {0, 1, 2, 3}),
    "a class": (nn.Dropout1d, {3}),
    "a class and a path": ((nn.Dropout1d, "first"), {0, 3}),
    "a class that holds others": (nn.Sequential, {1}),
}


@pytest.mark.parametrize("kind", CHOSEN)
def test_dropout_is_on_in_the_chosen_layers_only(kind: str) -> None:
    layers, moved = CHOSEN[kind]
    drawn = masks(MCDropout(layers=layers), 40)
    assert {i for i in range(4) if drawn[:, i].std() > 0} == moved
    still = [i for i in range(4) if i not in moved]
    assert (drawn[:, still] == 1).all()


def test_a_rate_takes_the_place_of_the_models_own() -> None:
    drawn = masks(MCDropout(rate=0.1), 4000)
    close(drawn.unique(), torch.tensor([0.0, 1 / 0.9], dtype=torch.float64))
    share = (drawn == 0).double().mean(0)
    assert ((share - 0.1).abs() < 4 * (0.09 / 4000) ** 0.5).all()


def test_a_rate_does_not_turn_on_what_is_off() -> None:
    model = nn.Sequential(nn.Dropout(0.0), nn.Linear(4, 1))
    with pytest.raises(InputError, match="rate above 0"):
        salience.explain(
            model, torch.ones(1, 4), Tensors(output="value"), samplers=[MCDropout(rate=0.5)]
        )


def test_chosen_attention_is_dropped_and_the_rest_is_not() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True).double().eval()
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 1).double())
    x = torch.randn(2, 3, 4).double()
    domain = Tensors(("item", "time", "channel"), output="value")

    def spread(**settings: Any) -> float:
        sampler = MCDropout(**settings)
        found = salience.explain(model, x, domain, samplers=[sampler], n_samples=20)
        return float(found.std_error.mean())

    assert spread(layers="0.self_attn") > 0
    assert spread(layers=nn.MultiheadAttention) == spread(layers="0.self_attn")
    assert spread(layers="0.dropout1") not in (0, spread(layers="0.self_attn"))


def test_the_model_keeps_no_hooks_after_a_forward_that_fails() -> None:
    model = Layered()
    with pytest.raises(InputError):
        salience.explain(
            model, torch.ones(1, 2), Tensors(), samplers=[MCDropout(layers="first")], n_samples=2
        )
    assert not model.first._forward_hooks and not model.first._forward_pre_hooks


WRONG: dict[str, tuple[Any, tuple[str, ...]]] = {
    "an unknown path": (lambda: MCDropout(layers="frist"), ("'frist'", "'first'")),
    "an absent class": (lambda: MCDropout(layers=nn.Dropout2d), ("Dropout2d",)),
    "a layer without dropout": (lambda: MCDropout(layers="block.0"), ("'block.0'", "none")),
    "a module": (lambda: MCDropout(layers=nn.Dropout()), ("paths of modules",)),
    "a rate of 1": (lambda: MCDropout(rate=1.0), ("rate=1.0",)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_layers_and_rates_that_make_no_sense_are_refused(kind: str) -> None:
    make, words = WRONG[kind]
    with pytest.raises(InputError) as caught:
        masks(make())
    assert all(word in str(caught.value) for word in words)


class ByHand(nn.Module):
    """Draws in training mode by other means than torch's dropout, beside dropout."""

    def __init__(self, draw: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.drop, self.draw = nn.Linear(4, 4), nn.Dropout(0.5), draw

    def forward(self, x: Tensor) -> Tensor:
        h = self.drop(self.layer(x))
        return (self.draw(h) if self.training else h).sum(1)


DRAWS = {
    "locked dropout": lambda h: h * h.new_empty(len(h), 1).bernoulli_(0.5) * 2,
    "stochastic depth": lambda h: h * (torch.rand(len(h), 1) > 0.5),
    "noise": lambda h: h + torch.randn_like(h),
}


@pytest.mark.parametrize("draw", DRAWS)
def test_what_only_training_mode_draws_by_hand_is_said_to_stay_off(draw: str) -> None:
    with pytest.warns(salience.Notice, match="draws otherwise than by torch's dropout"):
        found = salience.explain(
            ByHand(DRAWS[draw]),
            torch.ones(2, 4),
            Tensors(output="value"),
            samplers=["mc_dropout"],
            n_samples=4,
        )
    assert any("stays off" in notice for notice in found.provenance["notices"])


@pytest.mark.parametrize("layers", [None, ("drop",)])
def test_plain_dropout_is_not_said_to_draw_otherwise(layers: Any, recwarn: Any) -> None:
    net = nn.Sequential()
    net.add_module("drop", nn.Dropout(0.5))
    net.add_module("other", nn.AlphaDropout(0.5))
    net.add_module("layer", nn.Linear(4, 1))
    salience.explain(
        net,
        torch.ones(2, 4),
        Tensors(output="value"),
        samplers=[MCDropout(layers=layers)],
        n_samples=4,
    )
    assert not [w for w in recwarn if "otherwise" in str(w.message)]
