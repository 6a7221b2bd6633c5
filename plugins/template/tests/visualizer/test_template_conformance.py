"""The visualizer keeps what salience relies on: docs/conformance.md."""

import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_template.visualizer import Stripes

DATA = torch.arange(12.0).reshape(3, 4)


# One test for each check, on data and a model that it can draw.
@parametrize_checks(Stripes(), data=DATA, model=nn.Linear(4, 2))
def test_conforms(check):
    check()
