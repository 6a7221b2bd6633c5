"""How the draws of a saliency depend on each other, which decides what their spread says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Design:
    """How draws hang together, and what the saliency made of them measures.

    Args:
        group: Number of consecutive draws that depend on each other: 2 for antithetic pairs, the
            number of draws of noise for each draw of the parameters where draws are nested, else 1.
        samples_parameters: Whether parameters of the model were drawn.
        shared_draws: Whether all items share the draws of the weights, so that the errors of the
            items may be fully correlated.
        signed: Whether the aggregator keeps the sign of the saliency.
        averages: Whether values are means over draws, so that draws spread by error · √M around
            them.
    """

    group: int = 1
    samples_parameters: bool = False
    shared_draws: bool = False
    signed: bool = False
    averages: bool = True

    @property
    def interval_of(self) -> str:
        """What intervals are about: ``"draw"`` where parameters were drawn, or ``"mean"``.

        Draws from the posterior of the parameters measure how uncertain the saliency is, so that a
        further draw is of interest; noise is averaged out, so that the mean over draws is.
        """
        return "draw" if self.samples_parameters and self.averages else "mean"
