"""The plot of molecules: atoms and bonds coloured by saliency, centred at zero."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from salience import InputError, Visualizer
from salience.errors import brief
from salience.scalers import Scaler, get_scaler
from salience_molgraph.cell import Cell, legend_of, read_cell
from salience_molgraph.colors import ColorFn, get_color_fn
from salience_molgraph.drawing import Drawing
from salience_molgraph.painter import BondFn, Painter, Values, mean_of_ends, meaning
from salience_molgraph.rings import key
from salience_molgraph.shapes import Rule, Shape, Text, shorten
from salience_molgraph.structure import Structure, flatten

if TYPE_CHECKING:
    from salience import Explanation

_PAD = 10.0
_TITLE = 30.0
_LEGEND = 26.0
_BAR = 62.0


@dataclass(frozen=True)
class MoleculePlot(Visualizer):
    """A molecule whose atoms and bonds are coloured by saliency, with the colours centred at zero.

    The molecule is drawn from a copy of the object that was explained, in its own atom order.
    2-D coordinates are kept; where coordinates are 3-D or absent, 2-D coordinates are computed.

    Where there are several draws and the aggregator keeps signs, as "raw" does, each atom is tested
    by :meth:`salience.Explanation.significant`. An atom that is not significant is drawn as a ring
    in its colour, white inside, and its bonds are uncoloured; a key below the colour bar explains
    the rings. Rings are used since a lighter colour could be mistaken for a smaller value. For a
    single draw, or saliency without signs, all atoms are filled, since there is nothing to test: a
    single draw has no standard error, and magnitudes are above 0 even for an atom without effect.

    Args:
        color_fn: ``"blue_vermilion"``, ``"bwr"``, ``"RdBu_r"``, ``"PuOr_r"``, or a function from
            [-1, 1] to red, green and blue in [0, 1].
        scaler: Name or function, applied to all values of a picture at once. The middle of the
            colour map is at the scaled value 0, its ends are at ``limit``.
        ratio: Share of atoms to highlight: of n atoms, the ⌈n·ratio⌉ of the largest magnitude (the
            first ones where magnitudes are equal). A bond is highlighted where both of its atoms
            are highlighted as filled circles.
        bond_fn: Function from the scaled values of a bond's two atoms to the value of the bond;
            ``None`` leaves bonds uncoloured.
        legend: Template of the text at each molecule, with ``{name}`` (title or SMILES), ``{id}``
            and ``{score}`` (the output variable, as in ``{score:.2f}``); no text where empty.
        label: Label of the colour bar; where ``None``, a description of the scaler.
        color_bar: Whether to draw the colour bar, and the key of the rings below it.
        limit: Scaled magnitude at the ends of the colour map; the largest magnitude of the picture
            where ``None``.
        size: Width and height of a molecule's box in SVG units (1/96 inch).
        atom_indices: Whether to write the index of each atom beside it.
        resolution: Pixels per SVG unit in the PNG.
        variable: Name of the target variable to draw, where several were explained.
        level: False discovery rate, between 0 and 1, at which an atom is significant; ``None``
            draws all atoms filled.

    Raises:
        InputError: A parameter is unknown or out of range.
    """

    formats: ClassVar[Collection[str]] = ("svg", "png")

    color_fn: str | ColorFn = "blue_vermilion"
    scaler: str | Scaler = "abs_max"
    ratio: float = 1.0
    bond_fn: BondFn | None = mean_of_ends
    legend: str = "{name}"
    label: str | None = None
    color_bar: bool = True
    limit: float | None = None
    size: tuple[int, int] = (300, 210)
    atom_indices: bool = False
    resolution: float = 2.0
    variable: str | None = None
    level: float | None = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        get_color_fn(self.color_fn)
        get_scaler(self.scaler)
        if self.bond_fn is not None and not callable(self.bond_fn):
            raise InputError(
                f"bond_fn is {brief(self.bond_fn)}; pass a function of two values, or None"
            )
        if not 0 <= self.ratio <= 1:
            raise InputError(f"ratio={self.ratio} is not a share of atoms; pass 0 to 1")
        if self.limit is not None and not self.limit > 0:
            raise InputError(f"limit={self.limit} is not above 0; pass a positive number or None")
        size = self.size if isinstance(self.size, list | tuple) else ()
        plain = all(isinstance(n, Real) and 40 <= n < float("inf") for n in size)
        if len(size) != 2 or not plain:
            raise InputError(f"size={brief(self.size)}; pass (width, height), each from 40 on")
        if not self.resolution > 0:
            raise InputError(f"resolution={self.resolution} is not above 0; pass 2 for sharp PNGs")
        if self.level is not None and not 0 < self.level < 1:
            raise InputError(
                f"level={self.level} is no false discovery rate; pass one between 0 and 1, such as "
                f"0.05, or None to fill all atoms"
            )

    def item(self, explanation: Explanation, item: int) -> Drawing:
        """Draw one molecule, its legend and the colour bar."""
        cell = self._read(explanation, item)
        paint = self._painter(cell.values)
        width, height = (float(v) for v in self.size)
        shapes: list[Shape] = [self._structure(paint, cell, _PAD, _PAD, item)]
        bottom = height + _PAD
        legend = legend_of(self.legend, explanation, item, cell.mol)
        if legend:
            text = shorten(legend, 13, width)
            shapes.append(Text(_PAD + width / 2, bottom + 17, text))
            bottom += _LEGEND
        if self.color_bar:
            label = meaning(self.scaler) if self.label is None else self.label
            shapes += paint.bar(_PAD + width / 2, bottom, width, label)
            bottom += _BAR
            if self.level is not None and cell.hollow is not None:
                shown, high = key(_PAD + width / 2, bottom, width, self.level, ())
                shapes += shown
                bottom += high
        title = f"Saliency of {legend or f'item {item}'}"
        return Drawing(width + 2 * _PAD, bottom + _PAD, tuple(shapes), title, self.resolution)

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Drawing:
        """Draw molecules (rows) × explanations (columns) on one scale with one colour bar."""
        cells = {(r, t): self._read(e, r) for t, e in explanations.items() for r in items}
        paint = self._painter(np.concatenate([cell.values for cell in cells.values()]))
        width, height = (float(v) for v in self.size)
        step = width + _PAD
        total = step * len(explanations) + _PAD
        shapes: list[Shape] = [
            Text(
                _PAD + c * step + width / 2,
                _PAD + 18,
                shorten(t, 16, width),
                16,
                color="#000000",
                kind="title",
            )
            for c, t in enumerate(explanations)
        ]
        top = _PAD + _TITLE
        first = next(iter(explanations))
        for item in items:
            shapes.append(Rule(_PAD, top, total - _PAD, top))
            legend = legend_of(self.legend, explanations[first], item, cells[item, first].mol)
            if legend:
                text = shorten(legend, 13, total - 2 * _PAD)
                shapes.append(Text(_PAD, top + 19, text, anchor="start"))
                top += _LEGEND
            for c, t in enumerate(explanations):
                left = _PAD + c * step
                shapes.append(self._structure(paint, cells[item, t], left, top + 1, item, t))
            top += height + 2
        if self.color_bar:
            label = meaning(self.scaler) if self.label is None else self.label
            shapes.append(Rule(_PAD, top, total - _PAD, top))
            shapes += paint.bar(total / 2, top + 6, total - 2 * _PAD, label)
            top += _BAR + 6
            untested = [t for t in explanations if any(cells[i, t].hollow is None for i in items)]
            if self.level is not None and any(cell.hollow is not None for cell in cells.values()):
                shown, high = key(total / 2, top, total - 2 * _PAD, self.level, untested)
                shapes += shown
                top += high
        title = f"Saliency of {len(items)} molecules by {', '.join(explanations)}"
        return Drawing(total, top + _PAD, tuple(shapes), title, self.resolution)

    def _read(self, explanation: Explanation, item: int) -> Cell:
        return read_cell(explanation, item, self.variable, self.level)

    def _painter(self, values: Values) -> Painter:
        scaling = get_scaler(self.scaler)(values)
        limit = self.limit or float(np.abs(scaling(values)).max()) or 1.0
        return Painter(scaling, limit, get_color_fn(self.color_fn))

    def _structure(
        self, paint: Painter, cell: Cell, x: float, y: float, item: int, column: str = ""
    ) -> Structure:
        """The shape of a molecule in a box whose upper left corner is at (x, y)."""
        mol, values = cell.mol, cell.values
        atoms = paint.atoms(values, self.ratio)
        hollow = (cell.hollow or frozenset()) & atoms.keys()
        filled = {atom: color for atom, color in atoms.items() if atom not in hollow}
        bonds = {} if self.bond_fn is None else paint.bonds(mol, values, filled, self.bond_fn)
        return Structure(
            x,
            y,
            *self.size,
            flatten(mol),
            atoms,
            bonds,
            hollow,
            item,
            column,
            self.atom_indices,
        )
