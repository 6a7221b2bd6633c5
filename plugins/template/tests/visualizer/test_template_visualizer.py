"""The plot by its elements, and what it refuses to draw."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import salience
from salience import InputError, Tensors

WEIGHT = torch.tensor([1.0, -2.0, 0.5])


def explanation(ids=None):
    return salience.explain(
        lambda x: (x * WEIGHT).sum(1), torch.ones(4, 3), Tensors(), output="value", ids=ids
    )


@pytest.mark.parametrize("item", [0, None])
def test_stripes_have_the_colours_of_the_saliency(item):
    axes = explanation().visualize(item, visualizer="stripes").axes[0]
    assert np.allclose(axes.images[0].get_array()[0], WEIGHT)
    assert axes.images[0].get_clim() == (-2.0, 2.0)


def test_a_figure_of_the_user_is_drawn_into():
    figure = Figure(figsize=(2, 1))
    assert explanation().visualize(0, visualizer="stripes", figure=figure) is figure
    assert figure.get_size_inches().tolist() == [2.0, 1.0]


def test_an_id_that_looks_like_a_formula_is_drawn_as_it_is(tmp_path):
    drawn = explanation(ids=["$\\no{", "b", "c", "d"])
    drawn.visualize("$\\no{", visualizer="stripes", path=tmp_path / "stripes.svg")
    assert "$\\no{" in drawn.visualize(0, visualizer="stripes").axes[0].get_title()


def test_refuses_saliency_of_several_axes():
    images = salience.explain(
        lambda x: x.sum((1, 2)),
        torch.ones(2, 3, 2),
        Tensors(axes=("item", "row", "column")),
        output="value",
    )
    with pytest.raises(InputError, match=r"shape \(3, 2\)"):
        images.visualize(0, visualizer="stripes")


def test_refuses_an_unknown_colour_map():
    with pytest.raises(InputError, match="no such map"):
        explanation().visualize(0, visualizer="stripes", cmap="no such map")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_pictures_can_be_written(tmp_path, suffix):
    explanation().visualize(0, visualizer="stripes", path=tmp_path / f"stripes.{suffix}")
    assert (tmp_path / f"stripes.{suffix}").stat().st_size > 500
