"""The domain and its visualizer keep what salience relies on: docs/conformance.md."""

import numpy as np
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_template.dense import Spectra, SpectrumPlot

SPECTRA = np.random.default_rng(0).normal(size=(4, 2, 7))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(14, 8), nn.Tanh(), nn.Linear(8, 2))


# One test for each check: test_the_domain_conforms[reads_every_item], and so on.
@parametrize_checks(Spectra(), data=SPECTRA, model=network())
def test_the_domain_conforms(check):
    check()


@parametrize_checks(
    Spectra(wavelengths=np.linspace(400, 700, 7)), data=torch.tensor(SPECTRA), model=network()
)
def test_the_domain_with_settings_conforms(check):
    check()


@parametrize_checks(SpectrumPlot(), data=SPECTRA, model=network(), domain=Spectra())
def test_the_visualizer_conforms(check):
    check()
