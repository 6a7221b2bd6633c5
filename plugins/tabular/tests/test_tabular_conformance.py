"""Tables and their visualizers keep what salience relies on."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_tabular import BarPlot, Beeswarm, HeatMap, PointPlot, Scatter, Tabular, Waterfall

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(RNG.normal(size=(5, 3)), columns=["age", "income", "height"])
MIXED = pd.DataFrame(
    {
        "city": pd.Categorical.from_codes(RNG.integers(0, 3, 6), ["Oslo", "Rome", "Bern"]),
        "age": RNG.normal(size=6),
        "plan": RNG.integers(0, 2, 6),
        "income": RNG.normal(size=6),
    }
)


class Embedded(nn.Module):
    """A network of numeric and categorical columns."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(3, 3)
        self.out = nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 2))

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        return self.out(torch.cat([numeric, self.embed(categorical).flatten(1)], 1))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


DRAWN = {"data": TABLE, "model": network(), "domain": Tabular()}


@parametrize_checks(Tabular(), data=RNG.normal(size=(4, 3)), model=network())
def test_arrays_conform(check):
    check()


@parametrize_checks(Tabular(), data=torch.randn(4, 3), model=network())
def test_tensors_conform(check):
    check()


@parametrize_checks(Tabular(), data=TABLE, model=network())
def test_frames_conform(check):
    check()


@parametrize_checks(Tabular(categorical=("city", "plan")), data=MIXED, model=Embedded())
def test_categories_conform(check):
    check()


@parametrize_checks(PointPlot(), **DRAWN)
def test_points_conform(check):
    check()


@parametrize_checks(BarPlot(), **DRAWN)
def test_bars_conform(check):
    check()


@parametrize_checks(HeatMap(), **DRAWN)
def test_the_heat_map_conforms(check):
    check()


@parametrize_checks(Waterfall(), calculator="integrated_gradients", **DRAWN)
def test_the_waterfall_conforms(check):
    check()


@parametrize_checks(Beeswarm(), **DRAWN)
def test_the_beeswarm_conforms(check):
    check()


@parametrize_checks(Scatter(), **DRAWN)
def test_the_scatter_plot_conforms(check):
    check()
