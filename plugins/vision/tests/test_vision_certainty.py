"""Uncertain pixels fade, and the colour bar says so."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor

import salience
from salience import Design, Explanation, Saliency
from salience_vision import Overlay, Vision

UNITS = 9
SIGNED = ["certainty", "faded: 0 is", "likely for the", "mean over draws"]
UNSIGNED = ["certainty", "faded: large", "standard error"]


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


def sure(values: Tensor) -> Tensor:
    """Certainties that cover 0 to 1, both ends included."""
    return torch.linspace(0, 1, values[0].numel()).reshape(values[0].shape).expand_as(values)


def single(values: Tensor) -> Explanation:
    return explanation(values, values * torch.nan)


def opacity(figure: Figure, axes: int = 0) -> Any:
    return figure.axes[axes].images[-1].get_alpha()


def below(figure: Figure) -> list[str]:
    return figure.axes[-1].get_xlabel().split("\n")


def png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


@pytest.mark.parametrize("alpha", ["fade", 0.5])
def test_opacity_is_multiplied_by_certainty(alpha: float | str) -> None:
    values = positive()
    certainty = sure(values)
    made = explanation(values, values * (1 - certainty))
    faded = opacity(Overlay(alpha=alpha).item(made, 0))
    full = opacity(Overlay(alpha=alpha, certainty=False).item(made, 0))
    assert faded[0, 0] == 0
    last = full if isinstance(full, float) else full[-1, -1]
    assert faded[-1, -1] == pytest.approx(last)
    assert np.allclose(faded, full * certainty[0].numpy(), atol=1e-6)


def test_where_signs_are_kept_certainty_is_one_less_p() -> None:
    values = positive() - 0.6
    error = torch.full_like(values, 0.2)
    faded = opacity(Overlay(alpha=1.0).item(explanation(values, error, signed=True), 0))
    p = 2 * stats.t.sf(values[0].double().abs() / 0.2, UNITS - 1)
    assert np.allclose(faded, 1 - p, atol=1e-5)


def test_an_error_larger_than_the_saliency_leaves_nothing() -> None:
    values = positive()
    assert opacity(Overlay().item(explanation(values, 2 * values), 0)).max() == 0


def test_a_single_draw_looks_as_it_always_did() -> None:
    made = single(positive() - 0.5)
    figure = Overlay().item(made, 0)
    assert png(figure) == png(Overlay(certainty=False).item(made, 0))
    bar = figure.axes[-1]
    assert len(bar.images) == 0
    assert below(figure) == [""]
    certain = explanation(made.values, made.values.abs() * 0.5)
    assert png(figure) == png(Overlay(certainty=False).item(certain, 0))


def test_only_columns_of_several_draws_fade() -> None:
    values = positive(count=2)
    many = explanation(values, values * 0.25)
    figure = Overlay(alpha=0.8).grid({"one": single(values), "many": many}, [1, 0])
    for row in (0, 3):
        assert opacity(figure, row + 1) == 0.8
        assert np.allclose(opacity(figure, row + 2), 0.6)
    assert below(figure) == [*UNSIGNED[:2], "standard error;", "one draw:", "never faded"]
    assert below(salience.grid({"one": single(values)})) == [""]


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ([True], SIGNED),
        ([False], UNSIGNED),
        ([True, False], ["certainty", "faded:", "uncertain"]),
    ],
)
def test_the_bar_says_what_fading_means(signs: list[bool], expected: list[str]) -> None:
    values = positive()
    made = {str(sign): explanation(values, values * 0.5, signed=sign) for sign in signs}
    figure = Overlay().grid(made, [0])
    assert below(figure) == expected
    assert [tick.get_text() for tick in figure.axes[-1].get_xticklabels()] == ["0", "1"]
    assert figure.axes[-1].get_ylabel() == "relative saliency"


@pytest.mark.parametrize("alpha", ["fade", 0.5])
@pytest.mark.parametrize("shift", [0.0, 0.6], ids=["positive", "signed"])
def test_the_bar_is_drawn_as_the_pixels_are(alpha: float | str, shift: float) -> None:
    values = positive() - shift
    certainty = sure(values)
    made = explanation(values, values.abs() * (1 - certainty))
    figure = Overlay(alpha=alpha, percentile=100).item(made, 0)
    map_ = figure.axes[0].images[-1]
    grey, bar = figure.axes[-1].images
    assert bar.get_cmap() is map_.get_cmap()
    assert bar.norm is map_.norm
    low, high = map_.norm.vmin, map_.norm.vmax
    assert bar.get_extent() == [0, 1, low, high]
    assert len(np.unique(grey.get_array())) == 1
    assert bool(grey.get_array().max() > 128) == (alpha == "fade" and shift > 0)
    # The place of each pixel's value and certainty in the bar has the opacity of the pixel.
    steps = bar.get_array().shape
    rows = np.rint((map_.get_array() - low) / (high - low) * (steps[0] - 1)).astype(int)
    columns = np.rint(certainty[0].numpy() * (steps[1] - 1)).astype(int)
    assert np.allclose(bar.get_alpha()[rows, columns], map_.get_alpha(), atol=0.04)
    assert bar.get_alpha()[:, 0].max() == 0
    assert bar.get_alpha()[-1, -1] == (1 if alpha == "fade" else 0.5)


def test_nothing_fades_without_a_photo() -> None:
    values = positive(count=2)
    made = explanation(values, values * 0.5)
    bare = explanation(values, values * 0.5, photo=False)
    for figure in (Overlay().mean(made), Overlay().item(bare, 0)):
        assert opacity(figure) is None
        assert below(figure) == [""]


def test_the_certainty_of_a_feature_map_is_upsampled() -> None:
    values = torch.ones(1, 3, 4)
    error = torch.zeros(1, 3, 4)
    error[0, 0, 0] = 1
    faded = opacity(Overlay(alpha=1.0).item(explanation(values, error), 0))
    assert faded.shape == (12, 16)
    assert faded[:2, :2].max() < 0.5
    assert np.allclose(faded[6:, 8:], 1)


def test_a_named_variable_has_its_own_certainty() -> None:
    values = positive()
    made = explanation(values, values)
    made.saliency["conv"] = Saliency(values, values * 0)  # type: ignore[index]
    assert opacity(Overlay(variable="image", alpha=1.0).item(made, 0)).max() == 0
    assert opacity(Overlay(variable="conv", alpha=1.0).item(made, 0)).min() == 1


@pytest.mark.parametrize("cmap", ["jet", "bwr"])
def test_the_maps_of_the_papers_work_by_name(cmap: str) -> None:
    values = positive() - 0.5
    for made in (single(values), explanation(values, values.abs() / 2)):
        figure = made.visualize(0, cmap=cmap)
        assert figure.axes[0].images[-1].get_cmap().name == cmap
        assert png(figure)
    assert figure.axes[-1].images[-1].get_cmap().name == cmap


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
