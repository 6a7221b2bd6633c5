"""The domain and its visualizer keep what salience relies on: docs/conformance.md."""

import numpy as np
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_template.ragged import PointPlot, PointSets

RNG = np.random.default_rng(0)
# Of different lengths: data of equal lengths would not test padding.
DATA = [RNG.normal(size=(n, 2)) for n in (5, 1, 3)]


class Network(nn.Module):
    """A sum over the points of each set, behind a layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encode = nn.Linear(2, 3)
        self.last = nn.Linear(3, 2)

    def forward(self, points, owner, n_sets):
        hidden = self.encode(points).tanh()
        return self.last(hidden.new_zeros(n_sets, 3).index_add(0, owner, hidden))


# One test for each check: test_the_domain_conforms[reads_every_item], and so on.
@parametrize_checks(PointSets(), data=DATA, model=Network())
def test_the_domain_conforms(check):
    check()


@parametrize_checks(PointPlot(), data=DATA, model=Network(), domain=PointSets())
def test_the_visualizer_conforms(check):
    check()
