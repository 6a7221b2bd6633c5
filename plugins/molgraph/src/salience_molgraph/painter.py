"""The colour scale of a picture: converts values to colours and makes the colour bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from salience.scalers import Scaler, Scaling, watched
from salience_molgraph.colors import Color, ColorFn, is_finite
from salience_molgraph.shapes import Gradient, Shape, Text, shorten

Values = NDArray[np.float64]
BondFn = Callable[[float, float], float]

_MEANINGS = {
    "abs_max": "saliency, largest magnitude = 1",
    "min_max": "saliency, from smallest to largest",
    "normalize": "saliency, magnitudes sum to 1",
    "identity": "saliency",
}


def mean_of_ends(first: float, second: float) -> float:
    """Value of a bond as the mean of its two atoms' values, which keeps their sign."""
    return (first + second) / 2


def meaning(scaler: str | Scaler) -> str:
    """Default label of the colour bar for a scaler."""
    return _MEANINGS.get(scaler, "saliency") if isinstance(scaler, str) else "saliency"


class Number(float):
    """A number that is formatted with a minus sign in place of a hyphen, and NaN as unknown."""

    def __format__(self, spec: str) -> str:
        if self != self:
            return "unknown"
        return super().__format__(spec).replace("-", "−")


@dataclass(frozen=True)
class Painter:
    """The colour scale of one picture.

    Args:
        scaling: The scaling of the values.
        limit: Scaled magnitude at which a colour map reaches its ends; its middle is at 0.
        color_fn: Function from [-1, 1] to a colour.
    """

    scaling: Scaling
    limit: float
    color_fn: ColorFn

    def atoms(self, values: Values, ratio: float) -> dict[int, Color]:
        """Index → colour of the ⌈n·ratio⌉ atoms of the largest magnitude."""
        # Without the tolerance, a rounding error such as 0.1 · 30 = 3.0000000000000004 would make
        # 4 atoms of 3.
        n_shown = int(np.ceil(len(values) * ratio - 1e-9))
        shown = np.argsort(-np.abs(values), kind="stable")[:n_shown].tolist()
        scaled = self.scaling(values)
        return {atom: self._color(float(scaled[atom])) for atom in sorted(shown)}

    def bonds(
        self, mol: Chem.Mol, values: Values, atoms: dict[int, Color], bond_fn: BondFn
    ) -> dict[int, Color]:
        """Index → colour of the bonds whose two atoms are both among ``atoms``."""
        scaled = self.scaling(values)
        bond_fn = watched(bond_fn, "bond_fn", "a finite number", is_finite)
        colors = {}
        for bond in mol.GetBonds():
            first, second = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            if first in atoms and second in atoms:
                value = bond_fn(float(scaled[first]), float(scaled[second]))
                colors[bond.GetIdx()] = self._color(value)
        return colors

    def bar(self, middle: float, top: float, room: float, label: str) -> list[Shape]:
        """Shapes of the colour bar with tick labels at its ends and at zero, and with its label.

        They are 56 SVG units high.

        Args:
            middle: Horizontal position of the bar's centre.
            top: Vertical position of the upper edge.
            room: Available width.
            label: Label below the bar.
        """
        width = min(240.0, 0.7 * room)
        left = middle - width / 2
        colors = tuple(self.color_fn(float(v)) for v in np.linspace(-1, 1, 65))
        end = f"{self.limit:.3g}"
        return [
            Gradient(left, top + 8, width, height=10, colors=colors),
            Text(left, top + 31, f"−{end}", 11, kind="tick"),
            Text(middle, top + 31, "0", 11, kind="tick"),
            Text(left + width, top + 31, f"+{end}", 11, kind="tick"),
            Text(middle, top + 50, shorten(label, 12, room), 12, kind="label"),
        ]

    def _color(self, value: float) -> Color:
        return self.color_fn(min(max(value / self.limit, -1.0), 1.0))
