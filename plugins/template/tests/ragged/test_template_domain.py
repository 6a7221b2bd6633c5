"""Sets of points from reading to the picture, with models whose saliency is known."""

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import InputError, NoMeanError
from salience.testing import check_payload
from salience_template.ragged import PointSets

RNG = np.random.default_rng(0)
SETS = [RNG.normal(size=(n, 2)) for n in (5, 1, 3)]
WEIGHT = torch.tensor([1.0, -3.0])


class Weighted(nn.Module):
    """f = Σ w x over features and the points of a set, so that the gradient is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Identity()

    def forward(self, points: torch.Tensor, owner: torch.Tensor, n_sets: int) -> torch.Tensor:
        values = self.encode(points) @ WEIGHT.to(points)
        return values.new_zeros(n_sets).index_add(0, owner, values)


def explained(domain="point_sets", **settings) -> salience.Explanation:
    # By name: this fails unless the entry point, the hooks and the paths in them are right.
    return salience.explain(Weighted(), SETS, domain, output="value", **settings)


def test_reads_arrays_and_tensors_alike():
    for data in (SETS, [torch.tensor(one) for one in SETS]):
        for read, points in zip(PointSets().read(data), SETS, strict=True):
            assert torch.equal(read, torch.tensor(points))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (SETS[0], "sets of points are a list"),
        ([], "pass one or more"),
        ([SETS[0], SETS[1][0]], r"set 1 has shape \(2,\)"),
        ([SETS[0], SETS[1][:0]], r"set 1 has shape \(0, 2\)"),
        ([SETS[0], SETS[2][:, :1]], r"set 1 has shape \(3, 1\), expected \(points, 2\)"),
        ([SETS[0], SETS[1] * np.inf], "set 1 holds NaN or infinity"),
        ([SETS[0], "text"], "set 1 is no array of real numbers"),
    ],
)
def test_refuses_what_are_no_sets_of_points(data, message):
    with pytest.raises(InputError, match=message):
        PointSets().read(data)


@pytest.mark.parametrize("target", ["input", "encode", None])
def test_saliency_is_summed_over_features(target):
    values = explained(target=target).values
    assert [len(one) for one in values] == [5, 1, 3]
    for one in values:
        assert torch.allclose(one, WEIGHT.sum().to(one))


@pytest.mark.parametrize("samplers", [["gaussian"], []])
def test_an_item_has_the_same_values_in_any_company(samplers):
    settings = {"samplers": samplers, "n_samples": 3 if samplers else 1}
    settings |= {"calculator": "integrated_gradients", "ids": [0, 1, 2]}
    together = explained(**settings).values
    packed = explained(max_rows=5, **settings).values
    for one, other in zip(together, packed, strict=True):
        torch.testing.assert_close(one, other)


def test_the_picture_shows_the_points_in_the_colours_of_their_saliency():
    axes = explained().visualize(0).axes[0]
    assert np.allclose(axes.collections[0].get_offsets(), SETS[0])
    assert np.allclose(axes.collections[0].get_array(), WEIGHT.sum())


def test_names_that_look_like_formulas_are_drawn_as_they_are(tmp_path):
    explanation = explained(PointSets(names=("$\\no{", "y")), ids=["$\\no{", "b", "c"])
    explanation.visualize(0, path=tmp_path / "set.svg")
    axes = explanation.visualize(0).axes[0]
    assert axes.get_xlabel() == "$\\no{" and "$\\no{" in axes.get_title()


def test_there_is_no_mean_of_sets_of_different_sizes():
    with pytest.raises(NoMeanError):
        explained().visualize()


def test_what_was_saved_draws_the_same(tmp_path):
    explanation = explained()
    explanation.save(tmp_path / "run.salience")
    loaded = salience.Explanation.load(tmp_path / "run.salience")
    loaded.visualize(0, path=tmp_path / "set.svg")
    first, second = (e.visualize(0).axes[0].collections[0] for e in (explanation, loaded))
    assert np.array_equal(first.get_array(), second.get_array())


def test_groups_of_points_are_not_drawn_as_points():
    pooled = explained(pool=[np.arange(len(one)) // 2 for one in SETS])
    assert pooled.domain.payload(pooled, 0) is None
    with pytest.raises(InputError, match="pick another visualizer"):
        pooled.visualize(0)


def test_reports_draw_points_as_nodes():
    payload = check_payload(explained(), 0)
    assert payload is not None and np.allclose(payload["x"], SETS[0][:, 0])
    assert not len(payload["edges"])
