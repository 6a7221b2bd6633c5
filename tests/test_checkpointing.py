"""Models that checkpoint activations: right, or refused where the backward pass would be wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import salience
from salience import InputError, Target, Tensors

DOMAIN = Tensors(output="value")
X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
INNER = Target("first", axes=("item", "unit"))


class Checkpointed(nn.Module):
    """Forgets what is inside its block, unless ``reentrant`` is ``None``."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 1)
        self.dropout = nn.Dropout(0.5)
        self.reentrant = reentrant
        self.double()

    def block(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.dropout(torch.tanh(self.first(x))) * x.sum(1, keepdim=True)
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        if self.reentrant is None:
            hidden = self.block(x)
        else:
            hidden = checkpoint(self.block, x, use_reentrant=self.reentrant)
        scalars: Tensor = self.last(hidden.square())
        return scalars


def explained(reentrant: bool | None, **settings: Any) -> Any:
    return salience.explain(Checkpointed(reentrant), X, DOMAIN, **settings).values


SERVED: dict[str, dict[str, Any]] = {
    "gradient": {},
    "integrated gradients": {"calculator": "integrated_gradients:steps=8"},
    "noise": {"samplers": ["gaussian"], "n_samples": 4},
    "occlusion": {"calculator": "occlusion"},
    "occlusion under dropout": {
        "calculator": "occlusion", "samplers": ["mc_dropout"], "n_samples": 4,
    },
    "occlusion under drawn weights": {
        "calculator": "occlusion", "samplers": ["weight_noise"], "n_samples": 4,
    },
    "occlusion inside": {"calculator": "occlusion", "target": INNER},
}  # fmt: skip

REFUSED: dict[str, dict[str, Any]] = {
    "dropout": {"samplers": ["mc_dropout"], "n_samples": 4},
    "drawn weights": {"samplers": ["weight_noise"], "n_samples": 4},
    "drawn weights, one by one": {"samplers": ["weight_noise"], "n_samples": 4, "max_rows": 1},
    "inside": {"target": INNER},
    "path inside": {"target": INNER, "calculator": "integrated_gradients"},
}


@pytest.mark.parametrize("name", SERVED)
def test_what_is_run_again_with_the_same_weights_is_right(name: str) -> None:
    found, plain = (explained(reentrant, **SERVED[name]) for reentrant in (False, None))
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_run_again_with_other_weights_is_refused(name: str) -> None:
    explained(None, **REFUSED[name])
    with pytest.raises(InputError, match="turn checkpointing off"):
        explained(False, **REFUSED[name])


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("settings", [{}, *REFUSED.values()])
def test_reentrant_checkpoints_give_no_gradient(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="checkpointing"):
        explained(True, **settings)
