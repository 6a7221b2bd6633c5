"""From the installed plugin to the picture, with a model whose saliency is known."""

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection, PolyCollection
from torch import nn

import salience
from salience_template.dense import Spectra

MODEL = """
from torch import nn

class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Identity()

    def forward(self, x):
        return self.encode(x).sum((1, 2))
"""
SPECTRA = np.random.default_rng(0).normal(size=(4, 2, 7))


class Linear(nn.Module):
    """f(x) = Σ w x over channels and wavelengths, so that the gradient is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(14.0).reshape(2, 7) - 5)
        self.encode = nn.Identity()

    def forward(self, intensity: torch.Tensor) -> torch.Tensor:
        return (self.weight * self.encode(intensity)).sum((1, 2))


def explained(**settings) -> salience.Explanation:
    # By name: this fails unless the entry point, the hooks and the paths in them are right.
    return salience.explain(Linear(), SPECTRA, "spectra", output="value", **settings)


def lines(figure):
    return [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]


def band(figure):
    return [c for c in figure.axes[1].collections if isinstance(c, PolyCollection)]


@pytest.mark.parametrize("target", ["input", "encode", None])
def test_saliency_is_summed_over_channels(target):
    expected = Linear().weight.sum(0).expand(4, 7)
    assert torch.allclose(explained(target=target).values, expected)


def test_integrated_gradients_add_up_to_the_prediction():
    explanation = explained(calculator="integrated_gradients")
    assert torch.allclose(explanation.values.sum(1), explanation.score, atol=1e-5)


def test_lines_have_the_colours_of_the_saliency():
    figure = explained().visualize(0, scaler="identity")
    saliency = Linear().weight.sum(0).detach().numpy()
    assert len(lines(figure)) == 2  # one a channel
    for channel, line in zip(SPECTRA[0], lines(figure), strict=True):
        starts = [segment[0, 1] for segment in line.get_segments()]
        assert np.allclose(starts, channel[:-1])
        assert np.allclose(line.get_array(), (saliency[:-1] + saliency[1:]) / 2)
        assert line.get_clim() == (-abs(saliency).max(), abs(saliency).max())
    assert np.allclose(figure.axes[1].lines[1].get_ydata(), saliency)


def test_the_band_is_the_95_percent_interval():
    explanation = explained(
        calculator=salience.Gradient(multiply_by_target=True),
        samplers=["gaussian"],
        n_samples=5,
    )
    figure = explanation.visualize(0, scaler="identity")
    upper = band(figure)[0].get_paths()[0].vertices[:, 1].max()
    assert np.isclose(upper, explanation.interval(0.95)[1][0].max())
    assert "mean over draws of noise" in figure.get_supxlabel()


def test_a_single_draw_has_no_band():
    assert band(explained().visualize(0)) == []


def test_the_mean_is_drawn_over_the_mean_spectrum():
    figure = explained().visualize()
    starts = [segment[0, 1] for segment in lines(figure)[0].get_segments()]
    assert np.allclose(starts, SPECTRA.mean(0)[0, :-1])
    assert figure.axes[0].get_title() == "mean of 4 spectra"


def test_wavelengths_label_the_picture():
    domain = Spectra(wavelengths=np.linspace(400, 700, 7))
    explanation = salience.explain(Linear(), SPECTRA, domain, output="value")
    figure = explanation.visualize(0)
    assert figure.axes[1].get_xlabel() == "wavelength (nm)"
    assert figure.axes[1].get_xlim() == (400.0, 700.0)
    assert explained().visualize(0).axes[1].get_xlabel() == "position"


def test_what_was_saved_draws_the_same(tmp_path):
    explanation = explained()
    explanation.save(tmp_path / "run.salience")
    loaded = salience.Explanation.load(tmp_path / "run.salience")
    before, after = (lines(e.visualize(1))[1] for e in (explanation, loaded))
    assert np.array_equal(before.get_segments(), after.get_segments())


def test_the_command_line_draws_every_spectrum(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from salience.cli import main

    np.save(tmp_path / "spectra.npy", SPECTRA)
    (tmp_path / "model_of_spectra.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    arguments = "--domain spectra --model model_of_spectra:Sum --output value --out out"
    result = CliRunner().invoke(main, ["explain", *arguments.split(), "spectra.npy"])
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert names == {"0000.png", "0001.png", "0002.png", "0003.png", "mean.png"}


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_pictures_can_be_written(tmp_path, suffix):
    explained().visualize(0, path=tmp_path / f"spectrum.{suffix}")
    assert (tmp_path / f"spectrum.{suffix}").stat().st_size > 1000
