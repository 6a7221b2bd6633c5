"""The domain and its visualizer keep what salience relies on: docs/conformance.md."""

import numpy as np
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_template.padded import SignalPlot, Signals

RNG = np.random.default_rng(0)
DATA = [RNG.normal(size=(2, length)) for length in (6, 3, 4)]


class Smooth(nn.Module):
    """A small smooth model, with a module whose output can be the target."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encode = nn.Conv1d(2, 3, 1)
        self.head = nn.Linear(3, 2)

    def forward(self, signal: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.head((self.encode(signal).tanh() * mask[:, None]).sum(2))


# One test for each check: test_the_domain_conforms[reads_every_item], and so on.
@parametrize_checks(Signals(), data=DATA, model=Smooth())
def test_the_domain_conforms(check):
    check()


@parametrize_checks(Signals(rate=10.0, target="encode"), data=DATA, model=Smooth())
def test_the_domain_with_settings_conforms(check):
    check()


@parametrize_checks(SignalPlot(), data=DATA, model=Smooth(), domain=Signals())
def test_the_visualizer_conforms(check):
    check()
