"""Places whose sign is uncertain are hatched; shares of draws are drawn as contours."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from torch import Tensor

import salience
from salience import Blocks, Design, Explanation, Saliency
from salience_vision import Overlay, Vision
from salience_vision.pictures.hatching import draw_shares

UNITS = 9


def _plain(image: Any) -> Tensor:
    """A transform that keeps the size."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def explanation(
    values: Tensor, error: Tensor, *, signed: bool = False, photo: bool = True
) -> Explanation:
    count = len(values)
    nothing = torch.full((count,), torch.nan)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (12, 16, 3), generator=generator, dtype=torch.uint8)
    return Explanation(
        saliency={"image": Saliency(values, error)},
        prediction=torch.zeros(count, 2),
        score=nothing,
        delta=nothing,
        completeness_gap=nothing,
        annotations=[{"image": image, "name": "p.png"}] * count if photo else (),
        dataset_info={},
        provenance={},
        design=Design(signed=signed),
        domain=Vision(),
        ids=list(range(count)),
        drawn=torch.ones(count, dtype=torch.bool),
        converged=torch.ones(count, dtype=torch.bool),
        n_points=torch.zeros(count, dtype=torch.int64),
        n_independent=torch.full((count,), 1 if bool(error.isnan().all()) else UNITS),
    )


def positive(height: int = 12, width: int = 16, count: int = 1) -> Tensor:
    return 0.1 + torch.rand(count, height, width, generator=torch.Generator().manual_seed(1))


def single(values: Tensor) -> Explanation:
    return explanation(values, values * torch.nan)


def below(figure: Figure) -> str:
    """The note below the colour bar."""
    return " ".join(" ".join(text.get_text().split()) for text in figure.texts)


def hatched(figure: Figure, axes: int = 0) -> Any:
    """Whether each place of a map is in reach of a line of the hatching."""
    image = figure.axes[axes].images[-1].get_array()
    if image.ndim != 3 or image.shape[2] != 4:
        return None
    return image[..., 3] > 0


def png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def blocks(mask: Any, shape: tuple[int, int]) -> Any:
    """The share of each place that lines cover, of a mask drawn with subpixels."""
    fine = mask.shape[0] // shape[0]
    return mask.reshape(shape[0], fine, shape[1], fine).mean((1, 3))


def test_lines_lie_exactly_where_the_p_value_is_not_below_5_percent() -> None:
    values = positive() - 0.6
    made = explanation(values, torch.full_like(values, 0.2), signed=True)
    covered = blocks(hatched(Overlay().item(made, 0)), (12, 16))
    uncertain = (made.p_values("image")[0] >= 0.05).numpy()
    assert 0 < uncertain.mean() < 1
    assert (covered[~uncertain] == 0).all()
    assert (covered[uncertain] > 0).all()
    low, high = made.interval(0.95)
    assert np.array_equal(uncertain, ((low <= 0) & (high >= 0))[0].numpy())


def test_the_note_says_what_hatching_means_and_names_the_false_discovery_rate() -> None:
    values = positive() - 0.6
    made = explanation(values, torch.full_like(values, 0.2), signed=True)
    note = below(Overlay().item(made, 0))
    assert "hatched: the 95 % interval of the mean over draws holds 0" in note
    found = int(made.significant(0.05)[0].sum())
    assert f"{found} of 192 places at FDR 5 %" in note


def test_magnitudes_and_single_draws_are_not_hatched() -> None:
    values = positive()
    for made in (explanation(values, values * 3), single(values - 0.5)):
        figure = Overlay().item(made, 0)
        assert hatched(figure) is None and "hatched" not in below(figure)
    signed = explanation(values, values * 3, signed=True)
    assert hatched(Overlay().item(signed, 0)) is not None
    assert hatched(Overlay(hatch=False).item(signed, 0)) is None


def test_opacity_says_nothing_of_errors() -> None:
    values = positive()
    for alpha in ("fade", 0.5):
        pictures = [
            Overlay(alpha=alpha).item(explanation(values, values * error), 0)
            for error in (0.1, 5.0)
        ]
        assert png(pictures[0]) == png(pictures[1])


def test_hatching_of_a_feature_map_covers_what_each_value_saw() -> None:
    values = torch.ones(1, 3, 4)
    error = torch.full((1, 3, 4), 0.01)
    error[0, 0, 0] = 10
    figure = Overlay().item(explanation(values, error, signed=True), 0)
    covered = blocks(hatched(figure), (12, 16))
    assert (covered[:4, :4] > 0).all() and covered.sum() == covered[:4, :4].sum()


def test_a_grid_hatches_what_was_tested() -> None:
    values = positive(count=2) - 0.6
    many = explanation(values, values.abs() * 3, signed=True)
    figure = Overlay().grid({"one": single(values), "many": many}, [1, 0])
    assert [hatched(figure, at) is not None for at in (1, 2, 4, 5)] == [False, True, False, True]
    assert "FDR" not in below(figure)


# --- Shares of draws ------------------------------------------------------------------------------


def shares() -> Explanation:
    made = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 24, 32, 3), generator=made, dtype=torch.uint8).numpy()
    net = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(6), torch.nn.Flatten(), torch.nn.Tanh(), torch.nn.Linear(108, 3)
    )
    return salience.explain(
        net,
        list(pixels),
        Vision(_plain),
        samplers=["gaussian"],
        n_samples=10,
        aggregator="top_share",
    )


def test_shares_of_draws_are_outlined_at_50_and_95_percent_beside_their_map() -> None:
    found = shares()
    figure = found.visualize(0)
    contours, plain = figure.axes[0], figure.axes[1]
    fills = [image.get_array()[..., 3] > 0 for image in contours.images[1:]]
    values = found.values[0].numpy()
    for fill, share in zip(fills, (0.5, 0.95), strict=False):
        assert np.array_equal(fill, values >= share)
    assert np.array_equal(plain.images[0].get_array(), values)
    assert (plain.images[0].norm.vmin, plain.images[0].norm.vmax) == (0, 1)
    lines = [c for c in contours.collections if isinstance(c, ContourSet)]
    assert len(lines) == len([f for f in fills if 0 < f.mean() < 1])
    title = contours.get_figure().texts
    words = " ".join(" ".join(text.get_text().split()) for text in title)
    for share in (0.95, 0.5):
        assert f"{100 * (values >= share).mean():.1f} % " in words


def test_a_grid_of_shares_has_a_bar_of_steps() -> None:
    found = shares()
    figure = salience.grid({"a": found, "b": found})
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "share of draws among the top 10 %"
    assert [round(tick, 2) for tick in bar.get_yticks()] == [0, 0.5, 0.95, 1]


def test_sums_of_blocks_keep_their_edges() -> None:
    made = torch.Generator().manual_seed(0)
    photo = torch.rand(1, 3, 24, 32, generator=made)
    net = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(6), torch.nn.Flatten(), torch.nn.Tanh(), torch.nn.Linear(108, 3)
    )
    found = salience.explain(
        net, photo, "vision", samplers=["gaussian"], n_samples=6, pool=Blocks(8)
    )
    figure = Overlay(scaler="identity", percentile=100).item(found, 0)
    drawn = figure.axes[0].images[1].get_array()
    assert drawn.shape == (24, 32)
    expected = np.repeat(np.repeat(found.values[0].numpy(), 8, 0), 8, 1)
    np.testing.assert_allclose(drawn, expected, rtol=1e-6)


def test_photos_carry_the_attribution_that_their_licence_asks_for(tmp_path: Any) -> None:
    from PIL import Image

    Image.new("RGB", (24, 24), "red").save(tmp_path / "a.png")
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1728, 3))
    domain = Vision(_plain, credits={"a.png": "by someone, CC BY 2.0"})
    found = salience.explain(net, [tmp_path / "a.png"], domain)
    for figure in (found.visualize(0), salience.grid({"x": found})):
        assert "by someone, CC BY 2.0" in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("cmap", ["jet", "bwr"])
def test_the_maps_of_the_papers_work_by_name(cmap: str) -> None:
    values = positive() - 0.5
    for made in (single(values), explanation(values, values.abs() / 2)):
        figure = made.visualize(0, cmap=cmap)
        assert figure.axes[0].images[1].get_cmap().name == cmap
        assert png(figure)


@pytest.mark.parametrize(
    ("rows", "columns", "size", "factor", "shift"),
    [
        (1, 1, (12, 16), 1, 0.6),
        (1, 1, (10, 60), 1, 0.6),
        (2, 4, (12, 16), 1e6, 0.6),
        (4, 2, (40, 10), 1e-6, 0.6),
        (1, 2, (10, 40), 1.2345e-3, 0.6),
        (1, 2, (10, 40), 1, 0.0),
        (1, 0, (12, 16), 1, 0.6),
        (1, 0, (10, 60), 1, 0.0),
    ],
)
def test_the_bar_is_readable_and_hides_nothing(
    rows: int, columns: int, size: tuple[int, int], factor: float, shift: float
) -> None:
    values = (positive(*size, count=rows) - shift) * factor
    made = explanation(values, values.abs() / 2, signed=shift > 0)
    one = single(values)
    for note in (*made.annotations, *one.annotations):
        note["image"] = torch.zeros(*size, 3)  # type: ignore[index]
    titles = [f"integrated gradients with many words {i}" for i in range(columns)]
    look = Overlay(title="All of them", scaler="abs_max" if factor == 1 else "identity")
    grid = {"one draw": one} | dict.fromkeys(titles, made)
    figure = look.grid(grid, list(range(rows))) if columns else look.item(made, 0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    bar = figure.axes[-1]
    parts = [bar.get_window_extent(renderer), bar.xaxis.label.get_window_extent(renderer)]
    parts.append(bar.yaxis.label.get_window_extent(renderer))
    low, high = bar.get_ylim()
    ticks = zip(bar.get_yticks(), bar.get_yticklabels(), strict=True)
    parts += [text.get_window_extent(renderer) for at, text in ticks if low <= at <= high]
    parts += [text.get_window_extent(renderer) for text in bar.get_xticklabels()]
    others = [axes.get_window_extent(renderer) for axes in figure.axes[:-1]]
    others += [text.get_window_extent(renderer) for text in figure.texts]
    width, height = canvas.get_width_height()
    for number, box in enumerate(parts):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        for other in [*parts[number + 1 :], *others]:
            apart = (
                box.x1 <= other.x0 + 1
                or other.x1 <= box.x0 + 1
                or box.y1 <= other.y0 + 1
                or other.y1 <= box.y0 + 1
            )
            assert apart


def test_scattered_places_are_filled_without_outlines_that_would_hide_them() -> None:
    figure = Figure(figsize=(2, 2))
    shares = np.zeros((200, 200))
    shares[50:150, 50:150] = 1.0
    (region, scattered) = figure.subplots(2)
    for axes, values in ((region, shares), (scattered, np.indices((200, 200)).sum(0) % 2)):
        draw_shares(axes, values)
        assert np.array_equal(axes.images[0].get_array()[..., 3] > 0, values >= 0.95)
    assert any(isinstance(c, ContourSet) for c in region.collections)
    assert not any(isinstance(c, ContourSet) for c in scattered.collections)
