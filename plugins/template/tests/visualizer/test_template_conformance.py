"""The visualizer keeps what salience relies on: docs/conformance.md."""

import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_template.visualizer import Stripes

torch.manual_seed(0)
MODEL = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


@parametrize_checks(Stripes(), data=torch.randn(4, 3, dtype=torch.float64), model=MODEL)
def test_conforms(check):
    check()
