"""The forward pass that predicted a batch, kept to spare a second one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from salience.model.probe import Values
from salience.shown import ShortRepr


@dataclass
class ReusablePass(ShortRepr):
    """Results of the forward pass that predicted a batch, kept to spare a second such pass.

    Args:
        scalars: f(x) of each item, shape (B,).
        leaves: Target variable → its values as a leaf of the graph of ``scalars``; empty without a
            graph.
        seconds: Duration of the pass.
        start: Target variable → its values. Where a calculator asks for f or the gradient at these
            very tensors, the result comes from this pass.
    """

    scalars: Tensor
    leaves: Values
    seconds: float
    start: Values

    def is_at(self, x: Values) -> bool:
        """Whether ``x`` holds the very tensors of :attr:`start`."""
        return all(x[name] is value for name, value in self.start.items())

    def take_graph(self) -> tuple[Tensor, Values]:
        """Return scalars and leaves, and drop the graph, which serves one backward pass only."""
        scalars, leaves = self.scalars, self.leaves
        self.scalars, self.leaves = scalars.detach(), {}
        return scalars, leaves
