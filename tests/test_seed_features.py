"""Every feature of the module that is carried on works here: one check, or more, for each."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import (
    ClassScore,
    CrossEntropy,
    Explainer,
    Explanation,
    GaussianNoise,
    Gradient,
    IntegratedGradients,
    MCDropout,
    Occlusion,
    Tap,
    Target,
    Tensors,
    Value,
)
from salience.scalers import abs_max, get_scaler, min_max, normalize

ROWS = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(4, 3)
IMAGES = torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0)).double()
PIXELS = Tensors(("item", "channel", "height", "width"), reduce=("channel",), output="value")


def squares(x: Tensor) -> Tensor:
    """½ Σ x², whose gradient is the point itself: draws of its saliency show the noise."""
    return x.square().flatten(1).sum(1) / 2


def network(*inner: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Linear(3, 6), nn.Tanh(), *inner, nn.Linear(6, 3)
    return nn.Sequential(*layers).double().eval()


def close(got: Tensor, expected: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)


# --- Calculators ---------------------------------------------------------------------------------


def gradients() -> None:
    close(salience.explain(squares, ROWS, Tensors(), Gradient(), output="value").values, ROWS)


def gradients_times_target() -> None:
    calculator = Gradient(multiply_by_target=True)
    made = salience.explain(squares, ROWS, Tensors(), calculator, output="value")
    close(made.values, ROWS**2)


def integrated_gradients() -> None:
    assert IntegratedGradients().baseline == 0
    for calculator in (IntegratedGradients(steps=25), IntegratedGradients(steps=25, baseline=0)):
        made = salience.explain(squares, ROWS, Tensors(), calculator, output="value")
        close(made.values, ROWS**2 / 2)
    shifted = IntegratedGradients(steps=25, baseline=1.0)
    made = salience.explain(squares, ROWS, Tensors(), shifted, output="value")
    close(made.values, (ROWS**2 - 1) / 2)


def occlusion_with_a_size_and_axes_to_slide_along() -> None:
    calculator = Occlusion(window={"height": 3, "width": 2}, stride={"height": 3, "width": 2})
    made = salience.explain(lambda x: x.sum((1, 2, 3)), IMAGES, PIXELS, calculator)
    tiles = IMAGES.sum(1).reshape(2, 2, 3, 4, 2).sum((2, 4))
    close(made.values, tiles.repeat_interleave(3, 1).repeat_interleave(2, 2))
    along = Occlusion(window={"width": 8})
    made = salience.explain(lambda x: x.sum((1, 2, 3)), IMAGES, PIXELS, along)
    close(made.values.expand(2, 6, 8)[:, 0], IMAGES.sum((1, 2, 3))[:, None].expand(2, 8))


# --- Computing and sampling ----------------------------------------------------------------------


def draws_of_shape_m_batch_and_the_rest() -> None:
    explainer = Explainer(squares, Tensors(), output="value", max_rows=2)
    samples = explainer.compute(ROWS, samplers=["gaussian"], n_samples=5)
    assert samples.values.shape == (5, 4, 3)
    assert explainer.compute(ROWS).values.shape == (1, 4, 3)
    images = Explainer(squares, PIXELS).compute(IMAGES, samplers=["gaussian"], n_samples=2)
    assert images.values.shape == (2, 2, 3, 6, 8)


def batches_of_the_size_that_was_asked_for() -> None:
    sizes: list[int] = []

    def model(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return squares(x)

    Explainer(model, Tensors(), output="value", max_rows=3).explain(
        ROWS, "integrated_gradients:steps=7", samplers=["gaussian"], n_samples=4
    )
    assert max(sizes) == 3


def noise(mode: str, scale: float, rows: Tensor, domain: Any = None) -> Tensor:
    samples = Explainer(squares, domain or Tensors(), output="value").compute(
        rows, samplers=[GaussianNoise(scale=scale, mode=mode)], n_samples=4000
    )
    drawn: Tensor = samples.values - rows
    return drawn


def gaussian_noise_absolute() -> None:
    drawn = noise("absolute", 0.3, ROWS)
    # 4000 draws: the standard error of a standard deviation is σ / √8000.
    close(drawn.std(0), torch.full((4, 3), 0.3).double(), 0.06)
    close(drawn.mean(0), torch.zeros(4, 3).double(), 0.03)


def gaussian_noise_relative_to_the_range_of_the_item() -> None:
    assert (GaussianNoise().mode, GaussianNoise().scale) == ("relative", 0.15)
    rows = ROWS * torch.tensor([[1.0], [10.0], [100.0], [1000.0]])
    ranges = rows.amax(1) - rows.amin(1)
    close(noise("relative", 0.15, rows).std((0, 2)) / ranges, torch.full((4,), 0.15).double(), 0.03)


def noise_ranges_go_over_all_axes_but_the_items() -> None:
    images = IMAGES[:, :, :2, :2] * torch.tensor([1.0, 5.0]).reshape(2, 1, 1, 1)
    flat = images.flatten(1)
    ranges = flat.amax(1) - flat.amin(1)
    drawn = noise("relative", 0.15, images, PIXELS).transpose(0, 1).flatten(1).std(1)
    close(drawn / ranges, torch.full((2,), 0.15).double(), 0.03)


def bayesgrad_by_dropout() -> None:
    model = network(nn.Dropout(0.25))
    explainer = Explainer(model, Tensors(), output="class:0")
    samples = explainer.compute(ROWS, samplers=[MCDropout()], n_samples=4000)
    assert samples.values.std(0).min() > 1e-3
    # The gradient is linear in the mask, whose mean is 1: on average dropout changes nothing.
    plain = explainer.explain(ROWS).values
    error = samples.values.std(0) / 4000**0.5
    assert ((samples.values.mean(0) - plain).abs() < 5 * error).all()


def both_samplers_at_once() -> None:
    model = network(nn.Dropout(0.25))
    explainer = Explainer(model, Tensors(), output="class:0")
    spread = {}
    for samplers in (["gaussian"], ["mc_dropout"], ["gaussian", "mc_dropout"]):
        samples = explainer.compute(ROWS, samplers=samplers, n_samples=400)
        spread[len(samplers), samplers[0]] = samples.values.var(0).sum()
    assert spread[2, "gaussian"] > max(spread[1, "gaussian"], spread[1, "mc_dropout"])


# --- Aggregating ---------------------------------------------------------------------------------


def aggregate_sums_channels_and_averages_draws() -> None:
    def model(x: Tensor) -> Tensor:
        return (x**4).flatten(1).sum(1)  # its gradient has signs

    explainer = Explainer(model, PIXELS)
    samples = explainer.compute(IMAGES - 0.5, samplers=["gaussian"], n_samples=6)
    draws = samples.values  # (M, B, channel, height, width)
    for name, transform in (
        ("raw", lambda draws: draws),
        ("abs", torch.abs),
        ("square", torch.square),
    ):
        close(explainer.aggregate(samples, name).values, transform(draws).sum(2).mean(0))
    # Square and magnitude come before the sum, the sum before the mean.
    assert (draws.sum(2).mean(0).abs() - draws.abs().sum(2).mean(0)).abs().max() > 1e-3


# --- Output and target variables -----------------------------------------------------------------


def gradient_of(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    leaf = rows.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return found


def any_scalar_of_the_output_can_be_explained() -> None:
    model, labels = network(), torch.tensor([2, 0, 1, 1])
    top = model(ROWS).argmax(1)
    loss = nn.functional.cross_entropy
    outputs: list[tuple[Any, Callable[[Tensor], Tensor]]] = [
        ("predicted", lambda out: out.gather(1, top[:, None])),
        (ClassScore(1), lambda out: out[:, 1]),
        ("class:2", lambda out: out[:, 2]),
        (CrossEntropy(labels), lambda out: loss(out, labels, reduction="sum")),
        ("cross_entropy", lambda out: loss(out, top, reduction="sum")),
        (Value(0), lambda out: out[:, 0]),
        (lambda out: out[:, 0] - out[:, 1], lambda out: out[:, 0] - out[:, 1]),
    ]
    for output, function in outputs:
        made = salience.explain(model, ROWS, Tensors(), output=output)
        close(made.values, gradient_of(lambda x, f=function: f(model(x)), ROWS))


def an_inner_variable_can_be_the_output() -> None:
    model = network()
    made = salience.explain(model, ROWS, Tensors(), output=Tap("1"))
    close(made.values, gradient_of(lambda x: model[:2](x).sum(1), ROWS))


class Twice(nn.Module):
    """Calls one layer twice and returns a pair from another."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 3)
        self.pair = Pair()
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.pair(self.layer(self.layer(x).tanh()).tanh(), scale=x)
        return (left * 2 + right**2).sum(1)


class Pair(nn.Module):
    def forward(self, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return x * 3, x + scale


def a_variable_inside_the_model_before_or_after_any_call() -> None:
    model = Twice()
    inner = Tensors(inner=("item", "channel"), output="value")
    first = model.layer(ROWS).detach()
    second = model.layer(first.tanh()).detach()

    def rest(hidden: Tensor) -> Tensor:
        return (hidden.tanh() * 6 + (hidden.tanh() + ROWS) ** 2).sum(1)

    expected: dict[Any, Tensor] = {
        Target("layer", call=1): gradient_of(rest, second),
        Target("layer"): gradient_of(lambda h: rest(model.layer(h.tanh())), first),
        "layer": gradient_of(lambda h: rest(model.layer(h.tanh())), first),
        Target("layer", at="input"): gradient_of(
            lambda x: rest(model.layer(model.layer(x).tanh())), ROWS
        ),
        Target("layer", at="input", call=1): gradient_of(
            lambda h: rest(model.layer(h)), first.tanh()
        ),
        # What was picked by a function that extracts: one of several inputs or outputs.
        Target("pair", index=0): torch.full((4, 3), 2.0).double(),
        Target("pair", index=1): 2 * (second.tanh() + ROWS),
        Target("pair", at="input", index="scale"): 2 * (second.tanh() + ROWS),
    }
    for target, values in expected.items():
        close(salience.explain(model, ROWS, inner, target=target).values, values)


# --- Scalers, colours, files ---------------------------------------------------------------------


def scalers() -> None:
    values = np.array([-2.0, 1.0, 4.0])
    assert np.allclose(min_max(values)(values), [0, 0.5, 1])
    assert np.allclose(abs_max(values)(values), [-0.5, 0.25, 1])
    # The sum of magnitudes, since with signs a sum may be near zero.
    assert np.allclose(normalize(values)(values), [-2 / 7, 1 / 7, 4 / 7])
    importance = np.array([0.5, 1.0, 2.5])
    assert np.isclose(normalize(importance)(importance).sum(), 1)
    for name, function in (("min_max", min_max), ("abs_max", abs_max), ("normalize", normalize)):
        assert get_scaler(name) is function
        assert np.isfinite(function(np.zeros(3))(np.zeros(3))).all()
    # An offset moves values, not their errors; a factor moves both.
    assert np.allclose(min_max(values).error(np.array([1.2])), [0.2])


def importance_is_the_mean_over_the_data_set() -> None:
    made = salience.explain(squares, ROWS, Tensors(), output="value", aggregator="square")
    close(made.mean(), (ROWS**2).mean(0))


CORE = [
    gradients,
    gradients_times_target,
    integrated_gradients,
    occlusion_with_a_size_and_axes_to_slide_along,
    draws_of_shape_m_batch_and_the_rest,
    batches_of_the_size_that_was_asked_for,
    gaussian_noise_absolute,
    gaussian_noise_relative_to_the_range_of_the_item,
    noise_ranges_go_over_all_axes_but_the_items,
    bayesgrad_by_dropout,
    both_samplers_at_once,
    aggregate_sums_channels_and_averages_draws,
    any_scalar_of_the_output_can_be_explained,
    an_inner_variable_can_be_the_output,
    a_variable_inside_the_model_before_or_after_any_call,
    scalers,
    importance_is_the_mean_over_the_data_set,
]


@pytest.mark.parametrize("check", CORE, ids=lambda check: check.__name__)
def test_a_feature_of_the_seed_works(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("shown", [True, False])
def test_progress_is_shown_where_it_is_asked_for(
    shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tqdm.auto import tqdm

    made: list[Any] = []
    update = tqdm.update

    def counted(self: Any, n: int = 1) -> Any:
        made.append((self.disable, self.total, n))
        return update(self, n)

    monkeypatch.setattr(tqdm, "update", counted)
    explainer = Explainer(squares, Tensors(), output="value", max_rows=4)
    explainer.explain(ROWS, samplers=["gaussian"], n_samples=3, progress=shown)
    assert {(disabled, total) for disabled, total, _ in made} == {(not shown, 12)}
    assert sum(n for _, _, n in made) == 12
    if not shown:
        assert capsys.readouterr().err == ""


# --- Tables --------------------------------------------------------------------------------------


def table() -> Explanation:
    pytest.importorskip("salience_tabular")
    names = ["length", "width", "height"]
    return salience.explain(
        squares, ROWS, {"name": "tabular", "feature_names": names}, output="value"
    )


def labels(axes: Any) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def lengths(axes: Any) -> list[float]:
    return [bar.get_width() for bar in axes.patches]


def test_a_row_of_a_table_is_drawn_as_bars_with_the_names_of_the_features() -> None:
    axes = table().visualize(0, visualizer="bar", sort=False).axes[0]
    assert [label.split(" = ")[0] for label in labels(axes)] == ["length", "width", "height"]
    assert lengths(axes) == pytest.approx(ROWS[0].tolist())


def test_bars_are_sorted_limited_scaled_titled_and_coloured() -> None:
    from matplotlib.colors import to_rgba

    look = {
        "sort": True,
        "num_visualize": 2,
        "scaler": "normalize",
        "title": "The first row",
        "color": "seagreen",
        "xlabel": "importance",
    }
    axes = table().visualize(3, visualizer="bar", **look).axes[0]
    assert [label.split(" = ")[0] for label in labels(axes)] == ["height", "width"]
    assert lengths(axes) == pytest.approx([float(v / ROWS[3].sum()) for v in ROWS[3].flip(0)[:2]])
    assert axes.get_title() == "The first row" and axes.get_xlabel() == "importance"
    assert {bar.get_facecolor() for bar in axes.patches} == {to_rgba("seagreen")}


def test_bars_of_the_mean_are_the_importance_of_the_features() -> None:
    axes = table().visualize(sort=False, scaler="normalize").axes
    for panel, mean in zip(axes, (ROWS.abs().mean(0), ROWS.mean(0)), strict=True):
        assert lengths(panel) == pytest.approx((mean / mean.sum()).tolist())
        assert sum(lengths(panel)) == pytest.approx(1)


# --- Photos --------------------------------------------------------------------------------------


def photo() -> Explanation:
    pytest.importorskip("salience_vision")
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    return salience.explain(
        lambda x: x.square().sum((1, 2, 3)), image, "vision", output="value", aggregator="abs"
    )


def test_a_map_lies_over_the_photo_in_any_colours_and_opacity() -> None:
    made = photo()
    look = {"cmap": "jet", "alpha": 0.5, "scaler": "abs_max", "title": "Cat", "percentile": 100}
    figure = made.visualize(0, colorbar=True, **look)
    below, above = figure.axes[0].images
    assert np.array_equal(below.get_array(), made.annotations[0]["image"])
    assert above.get_cmap().name == "jet" and above.get_alpha() == 0.5
    peak = float(made.values[0].abs().max())
    assert np.allclose(above.get_array(), made.values[0] / peak)
    words = [text.get_text() for text in figure.texts] + [figure.axes[0].get_title()]
    assert "Cat" in words
    without = made.visualize(0, colorbar=False, **look)
    assert len(without.axes) == len(figure.axes) - 1


# --- Molecules -----------------------------------------------------------------------------------


class Atoms(nn.Module):
    """The sum over atoms of a value for each element: carbon lowers it, oxygen raises it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(119, 2)
        with torch.no_grad():
            self.embed.weight.zero_()
            self.embed.weight[[1, 6, 8]] = torch.tensor([[0.1, 0.0], [-0.5, -0.5], [1.0, 1.0]])

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        values = self.embed(atoms).sum(1)
        return values.new_zeros(int(owner.max()) + 1).index_add(0, owner, values)


def molecules(data: Any, **domain: Any) -> Explanation:
    pytest.importorskip("salience_molgraph")
    config = {"name": "molgraph", **domain}
    return salience.explain(Atoms(), data, config, "integrated_gradients")


def highlights(svg: str) -> dict[int, tuple[int, int, int]]:
    """Number of each highlighted atom → red, green and blue."""
    pattern = r"<ellipse[^>]*class=['\"]atom-(\d+)['\"][^>]*fill:#([0-9A-F]{6})"
    found = {}
    for number, color in re.findall(pattern, svg):
        red, green, blue = (int(color[i : i + 2], 16) for i in (0, 2, 4))
        found[int(number)] = (red, green, blue)
    return found


def test_smiles_and_molecules_are_drawn_alike() -> None:
    pytest.importorskip("salience_molgraph")
    from rdkit import Chem

    by_text, by_object = molecules(["CCO"]), molecules([Chem.MolFromSmiles("CCO")])
    assert by_text.visualize(0).svg == by_object.visualize(0).svg
    close(by_text.values[0], torch.tensor([-1.0, -1.0, 2.0]), 1e-6)


def test_atoms_are_red_where_they_raise_the_output_and_blue_where_they_lower_it() -> None:
    colors = highlights(molecules(["CCO"]).visualize(0, color_fn="bwr", scaler="abs_max").svg)
    assert colors[2] == (255, 0, 0)
    for carbon in (0, 1):  # half as blue as the oxygen is red
        assert colors[carbon] == pytest.approx((127.5, 127.5, 255), abs=1)


def test_colours_may_come_from_a_function() -> None:
    def green(value: float) -> tuple[float, float, float]:
        return 0.0, abs(value), 0.0

    colors = highlights(molecules(["CCO"]).visualize(0, color_fn=green).svg)
    assert colors[2] == (0, 255, 0)
    assert colors[0] == colors[1] == pytest.approx((0, 127.5, 0), abs=1)


def test_a_share_of_the_atoms_a_legend_and_hydrogens() -> None:
    made = molecules(["CCO"])
    svg = made.visualize(0, ratio=1 / 3, legend="{name}: {score:.1f}").svg
    assert set(highlights(svg)) == {2}
    assert "CCO: 0.0" in svg
    with_hydrogens = molecules(["CCO"], add_hs=True)
    assert with_hydrogens.values[0].shape == (9,)
    assert len(highlights(with_hydrogens.visualize(0).svg)) == 9


def test_molecules_are_written_as_svg_and_png(tmp_path: Path) -> None:
    made = molecules(["CCO", "O"])
    made.visualize(0, path=tmp_path / "a.svg")
    made.visualize(1, path=tmp_path / "b.png")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("make", [table, photo, lambda: molecules(["CCO"])])
def test_a_picture_is_returned_and_written_where_a_path_is_given(
    make: Callable[[], Explanation], tmp_path: Path
) -> None:
    made = make()
    figure = made.visualize(0)
    assert hasattr(figure, "savefig")
    assert not list(tmp_path.iterdir())
    made.visualize(0, path=tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
