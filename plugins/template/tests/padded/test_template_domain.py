"""Signals from reading to the picture, with models whose saliency is known."""

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import InputError, NoMeanError
from salience.testing import check_payload
from salience_template.padded import Signals

RNG = np.random.default_rng(0)
SIGNALS = [RNG.normal(size=(2, length)) for length in (6, 3, 4)]
WEIGHT = torch.tensor([1.0, -3.0])[:, None]


class Weighted(nn.Module):
    """f = Σ w x over channels and real times, so that the gradient is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Identity()

    def forward(self, signal: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (self.encode(signal) * WEIGHT.to(signal) * mask[:, None]).sum((1, 2))


def explained(domain="signals", **settings) -> salience.Explanation:
    # By name: this fails unless the entry point, the hooks and the paths in them are right.
    return salience.explain(Weighted(), SIGNALS, domain, output="value", **settings)


def test_reads_arrays_tensors_and_files_alike(tmp_path):
    paths = [tmp_path / f"{item}.npy" for item in range(3)]
    for path, signal in zip(paths, SIGNALS, strict=True):
        np.save(path, signal)
    for data in (SIGNALS, [torch.tensor(one) for one in SIGNALS], paths):
        for read, signal in zip(Signals().read(data), SIGNALS, strict=True):
            assert torch.equal(read, torch.tensor(signal))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (SIGNALS[0], "signals are a list"),
        ([], "pass one or more"),
        ([SIGNALS[0], SIGNALS[1][0]], r"signal 1 has shape \(3,\)"),
        ([SIGNALS[0], SIGNALS[1][:, :0]], r"signal 1 has shape \(2, 0\)"),
        ([SIGNALS[0], SIGNALS[1][:1]], r"signals have \[2, 1\] channels"),
        ([SIGNALS[0], SIGNALS[1] * np.nan], "signal 1 holds NaN"),
        ([SIGNALS[0], "missing.npy"], "signal 1 cannot be read"),
        ([SIGNALS[0], "text"], "signal 1 cannot be read"),
        ([SIGNALS[0], SIGNALS[1] * 1j], "signal 1 is no array of real numbers"),
    ],
)
def test_refuses_what_are_no_signals(data, message):
    with pytest.raises(InputError, match=message):
        Signals().read(data)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_refuses_a_rate_that_is_none(rate):
    with pytest.raises(InputError, match="rate"):
        Signals(rate=rate)


@pytest.mark.parametrize("target", ["input", "encode", None])
def test_saliency_is_summed_over_channels_and_has_no_padding(target):
    values = explained(target=target).values
    assert [len(one) for one in values] == [6, 3, 4]
    for one in values:
        assert torch.allclose(one, WEIGHT.sum().to(one))


@pytest.mark.parametrize("samplers", [["gaussian"], []])
def test_an_item_has_the_same_values_in_any_company(samplers):
    settings = {"samplers": samplers, "n_samples": 3 if samplers else 1}
    settings |= {"calculator": "integrated_gradients", "ids": [0, 1, 2]}
    together = explained(**settings).values
    packed = explained(max_rows=1, **settings).values
    for one, other in zip(together, packed, strict=True):
        torch.testing.assert_close(one, other)


def test_the_picture_shows_the_saliency_of_each_time():
    figure = explained(Signals(rate=2.0)).visualize(1)
    axes = figure.axes[0]
    assert np.allclose(axes.images[0].get_array(), WEIGHT.sum())
    assert axes.images[0].get_extent()[:2] == [-0.25, 1.25]
    for line, channel in zip(axes.lines, SIGNALS[1], strict=True):
        assert np.allclose(line.get_ydata(), channel)
        assert np.allclose(line.get_xdata(), [0.0, 0.5, 1.0])


def test_an_id_that_looks_like_a_formula_is_drawn_as_it_is(tmp_path):
    explanation = explained(ids=["$\\no{", "b", "c"])
    explanation.visualize(0, path=tmp_path / "signal.svg")
    assert "$\\no{" in explanation.visualize(0).axes[0].get_title()


def test_there_is_no_mean_of_signals_of_different_lengths():
    with pytest.raises(NoMeanError):
        explained().visualize()


def test_what_was_saved_draws_the_same(tmp_path):
    explanation = explained()
    explanation.save(tmp_path / "run.salience")
    loaded = salience.Explanation.load(tmp_path / "run.salience")
    loaded.visualize(0, path=tmp_path / "signal.svg")
    first, second = (e.visualize(0).axes[0].images[0].get_array() for e in (explanation, loaded))
    assert np.array_equal(first, second)


def test_groups_of_times_are_not_drawn_as_times():
    pooled = explained(pool=salience.Blocks(2))
    assert pooled.domain.payload(pooled, 0) is None
    with pytest.raises(InputError, match="pick another visualizer"):
        pooled.visualize(0)


def test_reports_draw_a_series():
    payload = check_payload(explained(), 2)
    assert payload is not None and np.allclose(payload["lines"], SIGNALS[2])
