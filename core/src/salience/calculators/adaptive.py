"""Integrals of the gradient over paths, at the same points of every row or at as many as it needs.

The rows are those of a group (see :meth:`salience.Score.groups`); the path of each goes from its
baseline ``at`` along ``step`` to x.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from salience.calculators.path import Path
from salience.calculators.quadrature import quadrature
from salience.model.probe import Values
from salience.scoring.score import Part, Score
from salience.support.numerics import at_least_float32

#: Gauss–Legendre points of every row in the first look.
FIRST_LOOK = 32
# The gradients of later looks are kept until the paths of a group of rows have converged. With 32
# more points each, the rows of a group take this many passes.
_PASSES_KEPT = 4


class Ends:
    """F at both ends of the paths of R rows, computed when it is first asked for.

    The gradients come first: rows are proven by the first pass, and at a baseline that all rows
    share none could be told from another.

    Args:
        rows: The rows.
        at: Target variable → where the path of each row starts.
        x: Target variable → where it stops.
    """

    def __init__(self, rows: Score, at: Values, x: Values) -> None:
        self._rows, self._at, self._x = rows, at, x

    @cached_property
    def start(self) -> Tensor:
        """F at the start of each path, shape (R,)."""
        # Noise does not change the baseline, which is thus the same in all draws of an item.
        return self._rows.value_of_items(self._at)

    @cached_property
    def stop(self) -> Tensor:
        """F at x, shape (R,)."""
        return self._rows.value(self._x)


@dataclass(frozen=True)
class Line:
    """The straight paths of R rows.

    Args:
        rows: The rows.
        at: Target variable → where the path of each row starts.
        step: Target variable → the way from there to x.
        ends: f at both ends, of the rows that were cut into groups.
        index: Index of each row among those, int64 of shape (R,); ``None`` if it is all of them.
    """

    rows: Score
    at: Values
    step: Values
    ends: Ends
    index: Tensor | None = None

    @property
    def start(self) -> Tensor:
        """F at the start of each path, shape (R,)."""
        return self.ends.start if self.index is None else self.ends.start[self.index]

    @property
    def stop(self) -> Tensor:
        """F at x, shape (R,)."""
        return self.ends.stop if self.index is None else self.ends.stop[self.index]

    def of(self, group: Part) -> Line:
        """The paths of a group of the rows."""
        index = group.selection.rows
        at, step = group.take(self.at), group.take(self.step)
        return Line(group.score, at, step, self.ends, index=index)

    def gradients(
        self, variants: int | Tensor, alphas: Tensor
    ) -> Iterator[tuple[Part, Tensor, Values]]:
        """F and its gradient at points of the paths, pass by pass.

        Args:
            variants: Number of points of each row: one number for all rows, or int64 of shape (R,).
            alphas: The points, shape (S,), or (R, S) where rows have their own.
        """
        for part in self.rows.split(variants):
            value, gradient = part.score.gradient(part.along(self.at, self.step, alphas))
            yield part, value, gradient


@dataclass(frozen=True)
class PointGradients:
    """Gradients at points of the paths, kept for the final weights of the points.

    Args:
        part: The pairs of a row and a point.
        gradient: Target variable → gradient at each pair.
        before: Number of points of each row before, int64 of shape (R,); ``None`` in the first
            look.
    """

    part: Part
    gradient: Values
    before: Tensor | None

    def add_to(self, total: Values, weights: Tensor) -> None:
        """Add the weighted gradients, in place, to the total of their rows.

        Args:
            total: Target variable → a total for all the rows.
            weights: Weight of each point: shape (S,) for those of the first look in every row, or
                (R, S) for all points of each row.
        """
        if self.before is not None:
            last = weights.shape[1] - 1
            columns = torch.arange(last + 1, device=weights.device) + self.before[:, None]
            weights = weights.gather(1, columns.clamp(max=last))
        self.part.add_to(total, self.gradient, weights)


def integral(line: Line, nodes: Tensor, weights: Tensor) -> tuple[Values, Tensor, Tensor]:
    """Integrate by a quadrature rule whose points all rows share.

    Args:
        line: The paths.
        nodes: The points, shape (S,).
        weights: Their weights, shape (S,).

    Returns:
        Three results: target variable → the integral of the gradient; the smallest and the largest
        f at the points of each row, shape (R,) each.
    """
    total = _nothing(line)
    low = high = nodes.new_empty(0)
    for part, value, gradient in line.gradients(len(nodes), nodes):
        part.add_to(total, gradient, weights)
        if not len(low):
            low = value.new_full((len(line.rows),), torch.inf)
            high = -low
        low.scatter_reduce_(0, part.selection.rows, value, "amin")
        high.scatter_reduce_(0, part.selection.rows, value, "amax")
    return total, low, high


def first_look(line: Line, looks: list[PointGradients] | None = None) -> tuple[Path, Values]:
    """Look at the points that all paths share, in the passes that a rule of 32 points takes.

    Args:
        line: The paths.
        looks: Where not ``None``, the gradients are appended to it.

    Returns:
        Two results: the points; target variable → the integral of the gradient by them.
    """
    nodes, weights = _first_rule(line)
    total = _nothing(line)
    values, slopes = nodes.new_zeros(2, len(line.rows), FIRST_LOOK)
    for part, gradient in _looked(line, FIRST_LOOK, nodes, values=values, slopes=slopes):
        part.add_to(total, gradient, weights)
        if looks is not None:
            looks.append(PointGradients(part, gradient, None))
    path = Path.without_points(line.start, line.stop, line.rows.eps)
    counts = torch.full_like(path.counts, FIRST_LOOK)
    return path.with_points(nodes.expand_as(values), values, slopes, counts), total


def find_points(
    line: Line, path: Path, rtol: float, max_points: int, looks: list[PointGradients] | None = None
) -> Path:
    """Look at further points of each path until the gaps of its segments are small enough.

    Args:
        line: The paths.
        path: The points so far.
        rtol: As for :meth:`Path.allowed`.
        max_points: Largest number of points of a row.
        looks: Where not ``None``, the gradients are appended to it.
    """
    alphas, counts = path.cuts(rtol, max_points)
    while counts.any():
        values, slopes = alphas.new_zeros(2, *alphas.shape)
        for part, gradient in _looked(line, counts, alphas, values=values, slopes=slopes):
            if looks is not None:
                looks.append(PointGradients(part, gradient, path.counts))
        path = path.with_points(alphas, values, slopes, counts)
        alphas, counts = path.cuts(rtol, max_points)
    return path


def adaptive_integral(line: Line, rtol: float, max_points: int) -> tuple[Values, Tensor, Tensor]:
    """Integrate over each path with as many points as it needs.

    The gradients of the first look are kept for all rows, those of later looks for a group of the
    rows that need them at a time. The first are 32 tensors of the size of the target variables for
    each row, where a pass of the same rows takes several for every layer.

    Args:
        line: The paths.
        rtol: As for :meth:`Path.allowed`.
        max_points: Largest number of points of a row.

    Returns:
        Three results: target variable → the integral of the gradient; whether each row has
        converged, bool of shape (R,); its number of points, int64 of shape (R,).
    """
    looks: list[PointGradients] = []
    path, total = first_look(line, looks)
    converged, n_points = path.converged(rtol), path.counts.clone()
    if bool(converged.all()):
        return total, converged, n_points
    own, first = _nothing(line), path.alphas.new_zeros(len(path.counts), FIRST_LOOK)
    for group in line.rows.groups((~converged).nonzero()[:, 0], FIRST_LOOK, _PASSES_KEPT):
        of_group, rows = line.of(group), group.selection.rows
        later: list[PointGradients] = []
        found = find_points(of_group, path.take(rows), rtol, max_points, later)
        weights, part = found.weights(), _nothing(of_group)
        for look in later:
            look.add_to(part, weights)
        group.add_to(own, part)
        first[rows] = weights[:, :FIRST_LOOK]
        converged[rows], n_points[rows] = found.converged(rtol), found.counts
    for look in looks:
        look.add_to(own, first)
    moved = n_points > FIRST_LOOK
    for name, value in total.items():
        own[name] = torch.where(line.rows.view(name).spread(moved), own[name], value)
    return own, converged, n_points


def integral_at(line: Line, path: Path) -> Values:
    """Integrate over each path at its own points, which were found on another path.

    Args:
        line: The paths.
        path: The points of each row.
    """
    nodes, weights = _first_rule(line)
    if bool((path.counts == FIRST_LOOK).all()):
        return integral(line, nodes, weights)[0]
    first = F.pad(weights, (0, path.alphas.shape[1] - FIRST_LOOK)).expand_as(path.alphas)
    own = torch.where((path.counts > FIRST_LOOK)[:, None], path.weights(), first)
    total = _nothing(line)
    for part, _, gradient in line.gradients(path.counts, path.alphas):
        part.add_to(total, gradient, own)
    return total


def _looked(
    line: Line, variants: int | Tensor, alphas: Tensor, *, values: Tensor, slopes: Tensor
) -> Iterator[tuple[Part, Values]]:
    """The gradient at points of the paths, pass by pass, as :meth:`Line.gradients` gives it.

    Args:
        line: The paths.
        variants: Number of points of each row.
        alphas: The points.
        values: Gets f at the points, shape (R, S).
        slopes: Gets df/dα at the points, shape (R, S).
    """
    for part, value, gradient in line.gradients(variants, alphas):
        pair = part.selection.rows, part.variant
        values[pair] = value.double()
        slopes[pair] = part.dot(gradient, line.step).double()
        yield part, gradient


def _first_rule(line: Line) -> tuple[Tensor, Tensor]:
    device = line.rows.rows.keys.device
    nodes, weights = quadrature("gauss_legendre", FIRST_LOOK)
    return nodes.to(device), weights.to(device)


def _nothing(line: Line) -> Values:
    """An integral of 0 for each target variable, in float32 at least."""
    return {name: torch.zeros_like(at_least_float32(v)) for name, v in line.step.items()}
