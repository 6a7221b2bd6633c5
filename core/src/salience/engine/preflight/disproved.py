"""The error that ends a pass whose rows are not those of a pristine replica."""

from __future__ import annotations

from collections.abc import Sequence

from salience.data.batch import Batch
from salience.scoring.runner import FinishedPass, Runner


class DisprovedError(Exception):
    """Raised where rows of a pass differ from reference rows, or a pass fails that may not have to.

    Args:
        runner: Ran the pass.
        done: The pass; ``None`` where a prediction failed.
        rows: Indexes of the rows to compare; empty where any row serves.
        error: What the pass raised, or ``None``.
        batch: The batch whose prediction failed, or ``None``.
        draws: Whether the prediction draws what a parameter sampler may switch off.
    """

    def __init__(
        self,
        runner: Runner,
        done: FinishedPass | None,
        rows: Sequence[int] = (),
        *,
        error: Exception | None = None,
        batch: Batch | None = None,
        draws: bool = False,
    ) -> None:
        super().__init__("a pass of several rows is not to be believed")
        self.runner, self.done, self.rows = runner, done, tuple(rows)
        self.error, self.batch, self.draws = error, batch, draws
