"""The domain and its visualizer keep what salience relies on: docs/conformance.md."""

import numpy as np
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_template.padded import SignalPlot, Signals

RNG = np.random.default_rng(0)
# Of different lengths: data of equal lengths would not test padding.
DATA = [RNG.normal(size=(2, length)) for length in (6, 3, 4)]


class Network(nn.Module):
    """A mean over the real times of each signal, behind a layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encode = nn.Conv1d(2, 3, 1)
        self.last = nn.Linear(3, 2)

    def forward(self, signal, mask):
        hidden = self.encode(signal).tanh() * mask[:, None]
        return self.last(hidden.sum(2) / mask.sum(1, keepdim=True))


# One test for each check: test_the_domain_conforms[reads_every_item], and so on.
@parametrize_checks(Signals(), data=DATA, model=Network())
def test_the_domain_conforms(check):
    check()


@parametrize_checks(SignalPlot(), data=DATA, model=Network(), domain=Signals())
def test_the_visualizer_conforms(check):
    check()
