"""The shape of a molecule, drawn by RDKit from a 2-D copy in the molecule's own atom order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D
from rdkit.Geometry import Point2D, Point3D

from salience import colors
from salience_molgraph.pictures.marks import Band, Disc, Marks, shapes
from salience_molgraph.pictures.palette import to_hex
from salience_molgraph.pictures.shapes import FONT, xml_text

#: SVG units per ångström of the 2-D coordinates, unless the molecule is too large for its box.
BOND_SCALE = 28.0
#: Length in ångström that RDKit gives to bonds when it computes 2-D coordinates.
_BOND = 1.5
#: Atoms that are nearer to each other than this share of a bond lie on each other.
_APART = 0.1
#: Margin around the outermost atoms in ångström, at the sides and above and below, in which the
#: letters of the labels have room.
_MARGIN = (1.05, 0.75)
#: Discs on which black letters have less contrast than this get letters with a white edge.
_READABLE = 4.5
_HALO = 2.2
_SMOOTH = 3
_LETTER = re.compile(r"<path class='(?:atom-(\d+)|note)' d='([^']+)' fill='#000000'/>")
_NUMBER = re.compile(r"[MLQ]|-?[\d.]+")


@dataclass(frozen=True)
class Structure:
    """A molecule in a box, with some of its atoms and bonds marked.

    Args:
        x: Left edge of the box.
        y: Upper edge of the box.
        size: Width and height of the box.
        mol: A copy with 2-D coordinates, prepared by :func:`flatten`.
        marks: What is marked, by the molecule's atom and bond indices.
        scale: SVG units an ångström, unless the molecule is then too large for its box.
        item: Index of the molecule in its data set.
        column: Title of the explanation; empty outside a grid.
        notes: Text beside an atom, by its index.
    """

    x: float
    y: float
    size: tuple[float, float]
    mol: Chem.Mol
    marks: Marks = field(default_factory=Marks)
    scale: float = BOND_SCALE
    item: int = 0
    column: str = ""
    notes: Mapping[int, str] = field(default_factory=dict)

    def svg(self) -> str:
        """Return a group of the marks (classes ``atom-i``, ``bond-j``) and of RDKit's elements."""
        drawer, text = self._drawn(1.0)
        shown = self._marks(drawer, 1.0)
        body = text.split("<!-- END OF HEADER -->", 1)[1].rsplit("</svg>", 1)[0]
        body = body.split("</rect>", 1)[-1].lstrip()  # RDKit's ground would cover the marks
        halos = "".join(
            f"<path d='{path}' style='fill:none;stroke:{colors.GROUND};stroke-width:{_HALO}px;"
            f"stroke-linejoin:round' />\n"
            for path in self._hard_to_read(text)
        )
        return (
            f'<g class="molecule" data-item="{self.item}" data-column="{xml_text(self.column)}" '
            f'transform="translate({self.x:.1f},{self.y:.1f})">\n'
            f"{''.join(mark.svg() for mark in shown)}{halos}{body}</g>\n"
        )

    def paint(self, image: Image.Image, scale: float) -> None:
        """Paste the marks, and RDKit's pixel image of the molecule on top of them."""
        size = round(self.size[0] * scale), round(self.size[1] * scale)
        drawer = self._prepared(rdMolDraw2D.MolDraw2DCairo(*size), scale)
        with Image.open(BytesIO(drawer.GetDrawingText())) as opened:
            lines = opened.convert("RGB")
        fine = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), colors.GROUND)
        pen = ImageDraw.Draw(fine)
        for mark in self._marks(drawer, scale):
            mark.draw(pen, scale * _SMOOTH)
        is_needed = bool(self.notes or self._dark())
        for path in self._hard_to_read(self._drawn(scale)[1]) if is_needed else ():
            for line in _outlines(path):
                points = [(x * _SMOOTH, y * _SMOOTH) for x, y in line]
                width = round(_HALO * scale * _SMOOTH)
                pen.line(points, fill=colors.GROUND, width=width, joint="curve")
        place = round(self.x * scale), round(self.y * scale)
        image.paste(ImageChops.multiply(fine.reduce(_SMOOTH), lines), place)

    def _drawn(self, scale: float) -> tuple[Any, str]:
        width, height = (round(length * scale) for length in self.size)
        drawer = self._prepared(rdMolDraw2D.MolDraw2DSVG(width, height), scale)
        return drawer, drawer.GetDrawingText()

    def _marks(self, drawer: Any, scale: float) -> list[Disc | Band]:
        """The marks where the drawer has put the atoms, in SVG units."""
        mol = self.mol
        found = (drawer.GetDrawCoords(atom) for atom in range(mol.GetNumAtoms()))
        places = {i: (p.x / scale, p.y / scale) for i, p in enumerate(found)}
        ends = [drawer.GetDrawCoords(Point2D(x, 0.0)) for x in (0.0, 1.0)]
        unit = (ends[1] - ends[0]).Length() / scale
        bonds = dict(enumerate(ends_of(mol)))
        return shapes(self.marks, places, bonds, unit)

    def _dark(self) -> set[int]:
        """The atoms on whose discs black letters are hard to read."""
        return {atom for atom, color in self.marks.atoms.items() if _is_dark(to_hex(color))}

    def _hard_to_read(self, text: str) -> list[str]:
        """Outlines of the letters of these atoms, and of notes, in RDKit's SVG."""
        dark = self._dark()
        return [path for atom, path in _LETTER.findall(text) if not atom or int(atom) in dark]

    def _prepared(self, drawer: Any, scale: float) -> Any:
        """A drawer of RDKit that has drawn the molecule without marks."""
        options = drawer.drawOptions()
        options.useBWAtomPalette()  # a red oxygen could be mistaken for its saliency
        settings: dict[str, Any] = {
            "fontFile": str(FONT) if FONT.exists() else "",
            "prepareMolsBeforeDrawing": False,
            "fixedBondLength": self.scale * scale,
            "bondLineWidth": 1.5 * scale,
            "minFontSize": round(7 * scale),
            "maxFontSize": round(15 * scale),
            "annotationFontScale": 0.7,
            "padding": 0.02,
        }
        for name, value in settings.items():
            setattr(options, name, value)
        mol = self.mol
        if self.notes:
            mol = Chem.Mol(mol)
            for atom, note in self.notes.items():
                mol.GetAtomWithIdx(atom).SetProp("atomNote", note)
        drawer.DrawMolecule(mol)
        drawer.FinishDrawing()
        return drawer


@lru_cache(maxsize=4096)
def _is_dark(color: str) -> bool:
    return colors.contrast(color, "#000000") < _READABLE


def extent(mol: Chem.Mol) -> tuple[float, float]:
    """Width and height that a flattened molecule needs, its labels included, in ångström."""
    places = mol.GetConformer().GetPositions()
    width, height = (places.max(0) - places.min(0))[:2].tolist()
    return width + 2 * _MARGIN[0], height + 2 * _MARGIN[1]


def ends_of(mol: Chem.Mol) -> list[tuple[int, int]]:
    """The two atoms of each bond; indexed access is faster than RDKit's iterator."""
    bonds = (mol.GetBondWithIdx(i) for i in range(mol.GetNumBonds()))
    return [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds]


def flatten(mol: Chem.Mol) -> Chem.Mol:
    """Copy a molecule with 2-D coordinates, ready to draw; atoms and bonds keep their order."""
    copy = Chem.Mol(mol)
    copy.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(copy)
    if not _is_flat(copy) or not _normalised(copy):
        copy.RemoveAllConformers()
        rdDepictor.Compute2DCoords(copy)
    try:
        return rdMolDraw2D.PrepareMolForDrawing(copy, kekulize=True, addChiralHs=False)
    except Chem.KekulizeException:  # an aromatic ring that has no Kekulé form is drawn dashed
        return rdMolDraw2D.PrepareMolForDrawing(copy, kekulize=False, addChiralHs=False)


def _outlines(path: str) -> list[list[tuple[float, float]]]:
    """The closed outlines of a letter of RDKit's SVG, with curves as short lines."""
    found: list[list[tuple[float, float]]] = []
    tokens = _NUMBER.findall(path)
    at = 0
    while at < len(tokens):
        command = tokens[at]
        numbers = [float(token) for token in tokens[at + 1 : at + (5 if command == "Q" else 3)]]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        at += 1 + len(numbers)
        if command == "M":
            found.append(points)
        elif command == "L":
            found[-1] += points
        else:
            found[-1] += [_curve((found[-1][-1], points[0], points[1]), t / 4) for t in range(1, 5)]
    return found


def _curve(points: Sequence[tuple[float, float]], t: float) -> tuple[float, float]:
    """Point ``t`` of a quadratic Bézier curve, from 0 to 1."""
    weights = (1 - t) ** 2, 2 * t * (1 - t), t**2
    x, y = (sum(w * p[i] for w, p in zip(weights, points, strict=True)) for i in (0, 1))
    return x, y


def _is_flat(mol: Chem.Mol) -> bool:
    """Whether a molecule has finite 2-D coordinates."""
    if mol.GetNumConformers() == 0 or mol.GetConformer().Is3D():
        return False
    places = mol.GetConformer().GetPositions()
    return bool(np.isfinite(places).all() and not places[:, 2].any())


def _normalised(mol: Chem.Mol) -> bool:
    """Scale 2-D coordinates to bonds of the usual length, whatever their unit is.

    The median bond gets the length that RDKit gives to bonds; without bonds, the median distance to
    the nearest atom.

    Returns:
        False where atoms lie on each other, so that they cannot be told apart in a picture.
    """
    conformer = mol.GetConformer()
    places = conformer.GetPositions()
    if len(places) == 1:
        return True
    nearest = np.array([np.sort(np.linalg.norm(places - p, axis=1))[1] for p in places])
    ends = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], dtype=int)
    lengths = np.linalg.norm(np.diff(places[ends], axis=1), axis=-1) if len(ends) else nearest
    unit = float(np.median(lengths))
    if not unit > 0 or nearest.min() < _APART * unit:
        return False
    for atom, place in enumerate((places - places.mean(0)) * (_BOND / unit)):
        conformer.SetAtomPosition(atom, Point3D(*place.tolist()))
    return True
