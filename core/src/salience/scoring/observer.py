"""Who is shown the passes of a runner, such as the proof that rows may share a pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from salience.data.batch import Batch
from salience.model.probe import Values
from salience.scoring.rows import Rows

if TYPE_CHECKING:
    from salience.scoring.runner import Runner


@dataclass(frozen=True)
class FinishedPass:
    """A forward pass of some rows, and what came out of it.

    Args:
        kind: ``"gradient"`` or ``"value"``.
        rows: The rows.
        x: Target variable → its values in the rows.
        scalars: f(x) of each row, shape (R,).
        gradients: Target variable → gradient; empty for ``"value"``.
    """

    kind: str
    rows: Rows
    x: Values
    scalars: Tensor
    gradients: Values


class Observer(Protocol):
    """Is shown the passes of a runner, and raises where one is not to be believed."""

    def passed(self, runner: Runner, done: FinishedPass) -> None:
        """A pass has ended."""

    def failed(self, runner: Runner, begun: FinishedPass, error: Exception) -> None:
        """A pass has raised an error; ``begun`` holds no results. The error is raised afterwards.

        Args:
            runner: Ran the pass.
            begun: The pass, with f(x) and gradients of nothing.
            error: What was raised.
        """

    def failed_prediction(self, runner: Runner, batch: Batch, error: Exception) -> None:
        """The prediction of a batch has raised an error, which is raised afterwards."""

    def predicted(self, rows: Rows, prediction: Any) -> None:
        """A batch was predicted: its items, and the model's output."""

    def watching_draws(
        self, runner: Runner, again: Callable[[], Any]
    ) -> AbstractContextManager[Callable[[Any], None]]:
        """Around the prediction of a batch; gives a function that takes the model's output.

        Args:
            runner: Predicts the batch.
            again: Predicts the batch again, and returns the model's output.
        """
