"""Sums over draws from which completeness is reported."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from salience.aggregators.moments import as_float64
from salience.engine.draws import Block


@dataclass
class CompletenessSums:
    """Sums, over the draws of each item of a batch, from which completeness is reported.

    Args:
        delta: Sum of f(x') − f(baseline) over the draws, with x' the point that noise moved x to,
            shape (B,).
        gap: Sum of |Σ saliency − (f(x') − f(baseline))| over the draws, shape (B,).
        draws: Number of draws so far, int64 of shape (B,).
        drawn: Whether anything was drawn for each item, bool of shape (B,).
        converged: Whether the integrals of all draws have converged, bool of shape (B,).
        n_points: Largest number of points of these integrals, int64 of shape (B,).
    """

    delta: Tensor
    gap: Tensor
    draws: Tensor
    drawn: Tensor
    converged: Tensor
    n_points: Tensor

    @staticmethod
    def of(score: Tensor) -> CompletenessSums:
        """Sums without any draw yet, for as many items as there are scores."""
        # A sum over many draws needs more digits than the dtype of a single draw has.
        nothing = as_float64(torch.zeros_like(score))
        none = nothing.long()
        return CompletenessSums(
            nothing,
            nothing.clone(),
            none,
            drawn=none != 0,
            converged=none == 0,
            n_points=none.clone(),
        )

    def add(self, block: Block, items: Tensor) -> None:
        """Add the draws of a block.

        Args:
            block: Draws of all or some of the items of the batch.
            items: Index in the predicted batch of each item of the block, int64.
        """
        delta, gap = as_float64(block.delta).sum(0), as_float64(block.gap).sum(0)
        if len(items) == len(self.delta):  # all of them, in order
            self.delta += delta
            self.gap += gap
            self.draws += len(block.delta)
        else:
            self.delta[items] += delta
            self.gap[items] += gap
            self.draws[items] += len(block.delta)
        self.drawn[items] |= block.drawn
        if block.converged is not None and block.n_points is not None:
            self.converged[items] &= block.converged.all(0)
            self.n_points[items] = block.n_points.amax(0).maximum(self.n_points[items])
