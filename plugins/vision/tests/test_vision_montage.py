"""Montages: slices of volumes, frames of clips and photos, on one scale."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import Explanation, InputError, Tensors
from salience_vision import Montage

CLIP = Tensors(axes=("item", "channel", "time", "height", "width"), reduce=("channel",))
DATA = torch.randn(3, 2, 6, 8, 10, generator=torch.Generator().manual_seed(0))
VALUES = torch.randn(3, 6, 8, 10, generator=torch.Generator().manual_seed(1))


def clips(values: torch.Tensor = VALUES, **options: Any) -> Explanation:
    return Explanation.from_arrays(values, DATA[:, :, : values.shape[1]], CLIP, **options)


def panels(figure: Any) -> list[Any]:
    return [axes for axes in figure.axes if axes.images]


def maps(figure: Any) -> list[Any]:
    """The saliency of each panel: behind it the photo, over it the hatching."""
    return [
        next(np.asarray(i.get_array()) for i in axes.images if i.get_array().ndim == 2)
        for axes in panels(figure)
    ]


def captions(figure: Any) -> list[str]:
    return [text.get_text() for axes in panels(figure) for text in axes.texts]


def said(figure: Any) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in figure.texts)


def test_each_slice_is_a_panel_captioned_by_its_axis_and_position() -> None:
    figure = clips().visualize(1, visualizer="montage")
    assert captions(figure) == [f"time {i}" for i in range(6)]
    assert all(np.allclose(m, v) for m, v in zip(maps(figure), VALUES[1].numpy(), strict=True))


def test_another_axis_is_cut_by_name_or_position() -> None:
    for axis in ("width", 2):
        figure = clips().visualize(0, visualizer="montage", axis=axis)
        assert captions(figure) == [f"width {i}" for i in range(10)]
        assert np.allclose(maps(figure)[3], VALUES[0, :, :, 3])
    for axis in ("depth", 3, -1):
        with pytest.raises(InputError, match="axis"):
            clips().visualize(0, visualizer="montage", axis=axis)


def test_slices_that_are_left_out_are_counted() -> None:
    figure = clips().visualize(0, visualizer="montage", slices=3)
    assert captions(figure) == ["time 0", "time 2", "time 5"]
    assert "3 of 6 slices along time" in said(figure)
    assert "slices" not in said(clips().visualize(0, visualizer="montage"))


def test_all_panels_have_one_scale_that_ends_at_the_percentile() -> None:
    figure = clips().visualize(0, visualizer="montage", percentile=90)
    norms = {(i.norm.vmin, i.norm.vmax) for axes in panels(figure) for i in axes.images[:1]}
    limit = float(np.percentile(np.abs(VALUES[0].numpy().astype(float)), 90))
    assert norms == {(-limit, limit)}
    two = salience.grid({"a": clips(10 * VALUES), "b": clips()}, [0, 2], visualizer="montage")
    (norm,) = {(i.norm.vmin, i.norm.vmax) for axes in panels(two) for i in axes.images[:1]}
    each = [np.percentile(np.abs(10 * VALUES[i].numpy().astype(float)), 99) for i in (0, 2)]
    assert norm[1] == pytest.approx(max(each), rel=1e-6)


def test_places_are_hatched_exactly_where_the_sign_is_uncertain() -> None:
    found = clips(std_error=torch.full_like(VALUES, 0.4), n_samples=9)
    uncertain = (found.p_values()[0] >= 0.05).numpy()
    assert 0 < uncertain.mean() < 1
    figure = found.visualize(0, visualizer="montage")
    for axes, mask in zip(panels(figure), uncertain, strict=True):
        lines = np.asarray(axes.images[-1].get_array())[..., 3] > 0
        fine = lines.shape[0] // 8
        covered = lines.reshape(8, fine, 10, fine).any((1, 3))
        assert np.array_equal(covered, mask)
    assert "hatched: the 95 % interval" in said(figure) and "at FDR 5 %" in said(figure)
    assert "FDR" not in said(salience.grid({"a": found}, visualizer="montage"))
    assert "hatched" not in said(found.visualize(0, visualizer="montage", hatch=False))
    magnitudes = clips(VALUES.abs(), std_error=VALUES.abs(), n_samples=9)
    assert "hatched" not in said(magnitudes.visualize(0, visualizer="montage"))


def test_the_data_lies_behind_each_item_from_smallest_to_largest() -> None:
    figure = clips().visualize(2, visualizer="montage", behind=DATA)
    assert [len(axes.images) for axes in panels(figure)] == [2] * 6
    mean = DATA[2].double().mean(0).numpy()
    grey = np.rint(255 * (mean - mean.min()) / (mean.max() - mean.min()))
    for axes, one in zip(panels(figure), grey, strict=True):
        toned = np.rint(0.45 * 255 + 0.55 * one)
        assert np.abs(axes.images[0].get_array()[..., 0].astype(float) - toned).max() <= 1
    for wrong, words in ((DATA[:2], "2 items"), (DATA[..., :4], "shape"), (3, "behind is 3")):
        with pytest.raises(InputError, match=words):
            clips().visualize(2, visualizer="montage", behind=wrong)


def test_a_grid_has_rows_of_their_own_for_each_clip() -> None:
    figure = salience.grid({"one": clips()}, [0, 2], visualizer="montage", ncols=4)
    assert len(panels(figure)) == 12
    assert captions(figure) == [f"time {i}" for i in range(6)] * 2
    assert "item 0" in said(figure) and "item 2" in said(figure) and "one" in said(figure)
    lefts = {round(axes.get_position().x0, 6) for axes in panels(figure)}
    assert len(lefts) == 4


def photos(count: int, **options: Any) -> Explanation:
    generator = torch.Generator().manual_seed(2)
    images = [
        torch.randint(0, 256, (3, 8, 10), generator=generator, dtype=torch.uint8)
        for _ in range(count)
    ]
    values = torch.rand(count, 8, 10, generator=generator)
    domain = {"name": "vision", "transform": {"resize": None, "crop": None}}
    return Explanation.from_arrays(values, images, domain, **options)


def test_photos_are_captioned_by_their_ids() -> None:
    names = ["a$b$.png", "<i>.png", "x" * 80, "d", "e"]
    figure = salience.grid({"abs": photos(5, ids=names)}, visualizer="montage", ncols=2)
    found = captions(figure)
    assert found[:2] == names[:2] and found[3:] == names[3:]
    assert "…" in found[2] and len(found[2]) < 40
    assert len({round(axes.get_position().x0, 6) for axes in panels(figure)}) == 2
    for suffix in ("png", "svg"):
        figure.savefig(io.BytesIO(), format=suffix)


def test_too_many_panels_and_mixed_ones_are_refused() -> None:
    with pytest.raises(InputError, match="101 panels"):
        salience.grid({"a": photos(101)}, visualizer="montage")
    with pytest.raises(InputError, match="ncols"):
        Montage(ncols=0)
    with pytest.raises(InputError, match="slices"):
        Montage(slices=101)
    net = nn.Sequential(nn.Flatten(), nn.Linear(240, 2))
    data = torch.rand(2, 3, 8, 10)
    drawn = {"samplers": ["gaussian"], "n_samples": 3}
    one, other = (
        salience.explain(net, data, "vision", aggregator=name, **drawn)
        for name in ("abs", "top_share")
    )
    with pytest.raises(InputError, match="one aggregator"):
        salience.grid({"one": one, "other": other}, visualizer="montage")
    shares = salience.grid({"one": other}, visualizer="montage")
    note = "among the top 10 % of places in 50 % of draws, red: in 95 %"
    assert note in said(shares).replace("\u00a0", " ")


def test_the_mean_is_that_of_values() -> None:
    figure = clips().visualize(visualizer="montage")
    assert np.allclose(maps(figure)[4], VALUES[:, 4].double().mean(0), rtol=1e-6)
    assert "mean over 3 items" in said(figure)


def test_other_numbers_of_axes_are_refused() -> None:
    table = salience.explain(nn.Linear(3, 2), torch.zeros(2, 3), Tensors())
    with pytest.raises(InputError, match="two or three axes"):
        table.visualize(0, visualizer="montage")


@pytest.mark.parametrize("values", [torch.zeros(3, 1, 8, 10), torch.full((3, 6, 8, 10), 1e30)])
def test_blank_and_huge_values_are_drawn(values: torch.Tensor) -> None:
    figure = clips(values).visualize(0, visualizer="montage")
    assert len(panels(figure)) == values.shape[1]
    figure.savefig(io.BytesIO(), format="png")


def test_montages_pickle() -> None:
    made = Montage(ncols=3, axis="time")
    assert pickle.loads(pickle.dumps(made)) == made
