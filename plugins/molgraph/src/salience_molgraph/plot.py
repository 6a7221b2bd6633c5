"""Pictures of molecules: what raises the output is warm, what lowers it is blue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from salience.errors import InputError
from salience.scalers import Scaler, Scaling, get_scaler
from salience.visualizer import Visualizer
from salience_molgraph.colors import ColorFn, get_color_fn
from salience_molgraph.drawing import Drawing
from salience_molgraph.shapes import Gradient, Rule, Shape, Structure, Text, shorten

if TYPE_CHECKING:
    from salience.explanation import Explanation

Values = NDArray[np.float64]

_PAD = 10.0
_TITLE = 30.0
_LEGEND = 26.0
_BAR = 62.0
_SCALED = {
    "abs_max": "saliency, largest magnitude = 1",
    "min_max": "saliency, from smallest to largest",
    "normalize": "saliency, magnitudes sum to 1",
    "identity": "saliency",
}


def mean_of_ends(first: float, second: float) -> float:
    """The value of a bond: the mean of its two atoms, so that it has a sign as they do."""
    return (first + second) / 2


@dataclass(frozen=True)
class MoleculePlot(Visualizer):
    """A molecule whose atoms and bonds are coloured by saliency on both sides of zero.

    The molecule is drawn from a copy of the very object that was explained, in its own atom order.
    Coordinates in two dimensions are kept; from three dimensions, or none, a flat drawing is made.

    Args:
        color_fn: ``"blue_vermilion"``, ``"bwr"``, ``"RdBu_r"``, ``"PuOr_r"``, or a function from
            [-1, 1] to red, green and blue in [0, 1].
        scaler: Name or function; applied to all the values of a picture at once. Colours are
            centred at 0 of the scaled values and reach as far as their largest magnitude.
        ratio: Share of atoms to highlight. Of n atoms, those ⌈n·ratio⌉ of the largest magnitude
            are (the first ones where magnitudes are equal): all at 1, none at 0. A bond is
            highlighted where both of its atoms are.
        bond_fn: The value of a bond from those of its two atoms; ``None`` leaves bonds uncoloured.
        legend: What is written at each molecule, with ``{name}`` (title or SMILES), ``{id}`` and
            ``{score}`` (the output variable, as in ``{score:.2f}``) filled in; empty for nothing.
        label: What is written at the colour bar; the scaler's meaning where ``None``.
        color_bar: Whether to draw the colour bar.
        limit: Scaled value at which colours are full; the picture's own largest where ``None``.
        size: Width and height of a molecule's box in SVG units (1/96 inch).
        atom_indices: Whether to write the number of each atom beside it.
        resolution: Pixels per unit of the PNG.
        variable: Which target variable to draw, where several were explained.

    Raises:
        InputError: A parameter is unknown or out of range.
    """

    color_fn: str | ColorFn = "blue_vermilion"
    scaler: str | Scaler = "abs_max"
    ratio: float = 1.0
    bond_fn: Callable[[float, float], float] | None = mean_of_ends
    legend: str = "{name}"
    label: str | None = None
    color_bar: bool = True
    limit: float | None = None
    size: tuple[int, int] = (300, 210)
    atom_indices: bool = False
    resolution: float = 2.0
    variable: str | None = None

    def __post_init__(self) -> None:
        get_color_fn(self.color_fn)
        get_scaler(self.scaler)
        if not 0 <= self.ratio <= 1:
            raise InputError(f"ratio={self.ratio} is not a share of atoms; pass 0 to 1")
        if self.limit is not None and not self.limit > 0:
            raise InputError(f"limit={self.limit} is not above 0; pass a positive number or None")
        if len(self.size) != 2 or min(self.size) < 40:
            raise InputError(f"size={self.size} is too small; pass (width, height) from 40 on")
        if not self.resolution > 0:
            raise InputError(f"resolution={self.resolution} is not above 0; pass 2 for sharp PNGs")

    def item(self, explanation: Explanation, item: int) -> Drawing:
        """One molecule, its legend and the colour bar."""
        mol, values = self._read(explanation, item)
        paint = self._painter(values)
        width, height = (float(v) for v in self.size)
        shapes: list[Shape] = [paint.structure(mol, values, _PAD, _PAD, item)]
        bottom = height + _PAD
        legend = self._legend(explanation, item, mol)
        if legend:
            text = shorten(legend, 13, width)
            shapes.append(Text(_PAD + width / 2, bottom + 17, text))
            bottom += _LEGEND
        if self.color_bar:
            shapes += paint.bar(_PAD + width / 2, bottom, width)
            bottom += _BAR
        title = f"Saliency of {legend or f'item {item}'}"
        return Drawing(width + 2 * _PAD, bottom + _PAD, tuple(shapes), title, self.resolution)

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Drawing:
        """Molecules (rows) × explanations (columns) on one scale with one colour bar."""
        cells = {(r, t): self._read(e, r) for t, e in explanations.items() for r in items}
        paint = self._painter(np.concatenate([values for _, values in cells.values()]))
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
            legend = self._legend(explanations[first], item, cells[item, first][0])
            if legend:
                text = shorten(legend, 13, total - 2 * _PAD)
                shapes.append(Text(_PAD, top + 19, text, anchor="start"))
                top += _LEGEND
            for c, t in enumerate(explanations):
                mol, values = cells[item, t]
                left = _PAD + c * step
                shapes.append(paint.structure(mol, values, left, top + 1, item, t))
            top += height + 2
        if self.color_bar:
            shapes.append(Rule(_PAD, top, total - _PAD, top))
            shapes += paint.bar(total / 2, top + 6, total - 2 * _PAD)
            top += _BAR + 6
        title = f"Saliency of {len(items)} molecules by {', '.join(explanations)}"
        return Drawing(total, top + _PAD, tuple(shapes), title, self.resolution)

    def _read(self, explanation: Explanation, item: int) -> tuple[Chem.Mol, Values]:
        """The molecule of an item and the value of each of its atoms, float64 of shape (n,)."""
        mol = explanation.annotations[item].get("mol") if explanation.annotations else None
        if mol is None:
            raise InputError(
                f"item {item} carries no molecule to draw; explain SMILES or RDKit molecules, or "
                f"give each PyG Data a smiles whose atoms are in its own order"
            )
        chosen = explanation.only if self.variable is None else explanation[self.variable]
        values = chosen.values[item].detach().cpu().double().numpy()
        if values.shape != (mol.GetNumAtoms(),):
            raise InputError(
                f"the saliency of item {item} has shape {values.shape}, expected one value for "
                f"each of its {mol.GetNumAtoms()} atoms; explain a variable of atoms"
            )
        if not np.isfinite(values).all():
            raise InputError(f"the saliency of item {item} holds NaN or infinity, which no colour "
                             f"can show; look for overflow in the model")  # fmt: skip
        return mol, values

    def _legend(self, explanation: Explanation, item: int, mol: Chem.Mol) -> str:
        name = explanation.annotations[item].get("name") or Chem.MolToSmiles(Chem.Mol(mol))
        score = _Number(explanation.score[item])
        try:
            return self.legend.format(name=name, id=explanation.ids[item], score=score)
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(
                f"cannot fill in the legend {self.legend!r}: {error!r}; "
                f"use {{name}}, {{id}} and {{score:.2f}} only"
            ) from error

    def _painter(self, values: Values) -> _Painter:
        scaling = get_scaler(self.scaler)(values)
        limit = self.limit or float(np.abs(scaling(values)).max()) or 1.0
        return _Painter(self, scaling, limit, get_color_fn(self.color_fn))


@dataclass(frozen=True)
class _Painter:
    """One picture's scale: turns values into colours."""

    plot: MoleculePlot
    scaling: Scaling
    limit: float
    color_fn: ColorFn

    def structure(
        self, mol: Chem.Mol, values: Values, x: float, y: float, item: int, column: str = ""
    ) -> Structure:
        """The molecule in a box with its upper left corner at (x, y)."""
        scaled = self.scaling(values)
        # The small number keeps 0.1 · 30 = 3.0000000000000004 from becoming 4 atoms.
        n_shown = int(np.ceil(len(values) * self.plot.ratio - 1e-9))
        shown = np.argsort(-np.abs(values), kind="stable")[:n_shown].tolist()
        atoms = {atom: self._color(float(scaled[atom])) for atom in sorted(shown)}
        bonds: dict[int, Any] = {}
        if self.plot.bond_fn is not None:
            for bond in mol.GetBonds():
                first, second = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
                if first in atoms and second in atoms:
                    value = self.plot.bond_fn(float(scaled[first]), float(scaled[second]))
                    bonds[bond.GetIdx()] = self._color(value)
        width, height = self.plot.size
        flat = _flatten(mol)
        indices = self.plot.atom_indices
        return Structure(x, y, width, height, flat, atoms, bonds, item, column, indices)

    def bar(self, middle: float, top: float, room: float) -> list[Shape]:
        """The colour bar with its ends, zero and label."""
        width = min(240.0, 0.7 * room)
        left = middle - width / 2
        colors = tuple(self.color_fn(float(v)) for v in np.linspace(-1, 1, 65))
        end = f"{self.limit:.3g}"
        scaler = self.plot.scaler
        label = self.plot.label
        if label is None:
            label = _SCALED.get(scaler, "saliency") if isinstance(scaler, str) else "saliency"
        return [
            Gradient(left, top + 8, width, 10, colors),
            Text(left, top + 31, f"−{end}", 11, kind="tick"),
            Text(middle, top + 31, "0", 11, kind="tick"),
            Text(left + width, top + 31, f"+{end}", 11, kind="tick"),
            Text(middle, top + 50, shorten(label, 12, room), 12, kind="label"),
        ]

    def _color(self, value: float) -> tuple[float, float, float]:
        return self.color_fn(min(max(value / self.limit, -1.0), 1.0))


class _Number(float):
    """Formats with a minus sign in the place of a hyphen."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).replace("-", "−")


def _flatten(mol: Chem.Mol) -> Chem.Mol:
    """A copy with coordinates in the plane, ready to be drawn; atoms and bonds keep their order."""
    copy = Chem.Mol(mol)
    copy.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(copy)
    if not _is_flat(copy):
        copy.RemoveAllConformers()
        rdDepictor.Compute2DCoords(copy)
    try:
        return rdMolDraw2D.PrepareMolForDrawing(copy, kekulize=True, addChiralHs=False)
    except Chem.KekulizeException:  # an aromatic ring that has no Kekulé form is drawn dashed
        return rdMolDraw2D.PrepareMolForDrawing(copy, kekulize=False, addChiralHs=False)


def _is_flat(mol: Chem.Mol) -> bool:
    if mol.GetNumConformers() == 0 or mol.GetConformer().Is3D():
        return False
    places = mol.GetConformer().GetPositions()
    return mol.GetNumAtoms() == 1 or bool(np.ptp(places, axis=0).max() > 0)
