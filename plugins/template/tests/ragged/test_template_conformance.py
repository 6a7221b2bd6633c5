"""The domain and its visualizer keep what salience relies on: docs/conformance.md."""

import numpy as np
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_template.ragged import PointPlot, PointSets

RNG = np.random.default_rng(0)
DATA = [RNG.normal(size=(n, 2)) for n in (5, 1, 3)]


class Smooth(nn.Module):
    """A small smooth model, with a module whose output can be the target."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encode = nn.Linear(2, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, points: torch.Tensor, owner: torch.Tensor, n_sets: int) -> torch.Tensor:
        hidden = self.encode(points).tanh()
        return self.head(hidden.new_zeros(n_sets, 3).index_add(0, owner, hidden))


# One test for each check: test_the_domain_conforms[reads_every_item], and so on.
@parametrize_checks(PointSets(), data=DATA, model=Smooth())
def test_the_domain_conforms(check):
    check()


@parametrize_checks(
    PointSets(names=("length", "width"), target="encode"), data=DATA, model=Smooth()
)
def test_the_domain_with_settings_conforms(check):
    check()


@parametrize_checks(PointPlot(), data=DATA, model=Smooth(), domain=PointSets())
def test_the_visualizer_conforms(check):
    check()
