"""A calculator that pools over the positions of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from salience import Attribution, Calculator, Score


# A frozen dataclass, whose fields are the parameters: the user writes "deviation:keep=[channel]".
@dataclass(frozen=True)
class Deviation(Calculator):
    """Gradient × deviation from the mean of the item, (x − x̄) · ∂f(x)/∂x.

    To first order, the values of an item sum to f(x) − f(x̄), where every position of x̄ holds the
    mean x̄ of the item over its real positions.

    Args:
        keep: Names of axes over which the mean is not taken, such as ``("channel",)`` where each
            channel has a mean of its own.
    """

    keep: Sequence[str] = ()

    @property
    def additive(self) -> bool:
        """The values of several positions add up to that of all of them together."""
        return True

    def __call__(self, score: Score, x: dict[str, Tensor]) -> Attribution:
        """Compute the saliency of all rows, which are dense, padded or ragged."""
        value, gradient = score.gradient(x)
        saliency = {}
        for name, values in x.items():
            # The view knows which positions belong to which row, and which are real.
            view = score.view(name)
            mean = view.spread(view.mean(values, keep=self.keep))
            saliency[name] = gradient[name] * (values - mean)
        return Attribution(saliency, value)
