"""The shape of a molecule, drawn by RDKit from a 2-D copy in the molecule's own atom order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D
from rdkit.Geometry import Point2D, Point3D

from salience_molgraph.colors import Color
from salience_molgraph.rings import LINE, discs, rings
from salience_molgraph.shapes import FONT, xml_text

#: SVG units per ångström of the 2-D coordinates, unless the molecule is too large for its box.
_BOND_SCALE = 28.0
#: Radius of a highlight in ångström.
_RADIUS = 0.4
#: Length in ångström that RDKit gives to bonds when it computes 2-D coordinates.
_BOND = 1.5
#: Atoms that are nearer to each other than this share of a bond lie on each other.
_APART = 0.1
_WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Structure:
    """A molecule in a box, with some of its atoms and bonds coloured.

    Args:
        mol: A copy with 2-D coordinates, prepared by :func:`flatten`; ``atom_colors`` and
            ``bond_colors`` are keyed by its atom and bond indices.
        item: Index of the molecule in its data set.
        hollow: Indices of the coloured atoms that are drawn as rings.
        column: Title of the explanation; empty outside a grid.
        indices: Whether to write the index of each atom beside it.
    """

    x: float
    y: float
    width: float
    height: float
    mol: Chem.Mol
    atom_colors: Mapping[int, Color] = field(default_factory=dict)
    bond_colors: Mapping[int, Color] = field(default_factory=dict)
    hollow: frozenset[int] = frozenset()
    item: int = 0
    column: str = ""
    indices: bool = False

    def svg(self) -> str:
        """Return a group of RDKit's elements (classes ``atom-i`` and ``bond-j``) and of rings."""
        drawer = rdMolDraw2D.MolDraw2DSVG(round(self.width), round(self.height))
        text: str = self._draw(drawer, 1.0, self.atom_colors)
        body = text.split("<!-- END OF HEADER -->", 1)[1].rsplit("</svg>", 1)[0]
        return (
            f'<g class="molecule" data-item="{self.item}" data-column="{xml_text(self.column)}" '
            f'transform="translate({self.x:.1f},{self.y:.1f})">{rings(body, self.hollow)}</g>\n'
        )

    def paint(self, image: Image.Image, scale: float) -> None:
        """Paste RDKit's pixel image of the molecule, with rings for the hollow atoms."""
        size = round(self.width * scale), round(self.height * scale)
        drawer = rdMolDraw2D.MolDraw2DCairo(*size)
        drawn = _opened(self._draw(drawer, scale, self.atom_colors))
        if self.hollow:
            # Pasted through a mask of smaller discs, a second drawing whose hollow atoms have white
            # circles turns their filled circles into rings.
            colors = dict(self.atom_colors) | dict.fromkeys(self.hollow, _WHITE)
            inside = _opened(self._draw(rdMolDraw2D.MolDraw2DCairo(*size), scale, colors))
            places = [drawer.GetDrawCoords(atom) for atom in self.hollow]
            ends = [drawer.GetDrawCoords(Point2D(x, 0.0)) for x in (0.0, _RADIUS)]
            radius = (1 - LINE) * (ends[1] - ends[0]).Length()
            drawn.paste(inside, mask=discs(size, [(place.x, place.y) for place in places], radius))
        image.paste(drawn, (round(self.x * scale), round(self.y * scale)))

    def _draw(self, drawer: Any, scale: float, atom_colors: Mapping[int, Color]) -> Any:
        options = drawer.drawOptions()
        options.useBWAtomPalette()  # a red oxygen could be mistaken for its saliency
        settings: dict[str, Any] = {
            "fontFile": str(FONT) if FONT.exists() else "",
            "prepareMolsBeforeDrawing": False,
            "atomHighlightsAreCircles": True,
            "highlightRadius": _RADIUS,
            "highlightBondWidthMultiplier": 9,
            "fixedBondLength": _BOND_SCALE * scale,
            "bondLineWidth": 1.5 * scale,
            "minFontSize": round(7 * scale),
            "maxFontSize": round(15 * scale),
            "annotationFontScale": 0.6,
            "addAtomIndices": self.indices,
            "padding": 0.06,
        }
        for name, value in settings.items():
            setattr(options, name, value)
        drawer.DrawMolecule(
            self.mol,
            highlightAtoms=list(atom_colors),
            highlightBonds=list(self.bond_colors),
            highlightAtomColors=dict(atom_colors),
            highlightBondColors=dict(self.bond_colors),
        )
        drawer.FinishDrawing()
        return drawer.GetDrawingText()


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


def _opened(pixels: bytes) -> Image.Image:
    with Image.open(BytesIO(pixels)) as drawn:
        return drawn.convert("RGB")


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
