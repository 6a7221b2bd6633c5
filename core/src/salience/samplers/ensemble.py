"""Ensembles: each draw takes the weights of one of several trained models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salience.errors import InputError, brief
from salience.model.state_dicts import State, states_like
from salience.samplers.base import ModelDraw, WeightDraw, WeightSampler


@dataclass(frozen=True)
class Ensemble(WeightSampler):
    """Draw d has the weights of member d (Lakshminarayanan et al., "Deep ensembles", 2017).

    There are as many draws as members. The prediction and the class that is explained come from the
    model that is explained; that model is a member only if its weights are among ``members``.

    Args:
        members: Two or more models, state dicts, or paths of files of state dicts (safetensors, or
            saved by torch), all of the architecture of the model that is explained.

    Raises:
        InputError: There are fewer than two members.
    """

    members: Sequence[Any] = field(metadata={"weights": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.members, Sequence) or isinstance(self.members, str):
            raise InputError(f"members is {brief(self.members)}; pass a list of two or more models")
        if len(self.members) < 2:
            raise InputError(
                f"an ensemble of {len(self.members)} shows no spread; pass two members or more"
            )

    @property
    def max_draws(self) -> int:  # type: ignore[override]
        """Number of members; each member is one draw."""
        return len(self.members)

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> WeightSampler:
        """Read the members' weights; refuse members of another architecture."""
        return replace(self, members=states_like(draw.model, self.members, "member"))

    def draw(self, state: State, draw: WeightDraw) -> State:
        """The weights of the member that has the number of the draw."""
        weights: State = self.members[draw.number]
        return weights
