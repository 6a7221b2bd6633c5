"""Photos and their visualizers keep what salience relies on."""

import numpy as np
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_vision import Montage, Overlay, Vision

PHOTOS = list(np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3), dtype=np.uint8))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh())
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


@parametrize_checks(Vision(), data=PHOTOS, model=Network())
def test_the_domain_conforms(check):
    check()


@parametrize_checks(Overlay(), data=PHOTOS, model=Network(), domain=Vision())
def test_the_overlay_conforms(check):
    check()


@parametrize_checks(Montage(), data=PHOTOS, model=Network(), domain=Vision())
def test_the_montage_conforms(check):
    check()
