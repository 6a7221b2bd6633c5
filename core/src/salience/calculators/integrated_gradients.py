"""Integrated gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.calculators.adaptive import (
    FIRST_LOOK,
    Ends,
    Line,
    adaptive_integral,
    find_points,
    first_look,
    integral,
    integral_at,
)
from salience.calculators.base import Attribution, Calculator
from salience.calculators.baselines import baseline_of, check_baseline
from salience.calculators.legendre import MAX_STEPS
from salience.calculators.path import Path, allowed_error
from salience.calculators.quadrature import RULES, quadrature
from salience.errors import InputError, brief
from salience.intake import choice
from salience.model.probe import Values
from salience.scoring.score import Score
from salience.support.notices import tell


@dataclass(frozen=True)
class IntegratedGradients(Calculator):
    """(x − b) · ∫₀¹ ∂f(b + α (x − b))/∂x dα (Sundararajan, Taly and Yan, 2017).

    The saliency of a row sums to f(x) − f(b), up to the error of the quadrature (completeness).

    With ``steps="auto"`` each row gets as many points as its path needs. The first look is at 32
    Gauss–Legendre points. They divide the path into segments, each with a gap of its own: the
    difference between the change of f, which is known at every point, and the integral of the slope
    by the trapezoidal rule. Where the gaps add up to at most
    ``rtol`` · max(|f(x) − f(b)|, range of f along the path / 10), the result is that of the 32
    points. Elsewhere the segments with the largest gaps are halved until they do, or ``max_steps``
    is reached. In the result, the two points of a segment then share it such that its integral of
    the slope is the change of f, as far as shares can do so. The networks of today have kinks, at
    which the error of any rule falls only as the length of the segments: there the points gather.
    With samplers, all the draws of an item have the points of the clean item.

    Args:
        steps: Number of path points S, or ``"auto"``.
        baseline: b: a number, a tensor, :class:`salience.PerItem`, :class:`salience.Mean`, or a
            mapping target variable → one of these.
        rule: ``"gauss_legendre"`` (exact for polynomials of degree 2 S − 1 in α),
            ``"trapezoid"`` (with both ends of the path, at half the weight) or ``"midpoint"``.
        rtol: Largest error of the integral over the path, relative to the change of f. With a
            number of steps, the error is the completeness gap.
        max_steps: Largest number of points of a row, for ``steps="auto"``.
        multiply_by_inputs: Whether to multiply by x − b. Without, the saliency is the mean gradient
            along the path, which does not sum to a change of f.

    Raises:
        InputError: The rule is unknown, ``steps`` is too small for the rule, ``steps="auto"`` comes
            with another rule or with ``max_steps`` below 32, or ``rtol`` is not positive.
    """

    steps: int | str = "auto"
    baseline: Any = 0.0
    rule: str = "gauss_legendre"
    rtol: float = 0.05
    max_steps: int = 256
    multiply_by_inputs: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.rule, "rule", RULES)
        if self.rtol <= 0:
            raise InputError(f"rtol={self.rtol!r}; pass a positive number, such as 0.05")
        if self.steps != "auto":
            fewest = 2 if self.rule == "trapezoid" else 1
            if type(self.steps) is not int or not fewest <= self.steps <= MAX_STEPS:
                raise InputError(
                    f"steps={brief(self.steps)}; {self.rule} needs a whole number from {fewest} to "
                    f"{MAX_STEPS}, or pass steps='auto'"
                )
            return
        if self.rule != "gauss_legendre":
            raise InputError(
                f"rule={self.rule!r} needs a number of steps; steps='auto' begins with points of "
                f"gauss_legendre"
            )
        if type(self.max_steps) is not int or not FIRST_LOOK <= self.max_steps <= MAX_STEPS:
            raise InputError(
                f"max_steps={brief(self.max_steps)}; steps='auto' needs a whole number from "
                f"{FIRST_LOOK} to {MAX_STEPS}"
            )

    @property
    def additive(self) -> bool:
        """Whether the values are parts of a change of f, which the mean gradient is not."""
        return self.multiply_by_inputs

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError where a :class:`PerItem` baseline does not hold one value per item."""
        check_baseline(self.baseline, n_items, more)

    def settle(self, clean: Callable[[], tuple[Score, Values]]) -> Calculator:
        """Find the points of the clean items, which are those of all their draws."""
        if self.steps != "auto":
            return self
        line = self._line(*clean())
        path, _ = first_look(line)
        settled = _AtPoints(self, find_points(line, path, self.rtol, self.max_steps))
        self._tell(settled.path.converged(self.rtol))
        return settled

    def __call__(self, score: Score, x: Values) -> Attribution:
        """Integrate the gradients at the path points of all rows, in passes within the budget."""
        line = self._line(score, x)
        if self.steps != "auto":
            found, good = self._integrated(line)
            self._tell(good)
            n_points = torch.full_like(good, int(self.steps), dtype=torch.int64)
            return self.attribution(line, found, good, n_points)
        total, good, n_points = adaptive_integral(line, self.rtol, self.max_steps)
        self._tell(good)
        return self.attribution(line, total, good, n_points)

    def attribution(
        self, line: Line, total: Values, converged: Tensor, n_points: Tensor
    ) -> Attribution:
        """The saliency of rows whose integrals are known.

        Args:
            line: The paths of the rows.
            total: Target variable → integral of the gradient over the path.
            converged: Whether the integral of each row has converged.
            n_points: Number of points of each row.
        """
        if not self.multiply_by_inputs:
            return Attribution(total, line.stop, converged=converged, n_points=n_points)
        saliency = {name: line.step[name] * value for name, value in total.items()}
        return Attribution(saliency, line.stop, line.start, converged=converged, n_points=n_points)

    def _line(self, score: Score, x: Values) -> Line:
        base = baseline_of(self.baseline, score, x)
        step = {name: x[name] - base[name] for name in x}
        return Line(score, base, step, Ends(score, base, x))

    def _integrated(self, line: Line) -> tuple[Values, Tensor]:
        """The integral over the path of each row by a fixed rule, and whether it has converged."""
        assert isinstance(self.steps, int)
        device = line.rows.rows.keys.device
        nodes, weights = (t.to(device) for t in quadrature(self.rule, self.steps))
        total, low, high = integral(line, nodes, weights)
        sums = [line.rows.view(n).sum(line.step[n] * v).flatten() for n, v in total.items()]
        gap = (torch.stack(sums).sum(0) - (line.stop - line.start)).abs()
        rounding = self.steps * line.rows.eps * torch.maximum(high.abs(), low.abs())
        good = gap <= allowed_error(line.start, line.stop, (low, high), self.rtol) + rounding
        return total, good

    def _tell(self, converged: Tensor) -> None:
        """Tell the user where an integral has not converged."""
        if bool(converged.all()):
            return
        if self.steps == "auto":
            tell(
                f"the path integral of integrated gradients has not converged to rtol={self.rtol} "
                f"with max_steps={self.max_steps} points for some items; see `converged` of the "
                f"explanation, and pass more max_steps or a baseline nearer to the data"
            )
        else:
            tell(
                f"the path integral of integrated gradients misses f(x) − f(baseline) by more than "
                f"rtol={self.rtol} of it with steps={self.steps} for some items; see `converged` "
                f"of the explanation, and pass steps='auto' or more steps"
            )


@dataclass(frozen=True)
class _AtPoints(Calculator):
    """Integrated gradients at the points of the clean items.

    Args:
        method: The calculator that found the points.
        path: The path of each item of the batch.
    """

    method: IntegratedGradients
    path: Path

    def __call__(self, score: Score, x: Values) -> Attribution:
        """Integrate over the path of each row at the points of its item."""
        line = self.method._line(score, x)
        path = self.path.take(score.rows.items)
        total = integral_at(line, path)
        return self.method.attribution(line, total, path.converged(self.method.rtol), path.counts)
