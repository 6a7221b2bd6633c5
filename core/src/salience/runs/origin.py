"""The origin of a model: the factory and the file of weights by which any process makes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from salience.errors import InputError
from salience.runs.loading import factory_of, load_model
from salience.support.files import write_whole


@dataclass(frozen=True)
class Origin:
    """Where a process gets the model from.

    Args:
        factory: ``"module:attribute"`` that makes the model.
        weights: A state dict that torch saved, whose pages all processes of a machine share.
    """

    factory: str
    weights: Path

    def model(self) -> nn.Module:
        """Make the model; its weights are mapped from the file.

        Raises:
            InputError: The factory raises, or makes another model.
        """
        model = load_model(self.factory, None)
        state = torch.load(self.weights, mmap=True, weights_only=True, map_location="cpu")
        try:
            model.load_state_dict(state, assign=True)
        except (RuntimeError, AttributeError) as error:
            raise InputError(
                f"{self.factory!r} makes another model than the one that was handed in; pass "
                f"salience.load_model({self.factory!r}) with the weights of this factory's model"
            ) from error
        made: nn.Module = model
        return made


def check_origin(model: Any) -> str:
    """The factory that makes a model.

    Raises:
        InputError: The model was made otherwise, so that another process cannot make it.
    """
    factory = factory_of(model)
    if factory is None:
        raise InputError(
            "another process cannot make this model again; pass "
            "model=salience.load_model('module:factory', weights), or executor='serial'"
        )
    return factory


def origin_of(model: Any, weights: Path) -> Origin:
    """Write the weights of a model, for the processes that make it again.

    Args:
        model: The model, which :func:`salience.load_model` made.
        weights: File that is written, unless it is there.

    Raises:
        InputError: As :func:`check_origin`.
    """
    factory = check_origin(model)
    if not weights.exists():
        write_whole(weights, lambda stream: torch.save(model.state_dict(), stream))
    return Origin(factory, weights)
