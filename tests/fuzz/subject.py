"""What is explained: small models and their data, and a slow reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from salience import Explainer, Explanation, Tensors

N_ITEMS, WIDTH, CLASSES = 4, 3, 3


@cache
def network() -> nn.Sequential:
    """A smooth network in double precision, with dropout."""
    torch.manual_seed(3)
    made = nn.Sequential(nn.Linear(WIDTH, 5), nn.Tanh(), nn.Dropout(0.3), nn.Linear(5, CLASSES))
    return made.double().eval()


@cache
def rows() -> Tensor:
    """Items, float64 of shape (4, 3)."""
    return torch.randn(N_ITEMS, WIDTH, generator=torch.Generator().manual_seed(7)).double()


def explainer(**settings: Any) -> Explainer:
    chosen = {"domain": Tensors()} | settings
    return Explainer(network(), **chosen)


def told(found: Explanation) -> dict[str, Any]:
    """What an explanation says, as names and numbers."""
    return {
        "ids": list(found.ids),
        "variables": list(found.saliency),
        "values": [s.flat for s in found.saliency.values()],
        "errors": [s.flat_error for s in found.saliency.values()],
        "score": found.score,
        "delta": found.delta,
        "n_independent": found.n_independent,
    }


# --- The slow reference --------------------------------------------------------------------------


def predicted(output: Tensor, item: Tensor) -> Tensor:
    """The score of the class that is predicted for an item, at a point of shape (3,)."""
    return output[int(network()(item[None])[0].argmax())]


def slow(
    name: str,
    x: Tensor,
    settings: dict[str, Any],
    read: Callable[[Tensor, Tensor], Tensor] = predicted,
) -> Tensor:
    """Saliency of one item of shape (3,) by the equation of the calculator."""

    def f(point: Tensor) -> Tensor:
        return read(network()(point[None])[0], x)

    def gradient(point: Tensor) -> Tensor:
        point = point.detach().clone().requires_grad_(True)
        f(point).backward()
        assert point.grad is not None
        return point.grad

    if name == "gradient":
        found = gradient(x)
        return found * x if settings.get("multiply_by_input") else found
    if name == "integrated_gradients":
        base = torch.as_tensor(settings.get("baseline", 0.0), dtype=x.dtype).expand(x.shape)
        nodes, weights = _quadrature(settings.get("rule", "gauss_legendre"), settings["steps"])
        total = sum(
            w * gradient(base + a * (x - base)) for a, w in zip(nodes, weights, strict=True)
        )
        return (x - base) * total if settings.get("multiply_by_inputs", True) else total
    assert name == "occlusion"
    window, step = settings.get("window", 1), settings.get("stride")
    step = max(1, window // 2) if step is None else step
    fill = torch.as_tensor(settings.get("value", 0.0), dtype=x.dtype).expand(x.shape)
    starts = [*range(0, max(0, len(x) - window), step), max(0, len(x) - window)]
    total, cover = torch.zeros_like(x), torch.zeros_like(x)
    for start in starts:
        at = torch.zeros(len(x), dtype=torch.bool)
        at[start : start + window] = True
        total += at * (f(x) - f(torch.where(at, fill, x))).detach()
        cover += at
    return total / cover


def _quadrature(rule: str, steps: int) -> tuple[Any, Any]:
    if rule == "gauss_legendre":
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        return (nodes + 1) / 2, weights / 2
    if rule == "trapezoid":
        weights = np.full(steps, 1 / (steps - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, steps), weights
    return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)


def aggregated(name: str, draws: Tensor, settings: dict[str, Any]) -> Tensor:
    """Draws of shape (M, …) aggregated by the equation."""
    if name == "raw":
        return draws.mean(0)
    if name == "abs":
        return draws.abs().mean(0)
    if name == "square":
        return draws.square().mean(0)
    if name == "sign":
        return draws.sign().mean(0)
    if name == "quantile":
        return draws.quantile(float(settings.get("q", 0.5)), 0)
    if name == "variance":
        return draws.var(0)
    if name == "mean_plus_std":
        return draws.mean(0) + settings.get("factor", 1.0) * draws.std(0)
    assert name == "signal_to_noise"
    return draws.mean(0) / draws.std(0)
