"""The colour scale of a picture: converts values to colours and makes the colour bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from salience import colors, number_words
from salience.scalers import Scaling, watched
from salience_molgraph.pictures.cell import Cell, Part, Values
from salience_molgraph.pictures.marks import Marks
from salience_molgraph.pictures.palette import Color, ColorFn, is_finite
from salience_molgraph.pictures.shapes import Gradient, Shape, Text, wrapped
from salience_molgraph.pictures.structure import ends_of

BondFn = Callable[[float, float], float]
#: Height of a colour bar with its ticks and one line of its label, in SVG units.
BAR = 58.0


def mean_of_ends(first: float, second: float) -> float:
    """Value of a bond as the mean of its two atoms' values, which keeps their sign."""
    return (first + second) / 2


@dataclass(frozen=True)
class Scale:
    """The colour scale of one or several molecules.

    Args:
        scaling: The scaling of the values.
        limit: Scaled magnitude at which a colour map reaches its ends; its middle is at 0.
        color_fn: Function from [-1, 1] to a colour.
        signed: Whether there are values below 0 to be shown.
        label: Text below the colour bar.
        clips: Whether there are values beyond the limit.
    """

    scaling: Scaling
    limit: float
    color_fn: ColorFn
    signed: bool
    label: str
    clips: bool = False

    def color(self, value: float) -> Color:
        """The colour of a scaled value; beyond the limit, that of the limit."""
        return self.color_fn(min(max(value / self.limit, -1.0), 1.0))

    def marks(self, cell: Cell, ratio: float, bond_fn: BondFn | None) -> Marks:
        """What is marked on a molecule, and in which colours.

        Args:
            cell: The molecule and its values.
            ratio: Share of the values to show: of n, the ⌈n·ratio⌉ of the largest magnitude.
            bond_fn: Value of a bond by those of its filled atoms, where only atoms have values.
        """
        part = cell.part
        shown = largest(part.values, ratio)
        scaled = self.scaling(part.values).astype(np.float64)
        atoms: dict[int, Color] = {}
        bonds: dict[int, Color] = {}
        for i in shown:
            if not part.uncertain[i]:
                color = self.color(float(scaled[i]))
                atoms |= dict.fromkeys(part.atoms[i], color)
                bonds |= dict.fromkeys(part.bonds[i], color)
        uncertain = [i for i in shown if part.uncertain[i]]
        open_atoms = frozenset(atom for i in uncertain for atom in part.atoms[i])
        open_bonds = frozenset(bond for i in uncertain for bond in part.bonds[i])
        shared = frozenset(_repeated([part.atoms[i] for i in shown]))
        for bond in (*_repeated([part.bonds[i] for i in shown]), *open_bonds):
            bonds.pop(bond, None)
        if cell.kind == "atoms" and bond_fn is not None:
            bonds = self._between(cell, scaled, atoms, bond_fn)
        elif cell.kind == "groups":
            bonds = self._inside(cell, shown, scaled, shared) | bonds
        return Marks(
            atoms={a: c for a, c in sorted(atoms.items()) if a not in shared},
            bonds=bonds,
            uncertain_atoms=open_atoms - shared,
            uncertain_bonds=open_bonds,
            shared_atoms=shared,
            edged=bool(part.tested.any()),
        )

    def bar(self, middle: float, top: float, room: float) -> list[Shape]:
        """Shapes of the colour bar with tick labels at its ends and at zero, and with its label.

        Args:
            middle: Horizontal position of the bar's centre.
            top: Vertical position of the upper edge.
            room: Available width.
        """
        width = min(240.0, 0.7 * room)
        left = middle - width / 2
        start = -1.0 if self.signed else 0.0
        stops = tuple(self.color_fn(float(v)) for v in np.linspace(start, 1, 65))
        end = number_words(self.limit)
        low, high = ("≤ −", "≥ +") if self.clips else ("−", "+")
        ticks = [(left, f"{low}{end}"), (middle, "0"), (left + width, f"{high}{end}")]
        if not self.signed:
            ticks = [(left, "0"), (left + width, f"≥ {end}" if self.clips else end)]
        return [
            Gradient(left, top + 8, width, height=10, colors=stops),
            *(Text(x, top + 31, tick, 11, color=colors.MUTED, kind="tick") for x, tick in ticks),
            *(
                Text(middle, top + 49 + 15 * i, line, 12, kind="label")
                for i, line in enumerate(self._label_lines(room))
            ),
        ]

    def bar_height(self, room: float) -> float:
        """Height of the colour bar in the available width."""
        return BAR + 15.0 * (len(self._label_lines(room)) - 1)

    def _label_lines(self, room: float) -> list[str]:
        return wrapped(self.label, 12, room)[:3] or [""]

    def _between(
        self, cell: Cell, scaled: Values, atoms: dict[int, Color], bond_fn: BondFn
    ) -> dict[int, Color]:
        """Colours of the bonds whose two atoms are both filled."""
        bond_fn = watched(bond_fn, "bond_fn", "a finite number", is_finite)
        found = {}
        for bond, (first, second) in enumerate(ends_of(cell.mol)):
            if first in atoms and second in atoms:
                value = bond_fn(float(scaled[first]), float(scaled[second]))
                found[bond] = self.color(value)
        return found

    def _inside(
        self, cell: Cell, shown: list[int], scaled: Values, shared: frozenset[int]
    ) -> dict[int, Color]:
        """Colours of the bonds between two atoms of one filled group."""
        part = cell.part
        owner = {a: i for i in shown for a in part.atoms[i] if a not in shared}
        taken = {bond for i in shown for bond in part.bonds[i]}
        found = {}
        for bond, (first, second) in enumerate(ends_of(cell.mol)):
            group = owner.get(first, -1)
            same = group >= 0 and group == owner.get(second, -1)
            if same and not part.uncertain[group] and bond not in taken:
                found[bond] = self.color(float(scaled[group]))
        return found


def largest(values: Values, ratio: float) -> list[int]:
    """Positions of the ⌈n·ratio⌉ values of the largest magnitude, in order."""
    # Without the tolerance, a rounding error such as 0.1 · 30 = 3.0000000000000004 would make
    # 4 atoms of 3.
    n_shown = int(np.ceil(len(values) * ratio - 1e-9))
    return sorted(np.argsort(-np.abs(values), kind="stable")[:n_shown].tolist())


def reach(scaling: Scaling, part: Part) -> float:
    """The largest scaled magnitude of the values; 0 where there are none."""
    return float(np.abs(scaling(part.values)).max(initial=0.0))


def _repeated(members: list[tuple[int, ...]]) -> set[int]:
    """What is in several groups."""
    seen: set[int] = set()
    repeated: set[int] = set()
    for group in members:
        repeated |= seen & set(group)
        seen |= set(group)
    return repeated
