"""Draws of weights: what each sampler draws, and that the user's model never holds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import salience
from salience import (
    SWAG,
    Ensemble,
    GaussianNoise,
    Gradient,
    InputError,
    IntegratedGradients,
    MCDropout,
    Posterior,
    Tensors,
    WeightNoise,
)

DOMAIN = Tensors(output="value")
IMAGES = Tensors(("item", "channel", "height", "width"), output="value")


def network(seed: int, width: int = 7) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1))
    return made.double()


def convolutions(seed: int) -> nn.Sequential:
    """With batch normalisation, whose statistics differ from member to member."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = nn.Sequential(
            nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(45, 1)
        ).double()
        made(torch.randn(20, 2, 5, 5).double())
    return made.eval()


def rows(n: int = 6) -> Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(1)).double()


def photos(n: int = 3) -> Tensor:
    return torch.randn(n, 2, 5, 5, generator=torch.Generator().manual_seed(2)).double()


def close(got: Any, expected: Any, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)


# --- Each draw is a run of its own ---------------------------------------------------------------


@pytest.mark.parametrize("max_rows", [1, 5, "auto"])
@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=8", "occlusion"])
def test_an_ensemble_is_its_members_run_one_by_one(calculator: str, max_rows: Any) -> None:
    members = [network(seed) for seed in range(4)]
    explainer = salience.Explainer(network(9), DOMAIN, max_rows=max_rows)
    kept = explainer.compute(rows(), calculator, samplers=[Ensemble(members)], n_samples=4)
    separate = [salience.explain(member, rows(), DOMAIN, calculator).values for member in members]
    close(kept.values, torch.stack(separate))
    found = explainer.explain(rows(), calculator, samplers=[Ensemble(members)], n_samples=4)
    close(found.values, torch.stack(separate).mean(0))
    close(found.std_error, torch.stack(separate).std(0) / 2)


def test_members_bring_their_statistics_of_batch_normalisation() -> None:
    members = [convolutions(seed) for seed in range(3)]
    explainer = salience.Explainer(convolutions(9), IMAGES)
    kept = explainer.compute(photos(), samplers=[Ensemble(members)], n_samples=3)
    separate = [salience.explain(member, photos(), IMAGES).values for member in members]
    close(kept.values, torch.stack(separate))


def test_graphs_run_with_drawn_weights(graphs: Any) -> None:
    members = [graphs.models(seed=seed)[0] for seed in range(3)]
    data, domain = list(graphs.data), graphs.ragged()
    calculator = IntegratedGradients(steps=4)
    explainer = salience.Explainer(graphs.models(seed=7)[0], domain)
    for max_rows in (5, 30, "auto"):
        explainer.max_rows = max_rows
        kept = explainer.compute(data, calculator, samplers=[Ensemble(members)], n_samples=3)
        for i, member in enumerate(members):
            alone = salience.explain(member, data, domain, calculator).values
            for draws, expected in zip(kept.values, alone, strict=True):
                close(draws[i], expected)


def test_members_come_as_models_state_dicts_and_files(tmp_path: Path) -> None:
    members = [network(seed) for seed in range(4)]
    save_file(members[2].state_dict(), tmp_path / "two.safetensors")
    torch.save(members[3].state_dict(), tmp_path / "three.pt")
    mixed = [
        members[0],
        members[1].state_dict(),
        tmp_path / "two.safetensors",
        str(tmp_path / "three.pt"),
    ]
    found, expected = (
        salience.explain(network(9), rows(), DOMAIN, samplers=[Ensemble(m)], n_samples=4).values
        for m in (mixed, members)
    )
    assert torch.equal(found, expected)


def test_an_ensemble_of_files_runs_again_from_its_record(tmp_path: Path) -> None:
    paths = []
    for seed in range(2):
        paths.append(tmp_path / f"{seed}.safetensors")
        save_file(network(seed).state_dict(), paths[-1])
    found = salience.explain(network(9), rows(), DOMAIN, samplers=[Ensemble(paths)], n_samples=2)
    found.save(tmp_path / "run.salience")
    record = salience.Explanation.load(tmp_path / "run.salience").provenance
    assert torch.equal(salience.rerun(network(9), rows(), record).values, found.values)


def test_members_given_as_objects_are_told_of_and_not_stored(tmp_path: Path) -> None:
    members = [network(seed, width=2000) for seed in range(2)]
    found = salience.explain(
        network(9, width=2000), rows(), DOMAIN, samplers=[Ensemble(members)], n_samples=2
    )
    found.save(tmp_path / "run.salience")
    assert (tmp_path / "run.salience").stat().st_size < 6_000
    assert found.provenance["samplers"] == [{"name": "ensemble", "members": "⟨2 members⟩"}]
    with pytest.raises(InputError, match="2 members"):
        salience.rerun(network(9), rows(), found.provenance)


def test_shared_weights_are_swapped_once() -> None:
    class Tied(nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.one = network(seed)[0]
            self.two = nn.Linear(4, 7).double()
            self.two.weight = self.one.weight

        def forward(self, x: Tensor) -> Tensor:
            return (self.one(x).tanh() * self.two(x)).sum(1)

    members = [Tied(seed) for seed in range(2)]
    kept = salience.Explainer(Tied(9), DOMAIN).compute(
        rows(), samplers=[Ensemble(members)], n_samples=2
    )
    close(kept.values[1], salience.explain(members[1], rows(), DOMAIN).values)


# --- SWAG, weight noise, posteriors --------------------------------------------------------------


class Linear(nn.Module):
    """x · w: the gradient of every row is w, so that draws of saliency are draws of weights."""

    def __init__(self, *weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight).double())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


def weights_of(sampler: Any, n: int, base: Linear | None = None, **settings: Any) -> Tensor:
    """Draws of the weights of a linear model, shape (n, 3)."""
    model = base or Linear(1.0, -2.0, 0.5)
    data = torch.ones(1, 3).double()
    kept = salience.Explainer(model, DOMAIN).compute(
        data, samplers=[sampler], n_samples=n, **settings
    )
    return kept.values[:, 0]


CHECKPOINTS = [Linear(1.0, 2.0, 3.0), Linear(2.0, 1.0, 3.5), Linear(0.0, 0.5, 2.0)]


def test_swag_draws_from_the_normal_distribution_that_the_checkpoints_give() -> None:
    points = torch.stack([c.weight.detach() for c in CHECKPOINTS])
    n = 6_000
    for scale in (1.0, 0.25):
        draws = weights_of(SWAG(CHECKPOINTS, scale=scale), n)
        low_rank = torch.cov(points.T)
        expected = scale * (torch.diag(points.var(0, correction=0)) + low_rank) / 2
        # A covariance of normal draws has the variance (Sᵢᵢ Sⱼⱼ + Sᵢⱼ²) / n.
        spread = expected.diag()
        error = ((spread[:, None] * spread + expected.square()) / n).sqrt()
        assert ((torch.cov(draws.T) - expected).abs() < 4 * error).all()
        assert ((draws.mean(0) - points.mean(0)).abs() < 4 * (spread / n).sqrt()).all()


def test_the_rank_of_swag_is_how_many_of_the_last_deviations_it_takes() -> None:
    points = torch.stack([c.weight.detach() for c in CHECKPOINTS])
    draws = weights_of(SWAG(CHECKPOINTS, rank=2), 6_000)
    deviations = (points - points.mean(0))[1:]
    expected = (torch.diag(points.var(0, correction=0)) + deviations.T @ deviations) / 2
    close(torch.cov(draws.T), expected, tolerance=0.05)


@pytest.mark.parametrize("mode", ["multiplicative", "additive"])
def test_weight_noise_has_its_closed_form(mode: str) -> None:
    weight, n = torch.tensor([1.0, -2.0, 0.5]).double(), 6_000
    draws = weights_of(WeightNoise(0.3, mode), n)
    std = 0.3 * (weight.abs() if mode == "multiplicative" else torch.ones(3).double())
    assert ((draws.mean(0) - weight).abs() < 4 * std / n**0.5).all()
    assert ((draws.std(0) / std - 1).abs() < 4 / (2 * n) ** 0.5).all()
    # Each weight has noise of its own.
    assert torch.corrcoef(draws.T).triu(1).abs().max() < 4 / n**0.5


def test_weight_noise_leaves_buffers_alone() -> None:
    class Buffered(Linear):
        def __init__(self) -> None:
            super().__init__(1.0, 1.0, 1.0)
            self.register_buffer("scale", torch.tensor([2.0, 0.0, 1.0]).double())

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x * self.scale)

    draws = weights_of(WeightNoise(0.5), 10, Buffered())
    assert (draws[:, 1] == 0).all()
    assert draws[:, 0].std() > 0


def test_samplers_of_weights_move_what_those_before_them_drew() -> None:
    members = [Linear(100.0, 0.0, 0.0), Linear(0.0, 100.0, 0.0)]
    kept = salience.Explainer(Linear(1.0, 1.0, 1.0), DOMAIN).compute(
        torch.ones(1, 3).double(), samplers=[Ensemble(members), WeightNoise(0.1)], n_samples=2
    )
    draws = kept.values[:, 0]
    assert (draws[0, 1:] == 0).all() and (draws[1, [0, 2]] == 0).all()
    assert 20 < draws[0, 0] < 180 and draws[0, 0] != 100
    assert draws[0, 0] != draws[1, 1]


class Normal:
    """A posterior of the user's that draws from the global generator."""

    def sample(self) -> Mapping[str, Tensor]:
        return {"weight": torch.randn(3).double() + 5}


def test_draws_of_a_posterior_are_the_same_whenever_they_are_asked_for() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    few, many = (weights_of(Posterior(Normal()), n, seed=4) for n in (5, 2000))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(few, many[:5])
    assert not torch.equal(few, weights_of(Posterior(Normal()), 5, seed=5))
    assert ((many.mean(0) - 5).abs() < 4 / 2000**0.5).all()


def test_a_posterior_may_hold_some_of_the_weights() -> None:
    last = {"2.weight": torch.linspace(-1, 1, 7)[None].double(), "2.bias": torch.ones(1).double()}

    class Last:
        def sample(self) -> Mapping[str, Tensor]:
            return last

    model, expected = network(0), network(0)
    expected.load_state_dict({**expected.state_dict(), **last})
    found = salience.explain(model, rows(), DOMAIN, samplers=[Posterior(Last())], n_samples=2)
    close(found.values, salience.explain(expected, rows(), DOMAIN).values)


class Reusing:
    """Writes each draw where the last one was, as a posterior around a network does."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def sample(self) -> Mapping[str, Tensor]:
        with torch.no_grad():
            for parameter in self.net.parameters():
                parameter.normal_()
        return self.net.state_dict()


class Copying(Reusing):
    def sample(self) -> Mapping[str, Tensor]:
        return {name: value.clone() for name, value in super().sample().items()}


def test_a_posterior_may_write_each_draw_where_the_last_one_was() -> None:
    of = {
        kind: salience.explain(
            network(0), rows(), DOMAIN, samplers=[Posterior(kind(network(1)))], n_samples=9
        )
        for kind in (Reusing, Copying)
    }
    assert (of[Reusing].std_error > 0).all()
    close(of[Reusing].values, of[Copying].values, 1e-15)
    close(of[Reusing].std_error, of[Copying].std_error, 1e-15)


def test_a_posterior_that_writes_into_the_model_is_refused_and_the_model_set_back() -> None:
    model = network(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError, match=r"'0.weight' into the model .*deepcopy"):
        salience.explain(model, rows(), DOMAIN, samplers=[Posterior(Reusing(model))], n_samples=2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Tied(nn.Module):
    """One matrix under two names."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.one = network(seed)[0]
        self.two = nn.Linear(4, 7).double()
        self.two.weight = self.one.weight
        self.two.bias = nn.Parameter(torch.ones(7).double())

    def forward(self, x: Tensor) -> Tensor:
        return (self.two(x) * self.one(x)).tanh().sum(1)


@pytest.mark.parametrize("names", [["one.weight"], ["two.weight"], ["one.weight", "two.weight"]])
def test_shared_weights_may_come_by_any_of_their_names(names: list[str]) -> None:
    new = network(5)[0].weight.detach()

    class Named:
        def sample(self) -> Mapping[str, Tensor]:
            return dict.fromkeys(names, new)

    model, expected = Tied(0), Tied(0)
    with torch.no_grad():
        expected.one.weight.copy_(new)
    found = salience.explain(model, rows(), DOMAIN, samplers=[Posterior(Named())], n_samples=2)
    close(found.values, salience.explain(expected, rows(), DOMAIN).values)


@pytest.mark.parametrize("kind", [Ensemble, SWAG])
def test_shared_weights_of_members_stay_shared(kind: Any) -> None:
    settings: dict[str, Any] = {"samplers": [kind([Tied(1), Tied(2)])], "n_samples": 2}
    model = Tied(0)
    packed, single = (
        salience.explain(model, rows(), DOMAIN, max_rows=n, **settings).values for n in ("auto", 1)
    )
    close(packed, single)
    if kind is Ensemble:
        apart = [salience.explain(Tied(seed), rows(), DOMAIN).values for seed in (1, 2)]
        close(packed, torch.stack(apart).mean(0))


# --- Draws do not depend on packing, and nothing is written into the model -----------------------


class Counting(nn.Module):
    """Counts its forwards in a buffer, and is the worse for it."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.net = network(seed)
        self.register_buffer("calls", torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        value: Tensor = self.net(x * self.calls)
        return value


@pytest.mark.parametrize("kind", [Ensemble, SWAG])
@pytest.mark.parametrize("max_rows", [1, 4, "auto"])
def test_what_a_forward_writes_stays_in_its_pass(kind: Any, max_rows: Any) -> None:
    members, net = [Counting(seed) for seed in range(3)], Counting(0)
    settings: dict[str, Any] = {"samplers": [kind(members)], "n_samples": 3, "max_rows": max_rows}
    if max_rows != 1:  # draws begin anew in each pass, but f(x) would be of one of many passes
        with pytest.raises(InputError, match="keeps a state from pass to pass"):
            salience.explain(net, rows(), DOMAIN, **settings)
        assert [float(member.calls) for member in (*members, net)] == [0, 0, 0, 0]
        return
    found = salience.explain(net, rows(), DOMAIN, **settings)
    assert [float(member.calls) for member in (*members, net)] == [0, 0, 0, 0]
    if kind is Ensemble:
        # The first forward of each member, whatever the packing.
        plain = [salience.explain(member.net, rows(), DOMAIN).values for member in members]
        close(found.values, torch.stack(plain).mean(0))


def test_members_may_have_been_made_in_inference_mode() -> None:
    with torch.inference_mode():
        members = [network(seed) for seed in range(2)]
    plain = [network(seed) for seed in range(2)]
    found, expected = (
        salience.explain(network(0), rows(), DOMAIN, samplers=[Ensemble(m)], n_samples=2)
        for m in (members, plain)
    )
    close(found.values, expected.values, 1e-15)


SAMPLERS: dict[str, Any] = {
    "ensemble": lambda: Ensemble([network(seed) for seed in range(3)]),
    "swag": lambda: SWAG([network(seed) for seed in range(3)]),
    "weight noise": lambda: WeightNoise(),
    "posterior": lambda: Posterior(_Shaken()),
}


class _Shaken:
    def sample(self) -> Mapping[str, Tensor]:
        state = network(3).state_dict()
        return {name: value + 0.1 * torch.randn_like(value) for name, value in state.items()}


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_users_model_is_bit_identical_after(name: str) -> None:
    model = network(0).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    parameters = dict(model.named_parameters())
    salience.explain(model, rows(), DOMAIN, samplers=[SAMPLERS[name]()], n_samples=3)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(value is parameters[key] for key, value in model.named_parameters())
    assert model.training and all(p.requires_grad for p in parameters.values())


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("calculator", [Gradient(), IntegratedGradients(steps=5)])
def test_draws_do_not_depend_on_how_rows_are_packed(name: str, calculator: Any) -> None:
    sampler = SAMPLERS[name]()
    settings: dict[str, Any] = {"samplers": [sampler, GaussianNoise(0.1)], "n_samples": 3}
    made = [
        salience.Explainer(network(0), DOMAIN, max_rows=max_rows)
        .compute(rows(), calculator, **settings)
        .values
        for max_rows in (1, 3, 7, 16, 100, "auto")
    ]
    for one in made[1:]:
        close(one, made[0], tolerance=1e-12)
    other = salience.Explainer(network(0), DOMAIN).compute(
        rows().flip(0), calculator, ids=list(range(6))[::-1], **settings
    )
    close(other.values.flip(1), made[0], tolerance=1e-12)


def test_small_models_run_several_draws_of_weights_in_one_pass(watched: Any) -> None:
    sizes: list[int] = []
    model = watched(network(0), sizes)
    kept = salience.Explainer(model, DOMAIN, max_rows=64).compute(
        rows(2), samplers=[WeightNoise()], n_samples=32
    )
    # 64 rows, of which the module sees the 2 of one draw: vmap hides the others.
    assert len(sizes) < 10
    by_one = salience.Explainer(watched(network(0), []), DOMAIN, max_rows=2).compute(
        rows(2), samplers=[WeightNoise()], n_samples=32
    )
    close(kept.values, by_one.values)


def test_models_without_a_batched_form_run_draw_by_draw(watched: Any) -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network(0)

        def forward(self, x: Tensor) -> Tensor:
            # The value of a parameter decides, which a batched pass cannot.
            return self.net(x) * (2.0 if float(self.net[0].bias[0]) > 0 else 1.0)

    kept = salience.Explainer(Branching(), DOMAIN).compute(
        rows(), samplers=[WeightNoise(1.0)], n_samples=8
    )
    by_one = salience.Explainer(Branching(), DOMAIN, max_rows=1).compute(
        rows(), samplers=[WeightNoise(1.0)], n_samples=8
    )
    close(kept.values, by_one.values)


def test_dropout_and_weights_are_drawn_together() -> None:
    def dropping(seed: int) -> nn.Sequential:
        net = network(seed)
        return nn.Sequential(net[0], net[1], nn.Dropout(0.5), net[2])

    members = [dropping(seed) for seed in range(3)]
    both = [Ensemble(members), MCDropout()]
    kept = [
        salience.Explainer(dropping(9), DOMAIN, max_rows=max_rows)
        .compute(rows(), samplers=both, n_samples=3)
        .values
        for max_rows in (1, 4, "auto")
    ]
    for one in kept[1:]:
        close(one, kept[0], tolerance=1e-12)
    alone = [
        salience.Explainer(member, DOMAIN).compute(rows(), samplers=[MCDropout()], n_samples=3)
        for member in members
    ]
    close(kept[0], torch.stack([one.values[i] for i, one in enumerate(alone)]))


def test_errors_of_a_mean_over_items_that_share_weights_add_up() -> None:
    # One weight for all the items: the mean over items is as uncertain as each of them.
    data = torch.ones(50, 3).double()
    found = salience.explain(
        Linear(1.0, 2.0, 3.0), data, DOMAIN, samplers=[WeightNoise(0.3)], n_samples=20
    )
    assert torch.equal(found.mean_std_error(), found.std_error.mean(0))
    close(found.mean_std_error(), found.std_error[0])


# --- Refused before anything runs ----------------------------------------------------------------


def members(*models: Any) -> Ensemble:
    return Ensemble(list(models))


REFUSED: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "an ensemble of one": (network(0), lambda: members(network(1)), ("ensemble of 1", "two")),
    "an ensemble of none": (network(0), lambda: members(), ("ensemble of 0",)),
    "a path as members": (network(0), lambda: Ensemble("x.safetensors"), ("list of two",)),
    "another width": (
        network(0),
        lambda: members(network(1), network(2, width=9)),
        ("member 1", "'0.weight'", "(9, 4)", "(7, 4)", "same architecture"),
    ),
    "a layer more": (
        network(0),
        lambda: members(network(1), nn.Sequential(*network(2), nn.Linear(1, 1))),
        ("member 1", "'3.weight'", "same architecture"),
    ),
    "a layer less": (
        network(0),
        lambda: members(network(1), nn.Sequential(network(2)[0])),
        ("member 1", "no '2.weight'", "same architecture"),
    ),
    "no file": (network(0), lambda: members("a.pt", "b.pt"), ("no weights at 'a.pt'",)),
    "a number as a member": (network(0), lambda: members(3, 4), ("3 holds no weights",)),
    "more draws than members": (
        network(0),
        lambda: members(network(1), network(2)),
        ("2 draws of weights", "asks for 3", "(2, 16)"),
    ),
    "a function": (lambda x: x.sum(1), WeightNoise, ("torch.nn.Module", "function")),
    "noise on no weights": (nn.Flatten(), WeightNoise, ("parameters", "none")),
    "noise of no size": (network(0), lambda: WeightNoise(0.0), ("scale=0.0",)),
    "noise of another kind": (network(0), lambda: WeightNoise(0.1, "other"), ("'other'",)),
    "one checkpoint": (network(0), lambda: SWAG([network(1)]), ("two checkpoints", "got 1")),
    "another checkpoint": (
        network(0),
        lambda: SWAG([network(1), network(1, width=3)]),
        ("checkpoint 1", "same architecture"),
    ),
    "a rank too high": (network(0), lambda: SWAG([network(1)] * 3, rank=4), ("rank=4", "2 to 3")),
    "a posterior without draws": (network(0), lambda: Posterior(3), ("sample()",)),
    "a posterior of another model": (
        network(0, width=3),
        lambda: Posterior(_Shaken()),
        ("sample() returns", "same architecture"),
    ),
    "a posterior of numbers": (network(0), lambda: Posterior(_Three()), ("sample() returned 3",)),
    "a posterior with numbers of its own": (
        network(0),
        lambda: Posterior(_Own()),
        ("two different draws", "global generators", "Ensemble"),
    ),
    "two values for one tensor": (
        Tied(0),
        lambda: Posterior(_Untied()),
        ("sample() returns", "'two.weight'", "'one.weight'", "one tensor"),
    ),
}


class _Own:
    numbers = torch.Generator().manual_seed(0)

    def sample(self) -> Mapping[str, Tensor]:
        return {"2.bias": torch.randn(1, generator=self.numbers).double()}


class _Untied:
    def sample(self) -> Mapping[str, Tensor]:
        return {"one.weight": torch.zeros(7, 4).double(), "two.weight": torch.ones(7, 4).double()}


class _Three:
    def sample(self) -> int:
        return 3


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_before_any_pass(name: str, watched: Any) -> None:
    model, sampler, words = REFUSED[name]
    sizes: list[int] = []
    if isinstance(model, nn.Module):
        model.register_forward_pre_hook(lambda module, args: sizes.append(1))
    with pytest.raises(InputError) as caught:
        n_samples = 3 if name == "more draws than members" else 2
        salience.explain(model, rows(), DOMAIN, samplers=[sampler()], n_samples=n_samples)
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 300
    assert not sizes


class Spectral(nn.Module):
    """Complex weights, as neural operators have them for frequencies."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = nn.Parameter(torch.ones(2, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(x.reshape(-1, 2, 2))
        return torch.view_as_real(pairs * self.spectrum).flatten(1).sum(1)


def test_complex_parameters_are_not_left_as_they_are_without_a_word() -> None:
    net, x = Spectral(), torch.eye(4)[:2]
    state = net.state_dict()
    for sampler in (WeightNoise(), SWAG([state, {"spectrum": 2 * state["spectrum"]}])):
        with pytest.raises(InputError, match=r"'spectrum' is of torch\.complex64"):
            salience.explain(net, x, DOMAIN, samplers=[sampler], n_samples=3)
    members = Ensemble([state, {"spectrum": 3 * state["spectrum"]}])
    found = salience.explain(net, x, DOMAIN, samplers=[members], n_samples=2)
    torch.testing.assert_close(found.values, torch.full((2, 4), 2.0))
