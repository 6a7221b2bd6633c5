"""The domain and its visualizer keep what salience relies on: docs/conformance.md."""

import numpy as np
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_template.dense import Spectra, SpectrumPlot

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(4, 2, 7))


class Smooth(nn.Module):
    """A small smooth model, with a module whose output can be the target."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encode = nn.Conv1d(2, 3, 3, padding=1)
        self.head = nn.Linear(21, 2)

    def forward(self, intensity: torch.Tensor) -> torch.Tensor:
        return self.head(self.encode(intensity).tanh().flatten(1))


# One test for each check: test_the_domain_conforms[reads_every_item], and so on.
@parametrize_checks(Spectra(), data=DATA, model=Smooth())
def test_the_domain_conforms(check):
    check()


@parametrize_checks(
    Spectra(wavelengths=np.linspace(400, 700, 7), target="encode"), data=DATA, model=Smooth()
)
def test_the_domain_with_settings_conforms(check):
    check()


@parametrize_checks(SpectrumPlot(), data=DATA, model=Smooth(), domain=Spectra())
def test_the_visualizer_conforms(check):
    check()
