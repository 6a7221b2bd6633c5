"""Waterfalls: they lead from f(baseline) to f(x), each step with its own interval."""

import matplotlib.colors
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from torch import nn

import salience
from salience import InputError, IntegratedGradients, NoMeanError
from salience.colors import GROUND, UNCERTAIN


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 1)).double()


ROWS = torch.randn(6, 5, generator=torch.Generator().manual_seed(1)).double()


def explained(calculator=None, samplers=("mc_dropout",), **options):
    calculator = calculator or IntegratedGradients(steps=64)
    n_samples = 12 if samplers else 1
    return salience.explain(
        net(),
        ROWS,
        "tabular",
        calculator,
        samplers=samplers,
        n_samples=n_samples,
        output="value",
        **options,
    )


def steps(axes):
    return [(bar.get_x(), bar.get_width()) for bar in axes.patches]


def named(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


@pytest.mark.parametrize("samplers", [(), ("mc_dropout",), ("gaussian:scale=0.2",)])
@pytest.mark.parametrize("item", [0, 5])
@pytest.mark.parametrize("steps_of_path", [1, 64])
def test_the_steps_end_at_f_of_x(samplers, item, steps_of_path):
    found = explained(IntegratedGradients(steps=steps_of_path, rtol=10.0), samplers)
    axes = found.visualize(item, visualizer="waterfall").axes[0]
    begin, size = steps(axes)[-1]
    score, delta = float(found.score[item]), float(found.delta[item])
    largest = max(abs(own) for _, own in steps(axes))
    gap = float(found.completeness_gap[item])
    assert abs(begin + size - score) <= min(gap + 1e-9, 1e-3 * max(largest, abs(delta))) + 1e-12
    assert steps(axes)[0][0] == pytest.approx(score - delta, abs=1e-12)
    for (begin, size), (follows, _) in zip(steps(axes), steps(axes)[1:], strict=False):
        assert begin + size == pytest.approx(follows, abs=1e-12)
    if named(axes)[-2] == "not explained (gap)":
        assert abs(steps(axes)[-1][1]) <= gap + 1e-12
    assert named(axes)[0] == "f(baseline)" and named(axes)[-1] == "f(x)"


def test_each_step_has_its_own_interval_from_where_it_begins():
    found = explained()
    axes = found.visualize(0, visualizer="waterfall").axes[0]
    (drawn,) = [
        c for c in axes.collections if isinstance(c, LineCollection) and c.get_linewidths()[0] > 1
    ]
    values = found.values[0]
    order = values.abs().argsort(descending=True, stable=True)
    low, high = (bound[0][order] for bound in found.interval(0.95))
    begins = torch.tensor([begin for begin, _ in steps(axes)[:5]])
    expected = torch.stack([begins + low, begins + high], 1)
    ends = np.array([segment[:, 0] for segment in drawn.get_segments()])
    assert np.allclose(ends, expected, rtol=1e-12)
    ground = matplotlib.colors.to_rgba(GROUND)
    hollow = [bar.get_facecolor() == ground for bar in axes.patches][:5]
    assert hollow == (found.p_values()[0][order] >= 0.05).tolist()


def test_features_without_a_step_share_one_that_has_no_interval():
    found = explained()
    figure = found.visualize(0, visualizer="waterfall", num_visualize=2)
    axes = figure.axes[0]
    assert named(axes)[3] == "3 other features"
    order = found.values[0].abs().argsort(descending=True)
    assert steps(axes)[2][1] == pytest.approx(float(found.values[0][order[2:]].sum()), rel=1e-12)
    assert axes.patches[2].get_facecolor() == matplotlib.colors.to_rgba(UNCERTAIN)
    drawn = [c for c in axes.collections if c.get_linewidths()[0] > 1]
    assert len(drawn[0].get_segments()) == 2
    assert "the 3 others have no interval" in " ".join(figure.get_supxlabel().split())


@pytest.mark.parametrize(
    ("calculator", "aggregator"),
    [("gradient", "raw"), (None, "abs"), (None, "square"), ("gradient", "variance")],
)
def test_what_does_not_add_up_is_refused(calculator, aggregator):
    found = explained(calculator, aggregator=aggregator)
    with pytest.raises(InputError, match=r"sums to f\(x\) − f\(baseline\).*integrated_gradients"):
        found.visualize(0, visualizer="waterfall")


def test_it_is_of_one_row():
    from matplotlib.figure import Figure

    found = explained()
    with pytest.raises(NoMeanError, match="of one row"):
        found.visualize(visualizer="waterfall")
    with pytest.raises(NoMeanError, match="of one row"):
        found.visualize(visualizer="waterfall", ax=Figure().subplots())


def test_a_grid_has_a_panel_for_each_row_and_explanation():
    found, other = explained(), explained(samplers=())
    figure = salience.grid({"one": found, "two": other}, [0, 3], visualizer="waterfall")
    titles = [axes.get_title() for axes in figure.axes]
    starts = ["one, row 0", "two, row 0", "one, row 3", "two, row 3"]
    assert all(t.startswith(s) for t, s in zip(titles, starts, strict=True))
    single = salience.grid({"one": found}, [0, 1, 2], visualizer="waterfall", ncols=2)
    assert [axes.get_visible() for axes in single.axes] == [True, True, True, False]


def test_it_draws_into_axes():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    explained().visualize(0, visualizer="waterfall", ax=axes)
    assert named(axes)[-1] == "f(x)"
