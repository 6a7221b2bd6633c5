from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from plugins.vision.tests.pictured import drawn, explanation, positive, words
from salience import InputError, Saliency
from salience_vision import Overlay


def test_the_photo_lies_below_its_map() -> None:
    made = explanation(positive())
    figure = Overlay(backdrop="colour", percentile=100, scale="item").item(made, 1)
    photo, layer = figure.axes[0].images
    assert np.array_equal(photo.get_array(), made.annotations[1]["image"])
    assert layer.get_array().max() == pytest.approx(1)
    assert np.allclose(layer.get_array(), made.values[1] / made.values[1].max())


def test_opacity_grows_with_the_magnitude() -> None:
    values = positive()
    values[0, 0, 0] = 0
    alpha = drawn(Overlay().item(explanation(values), 0)).get_alpha()
    assert alpha.shape == (12, 16)
    assert alpha[0, 0] == 0
    assert alpha.max() == pytest.approx(1)
    order = values[0].flatten().argsort().numpy()
    assert (np.diff(alpha.flatten()[order]) >= 0).all()


def test_one_number_is_an_even_film_over_the_photo_in_colour() -> None:
    made = explanation(positive())
    figure = Overlay(cmap="jet", alpha=0.5).item(made, 0)
    photo, layer = figure.axes[0].images
    assert layer.get_alpha() == 0.5
    assert layer.get_cmap().name == "jet"
    assert np.array_equal(photo.get_array(), made.annotations[0]["image"])


def test_signs_choose_colours_centred_at_zero() -> None:
    one_sign = drawn(Overlay().item(explanation(positive()), 0))
    assert (one_sign.norm.vmin, one_sign.norm.vmax) == (0, pytest.approx(1))
    assert one_sign.get_cmap().name == "inferno"
    values = positive()
    values[1] -= 0.9
    for item in (0, 1):
        signed = drawn(Overlay().item(explanation(values), item))
        assert signed.norm.vmin == pytest.approx(-1)
        assert signed.get_cmap().name == "blue_vermilion"


def test_min_max_leaves_no_sign_to_show() -> None:
    layer = drawn(Overlay(scaler="min_max").item(explanation(positive() - 0.5), 0))
    assert (layer.norm.vmin, layer.norm.vmax) == (0, pytest.approx(1))


def test_normalised_values_sum_to_one() -> None:
    look = Overlay(scaler="normalize", percentile=100)
    made = explanation(positive())
    figures = [look.item(made, 0), look.item(made, 1)]
    assert sum(float(drawn(figure).get_array().sum()) for figure in figures) == pytest.approx(1)
    assert figures[0].axes[1].get_ylabel() == "saliency,\nmagnitudes of all maps sum to 1"
    one = Overlay(scaler="normalize", percentile=100, scale="item").item(made, 0)
    assert float(drawn(one).get_array().sum()) == pytest.approx(1)
    assert one.axes[1].get_ylabel() == "saliency,\nmagnitudes of the map sum to 1"


def test_extreme_pixels_are_clipped_and_the_bar_says_so() -> None:
    values = torch.full((1, 20, 20), 0.5)
    values[0, 0, 0] = 1000.0
    made = explanation(values, annotations=())
    assert float(drawn(Overlay().item(made, 0)).get_array()[9, 9]) == pytest.approx(1)
    kept = Overlay(percentile=100).item(made, 0)
    assert float(drawn(kept).get_array()[9, 9]) == pytest.approx(0.0005)


def test_a_map_of_a_single_point_is_not_erased_by_clipping() -> None:
    values = torch.zeros(1, 20, 20)
    values[0, 3, 4] = 2.0
    assert drawn(Overlay().item(explanation(values, annotations=()), 0)).get_array().max() == 1


def test_a_map_of_zeros_can_be_drawn() -> None:
    layer = drawn(Overlay().item(explanation(torch.zeros(1, 12, 16)), 0))
    assert layer.get_array().max() == 0
    assert (layer.norm.vmin, layer.norm.vmax) == (0, 1)


def test_a_feature_map_is_upsampled_to_the_photo() -> None:
    values = torch.zeros(1, 3, 4)
    values[0, 0, 0] = 1
    layer = drawn(Overlay(percentile=100).item(explanation(values), 0)).get_array()
    assert layer.shape == (12, 16)
    assert layer[:2, :2].min() > 0.5
    assert layer[6:, 8:].max() == 0


def test_titles_tell_name_class_and_output() -> None:
    made = explanation(positive())
    assert words(Overlay().item(made, 1)) == ["p1.png", "tiger cat, probability > .995, logit 7.25"]
    assert words(Overlay(title="mine").item(made, 1))[0] == "mine"
    assert words(Overlay(title="").item(made, 1)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dataset_info": {}}, "class 2, probability > .995, logit 7.25"),
        ({"dataset_info": {"class_names": ["a"]}}, "class 2, probability > .995, logit 7.25"),
        ({"prediction": torch.tensor([[1.5], [2.0]])}, "predicted 1.5"),
    ],
)
def test_captions_without_names(changes: dict[str, Any], expected: str) -> None:
    assert words(Overlay().item(explanation(positive(), **changes), 0))[1] == expected


def test_probabilities_and_the_explained_class_are_named() -> None:
    likely = torch.tensor([[0.25, 0.5, 0.25, 0.0, 0.0]] * 2)
    made = explanation(positive(), prediction=likely)
    assert words(Overlay().item(made, 0))[1] == "b, probability .50"
    record = {"n_samples": 1, "output": {"name": "class", "index": 3}}
    made = explanation(positive(), provenance=record)
    assert words(Overlay().item(made, 0))[1] == "d, softmax < .005, logit 0"
    record["output"] = {"name": "value"}
    made = explanation(positive(), provenance=record, score=torch.tensor([0.125, -2.0]))
    assert words(Overlay().item(made, 1))[1] == "predicted −2"


def test_dollar_signs_in_file_names_are_no_formulae() -> None:
    made = explanation(positive(), annotations=[{"name": r"$\bad$.png"}] * 2)
    Overlay().item(made, 0).savefig(io.BytesIO(), format="png")
    Overlay().grid({"$_$": made}, [0, 1]).savefig(io.BytesIO(), format="svg")


def test_the_mean_is_a_map_without_a_photo() -> None:
    figure = Overlay().mean(explanation(positive()))
    assert len(figure.axes[0].images) == 1
    assert words(figure) == ["mean over 2 items"]


def test_the_grid_has_photos_in_front_and_one_bar() -> None:
    made = explanation(positive(count=3))
    figure = Overlay().grid({"vanilla": made, "smooth": made}, [2, 0])
    cells, bar = figure.axes[:-1], figure.axes[-1]
    assert len(cells) == 2 * 3
    assert [len(axes.images) for axes in cells] == [1, 2, 2] * 2
    assert np.array_equal(cells[0].images[0].get_array(), made.annotations[2]["image"])
    assert words(figure)[:3] == ["photo", "vanilla", "smooth"]
    said = "tiger cat\nprobability > .995\nlogit 7.25"
    assert words(figure)[3:] == ["p2.png", said, "p0.png", said]
    assert bar.get_ylabel() == "saliency,\npercentile 99 of each column = 1"
    assert len(Overlay(colorbar=False).grid({"vanilla": made}, [0]).axes) == 2


@pytest.mark.parametrize(
    ("rows", "columns", "size", "factor"),
    [
        (1, 1, (12, 16), 1),
        (2, 5, (12, 16), 1e6),
        (4, 2, (40, 10), 1e-6),
        (1, 2, (10, 40), 1.2345e-3),
    ],
)
def test_nothing_overlaps_and_nothing_leaves_the_page(
    rows: int, columns: int, size: tuple[int, int], factor: float
) -> None:
    values = (positive(*size, count=rows) - 0.5) * factor
    notes = [{"image": torch.zeros(*size, 3), "name": "a rather long name of a file.jpeg"}] * 7
    facts = {"class_names": ["hair slide", "b", "bookshop, bookstore, bookstall", "d", "e"]}
    made = explanation(values, dataset_info=facts, annotations=notes[:rows])
    titles = [f"integrated gradients with many words {i}" for i in range(columns)]
    look = Overlay(title="All of them", scaler="identity")
    figure = look.grid(dict.fromkeys(titles, made), list(range(rows)))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    boxes += [axes.get_window_extent(renderer) for axes in figure.axes[:-1]]
    boxes.append(figure.axes[-1].get_tightbbox(renderer))
    width, height = canvas.get_width_height()
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        for other in boxes[number + 1 :]:
            apart = (
                box.x1 <= other.x0 + 1
                or other.x1 <= box.x0 + 1
                or box.y1 <= other.y0 + 1
                or other.y1 <= box.y0 + 1
            )
            assert apart


def test_drawing_changes_neither_values_nor_photo() -> None:
    made = explanation(positive() - 0.5)
    values = made.values.clone()
    photo = made.annotations[0]["image"].clone()
    Overlay().item(made, 0)
    Overlay().grid({"one": made}, [0])
    assert torch.equal(made.values, values)
    assert torch.equal(made.annotations[0]["image"], photo)


def test_a_named_variable_is_drawn() -> None:
    values = positive()
    small = values[:, :3, :4]
    pair = {"image": Saliency(values, values), "conv": Saliency(small, small)}
    made = explanation(values, saliency=pair)
    assert drawn(Overlay(variable="conv").item(made, 0)).get_array().shape == (12, 16)
    with pytest.raises(InputError, match="several target variables"):
        Overlay().item(made, 0)


def test_saliency_that_is_no_map_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(item, height, width\), but got \(2, 9\)"):
        Overlay().item(explanation(torch.rand(2, 9)), 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cmap": "infern"}, "did you mean 'inferno'"),
        ({"alpha": 2}, "alpha is 2"),
        ({"alpha": "fad"}, "alpha is 'fad'"),
        ({"percentile": 0}, "percentile is 0"),
        ({"scaler": "absmax"}, "did you mean 'abs_max'"),
        ({"backdrop": "drak"}, "did you mean 'dark'"),
    ],
)
def test_unknown_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Overlay(**settings)


def test_blocks_lie_on_their_pixels() -> None:
    sums = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[6.0, 5.0, 4.0], [3.0, 2.0, 1.0]]])
    made = explanation(sums, provenance={"n_samples": 1, "pool": {"blocks": 7}})
    for figure, values in (
        (Overlay(percentile=100).item(made, 1), sums[1]),
        (Overlay(percentile=100).mean(made), sums.mean(0)),
    ):
        found = np.asarray(drawn(figure).get_array())
        rows, columns = torch.arange(12) // 7, torch.arange(16) // 7
        expected = values[rows][:, columns] / values.max()
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_groups_that_are_no_map_are_not_drawn() -> None:
    names = ("sky", "sea")
    groups = {"image": Saliency(torch.ones(2, 2), torch.ones(2, 2), names=names)}
    with pytest.raises(InputError, match=r"salience.Blocks\(16\)"):
        Overlay().item(explanation(positive(), saliency=groups), 0)
