"""The plot of molecules: atoms, bonds and fragments coloured by saliency, centred at zero."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from salience import InputError, Visualizer
from salience.errors import brief, nearest
from salience.scalers import Scaler, get_scaler
from salience_molgraph.pictures.cell import (
    Cell,
    Question,
    molecule_of,
    read_cell,
    values_of_all,
    variables,
)
from salience_molgraph.pictures.drawing import Drawing
from salience_molgraph.pictures.grid import Block, Sheet, by_column
from salience_molgraph.pictures.page import (
    COLUMN,
    PAD,
    WIDEST,
    Panel,
    box_of,
    foot,
    head,
    key,
    numbered,
)
from salience_molgraph.pictures.palette import ColorFn, get_color_fn, magnitudes
from salience_molgraph.pictures.scale import BondFn, Scale, mean_of_ends
from salience_molgraph.pictures.shapes import Shape
from salience_molgraph.pictures.strip import Frame, Strip
from salience_molgraph.pictures.structure import flatten
from salience_molgraph.pictures.words import (
    Naming,
    captions,
    described,
    notes,
    output_words,
    scale_label,
)

if TYPE_CHECKING:
    from salience import Explanation

_SHARES = ("all", "row", "column", "none")
_SCALES = ("explanation", "item")
_NARROWEST = 300.0
#: Where a panel of a grid is: the index of its item, and the title of its column.
Place = tuple[int, str]
#: Most panels of a grid.
_PANELS = 100
#: Width of a grid of one explanation, which holds as many molecules beside each other as fit.
_WIDTH = 1000.0
#: Smallest width that structures in a grid of many explanations have.
_NARROW = 180.0


@dataclass(frozen=True)
class MoleculePlot(Visualizer):
    """A molecule whose atoms and bonds are coloured by saliency, with the colours centred at zero.

    The molecule is drawn from a copy of the object that was explained, in its own atom order.
    2-D coordinates are kept; where coordinates are 3-D or absent, 2-D coordinates are computed.

    What is coloured depends on the target variables. Where atoms were explained, these are, and a
    bond has the mean of its atoms' values. Where bonds were explained, by themselves or beside
    atoms, a bond has the sum of the values of its two directions. Where groups were pooled, such
    as those that :func:`salience_molgraph.fragments` makes, the atoms of a group and the bonds
    between them have the colour of its sum, and a strip has a row for each group.

    Where there are several draws and the aggregator keeps signs, as "raw" does, each value is
    tested (:meth:`salience.Explanation.p_values`). Where the p-value is ``level`` or more, so that
    the 95 % interval holds 0, the sign is uncertain: the atom is a dashed grey ring and the bond a
    dashed outline, whatever the value, and bonds beside such atoms are uncoloured. Filled marks of
    small values have a thin edge. The note says what the interval is of, and how many values are
    significant where ``level`` is a false discovery rate. Without draws, and for magnitudes, there
    is nothing to test, and all marks are filled.

    Args:
        color_fn: Name of a colour map: ``"blue_vermilion"``, ``"bwr"``, ``"RdBu_r"``,
            ``"PuOr_r"`` or, where it is installed, one of matplotlib's; a map of matplotlib; or a
            function from [-1, 1] to red, green and blue in [0, 1]. Where ``None``, blue and
            vermilion or, for saliency without signs, shades of one colour.
        scaler: Name or function, applied to all values that share a scale. The middle of the
            colour map is at the scaled value 0, its ends are at ``limit``. Where ``None``,
            ``"identity"`` for methods that are complete, whose values are parts of f, and
            ``"abs_max"`` for others.
        scale: What the picture of one molecule shares its scale with: ``"explanation"``, all of
            the molecules, so that their pictures can be compared, or ``"item"``, none.
        share: What shares a scale in a grid: ``"all"`` panels, those of a ``"row"`` or of a
            ``"column"``, or ``"none"``. Where ``None``, all panels if all the explanations were
            made by one calculator and aggregator, and else those of a column.
        ncols: Number of molecules beside each other in a grid, each with its explanations. Where
            ``None``, 1 for several explanations, and for one as many as fit, up to 4.
        ratio: Share of values to show: of n, the ⌈n·ratio⌉ of the largest magnitude (the first
            ones where magnitudes are equal).
        bond_fn: Function from the scaled values of a bond's two atoms to the value of the bond,
            where bonds have no values of their own; ``None`` leaves them uncoloured.
        strip: Whether to draw a row for each value beside the structure: the value as a point, and
            its 66 and 95 % intervals as lines. Where ``None``, for groups.
        legend: Template of the caption, with ``{name}`` (title or SMILES), ``{id}``, ``{score}``
            (f, as in ``{score:.2f}``), ``{output}`` (f in words) and the properties that the domain
            carries along; no caption where empty. Where ``None``: the id, f in words, and the
            properties.
        output_name: What f is, for captions and the colour bar: ``"log solubility"``.
        unit: Unit of f: ``"log₁₀ mol/L"``.
        label: Label of the colour bar; where ``None``, what the scale is.
        color_bar: Whether to draw the colour bar, and the key and the notes below it.
        limit: Scaled magnitude at the ends of the colour map; the largest magnitude where ``None``.
        size: Width and height of a structure's box in SVG units (1/96 inch). Where ``None``, each
            box fits its molecule.
        atom_indices: Whether to write the index of each atom beside it; always beside a strip.
        resolution: Pixels per SVG unit in the PNG.
        variable: Name of the target variable to draw, where several of one kind were explained.
        level: Level of the tests, between 0 and 1; ``None`` tests nothing and fills all marks.

    Raises:
        InputError: A parameter is unknown or out of range.
    """

    formats: ClassVar[Collection[str]] = ("svg", "png")

    color_fn: str | ColorFn | None = None
    scaler: str | Scaler | None = None
    scale: str = "explanation"
    share: str | None = None
    ncols: int | None = None
    ratio: float = 1.0
    bond_fn: BondFn | None = mean_of_ends
    strip: bool | None = None
    legend: str | None = None
    output_name: str = ""
    unit: str = ""
    label: str | None = None
    color_bar: bool = True
    limit: float | None = None
    size: tuple[int, int] | None = None
    atom_indices: bool = False
    resolution: float = 2.0
    variable: str | None = None
    level: float | None = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.color_fn is not None:
            get_color_fn(self.color_fn)
        if self.scaler is not None:
            get_scaler(self.scaler)
        for name, known in {"scale": _SCALES, "share": (*_SHARES, None)}.items():
            value = getattr(self, name)
            if (value is not None and not isinstance(value, str)) or value not in known:
                words = [word for word in known if word is not None]
                raise InputError(f"unknown {name}={brief(value)}; {nearest(value, words)}")
        if self.ncols is not None and (not isinstance(self.ncols, Integral) or self.ncols < 1):
            raise InputError(f"ncols={brief(self.ncols)}; pass a number of molecules from 1 on")
        if self.bond_fn is not None and not callable(self.bond_fn):
            raise InputError(
                f"bond_fn is {brief(self.bond_fn)}; pass a function of two values, or None"
            )
        if not 0 <= self.ratio <= 1:
            raise InputError(f"ratio={self.ratio} is not a share of atoms; pass 0 to 1")
        if self.limit is not None and not self.limit > 0:
            raise InputError(f"limit={self.limit} is not above 0; pass a positive number or None")
        _check_size(self.size)
        if not self.resolution > 0:
            raise InputError(f"resolution={self.resolution} is not above 0; pass 2 for sharp PNGs")
        if self.level is not None and not 0 < self.level < 1:
            raise InputError(
                f"level={self.level} is no level of a test; pass one between 0 and 1, such as "
                f"0.05, or None to fill all marks"
            )

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it is not of atoms or bonds, or has no molecules."""
        try:
            variables(explanation, self.variable)
            if all(note.get("mol") is None for note in explanation.annotations):
                molecule_of(explanation, 0)
        except InputError as error:
            return str(error)
        return None

    def item(self, explanation: Explanation, item: int) -> Drawing:
        """Draw one molecule with its caption, the colour bar and the notes."""
        cell = self._read(explanation, item)
        shared = self.scale == "explanation" and len(explanation) > 1
        values = values_of_all(explanation, self.variable) if shared else cell.part.values
        of = f"all {len(explanation)} molecules" if shared else "the molecule"
        scale = self._scale([explanation], [cell], values, of)
        panel = self._panel(cell, scale, WIDEST)
        caption = captions(explanation, item, cell.mol, self._naming)
        width = max(panel.size[0], _NARROWEST)
        found, top = head(caption, PAD, PAD, width)
        top += PAD + 4
        found += panel.shapes(PAD, top, width)
        top += panel.size[1]
        if self.color_bar:
            more, high = self._foot([scale], [("", explanation, cell)], top, width)
            found, top = found + more, top + high
        title = f"Saliency of {caption[0] or f'item {item}'}"
        alt = described(caption, cell, scale.label)
        return Drawing(
            width + 2 * PAD,
            top + PAD,
            tuple(found),
            title=title,
            description=alt,
            resolution=self.resolution,
        )

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Drawing:
        """Draw molecules (rows) × explanations (columns) with their captions and titles.

        Raises:
            InputError: There are more panels than a picture can show.
        """
        n_panels = len(items) * len(explanations)
        if n_panels > _PANELS:
            raise InputError(
                f"a grid of {len(items)} molecules by {len(explanations)} explanations has "
                f"{n_panels} panels, and at most {_PANELS} are drawn; pass items=[...], or fewer "
                f"explanations"
            )
        cells = {(r, t): self._read(e, r) for r in items for t, e in explanations.items()}
        share = self.share or _default_share(list(explanations.values()))
        scales = self._scales(explanations, cells, share)
        panels = self._panels(cells, scales)
        blocks = [
            self._block(explanations, panels, (cells, scales), (item, share)) for item in items
        ]
        sheet = Sheet(list(explanations), blocks, 1)
        ncols = int(self.ncols or (sheet.fitting(_WIDTH) if len(explanations) == 1 else 1))
        sheet = replace(sheet, ncols=min(ncols, len(items)))
        found, top = sheet.shapes()
        if self.color_bar:
            if share == "column" and len(explanations) > 1:
                bars = {t: scales[items[0], t] for t in explanations}
                more, high = by_column(bars, sheet, top)
                found, top = found + more, top + high
            one = (
                [scales[items[0], next(iter(explanations))]]
                if _has_one(share, explanations)
                else []
            )
            three = [(t, explanations[t], cell) for (_, t), cell in cells.items()]
            more, high = self._foot(one, three, top, sheet.width - 2 * PAD)
            found, top = found + more, top + high
        title = f"Saliency of {len(items)} molecules by {', '.join(explanations)}"
        said = [
            f"{title}: {described(block.caption, cells[item, title], '')}"
            for item, block in zip(items, blocks, strict=True)
            for title in explanations
        ]
        return Drawing(
            sheet.width,
            top + PAD,
            tuple(found),
            title=title,
            description=" ".join(said[:20]),
            resolution=self.resolution,
        )

    @property
    def _naming(self) -> Naming:
        return Naming(self.legend, self.output_name, self.unit)

    def _read(self, explanation: Explanation, item: int) -> Cell:
        return read_cell(explanation, item, Question(self.variable, self.level, self.strip))

    def _has_strip(self, cell: Cell) -> bool:
        return cell.kind == "groups" if self.strip is None else self.strip

    def _scale(
        self, explanations: Sequence[Explanation], cells: Sequence[Cell], values: Any, of: str
    ) -> Scale:
        """The colour scale of some values.

        Args:
            explanations: The explanations that share the scale.
            cells: The molecules that are drawn with it.
            values: All values that the scaler is to see.
            of: What these are of, in words.
        """
        complete = all(explanation.is_complete for explanation in explanations)
        scaler = self.scaler or ("identity" if complete else "abs_max")
        scaling = get_scaler(scaler)(values)
        largest = float(np.abs(scaling(values)).max(initial=0.0))
        limit = self.limit or largest or 1.0
        signed = any(cell.signed for cell in cells) or bool((scaling(values) < 0).any())
        label = self.label
        if label is None:
            kinds = {cell.kind for cell in cells}
            label = scale_label(explanations, scaler, kinds, self._naming, of)
            if not largest:
                label = "saliency, 0 everywhere" if np.size(values) else "no group in any molecule"
        colors = magnitudes() if not signed and self.color_fn is None else None
        color_fn = colors or get_color_fn(self.color_fn or "blue_vermilion")
        return Scale(scaling, limit, color_fn, signed, label=label, clips=largest > limit * 1.0001)

    def _scales(
        self,
        explanations: Mapping[str, Explanation],
        cells: Mapping[Place, Cell],
        share: str,
    ) -> dict[Place, Scale]:
        """The colour scale of each panel."""
        found: dict[Place, Scale] = {}
        groups: dict[Any, list[Place]] = {}
        for item, title in cells:
            name = {"all": "", "row": item, "column": title, "none": (item, title)}[share]
            groups.setdefault(name, []).append((item, title))
        words = {"all": "the picture", "none": "the panel"}
        for panels in groups.values():
            own = [cells[panel] for panel in panels]
            values = np.concatenate([cell.part.values for cell in own])
            shown = [explanations[t] for t in dict.fromkeys(title for _, title in panels)]
            scale = self._scale(shown, own, values, words.get(share, f"the {share}"))
            found |= dict.fromkeys(panels, scale)
        return found

    def _block(
        self,
        explanations: Mapping[str, Explanation],
        panels: Mapping[Place, Panel],
        drawn: tuple[Mapping[Place, Cell], Mapping[Place, Scale]],
        of: tuple[int, str],
    ) -> Block:
        """The panels of one item with its caption, and with the bars of its own scales."""
        (cells, scales), (item, share) = drawn, of
        titles = list(explanations)
        caption = captions(explanations[titles[0]], item, cells[item, titles[0]].mol, self._naming)
        said = [output_words(explanations[title], item, self._naming) for title in titles]
        differ = self.legend is None and len(set(said)) > 1
        if differ:
            caption = caption[:1]
        row = [
            replace(panels[item, title], said=words if differ else "")
            for title, words in zip(titles, said, strict=True)
        ]
        bars: list[Scale] = []
        if self.color_bar and share in ("row", "none") and not _has_one(share, explanations):
            shown = titles if share == "none" else titles[:1]
            bars = [scales[item, title] for title in shown]
        return Block(caption, row, bars)

    def _panels(
        self, cells: Mapping[Place, Cell], scales: Mapping[Place, Scale]
    ) -> dict[Place, Panel]:
        """The panels of a grid; strips of one column, and of one scale, can be compared."""
        n_columns = len({title for _, title in cells})
        widest = min(COLUMN, max(_WIDTH / n_columns, _NARROW))
        panels = {
            place: replace(self._panel(cell, scales[place], widest), data=place)
            for place, cell in cells.items()
        }
        frames: dict[tuple[str, int], Frame] = {}
        rooms: dict[str, float] = {}
        for (item, title), panel in panels.items():
            if panel.strip is not None:
                name, own = (title, id(scales[item, title])), panel.strip.own_frame
                frames[name] = frames[name] | own if name in frames else own
                rooms[title] = max(rooms.get(title, 0.0), panel.box[0])
        for (item, title), panel in panels.items():
            if panel.strip is not None:
                frame = frames[title, id(scales[item, title])]
                strip = replace(panel.strip, frame=frame)
                panels[item, title] = replace(panel, strip=strip, room=rooms[title])
        return panels

    def _panel(self, cell: Cell, scale: Scale, widest: float) -> Panel:
        mol = flatten(cell.mol)
        box, unit = box_of(mol, self.size, widest)
        has_strip = self._has_strip(cell)
        names: dict[int, str] = {}
        if cell.kind == "groups" and has_strip:
            names = numbered(mol, cell.part)
        elif self.atom_indices or has_strip:
            names = {atom: str(atom) for atom in range(mol.GetNumAtoms())}
        return Panel(
            mol,
            scale.marks(cell, self.ratio, self.bond_fn),
            box,
            unit,
            strip=Strip(cell, scale, self.ratio) if has_strip else None,
            notes=names,
        )

    def _foot(
        self,
        scales: Sequence[Scale],
        cells: Sequence[tuple[str, Explanation, Cell]],
        top: float,
        room: float,
    ) -> tuple[list[Shape], float]:
        """Colour bars, the key of the marks and the notes, and their height."""
        found, high = foot(scales, (), PAD, top, room)
        if any(cell.part.tested.any() for _, _, cell in cells):
            more, added = key(PAD, top + high, room)
            found, high = found + more, high + added
        has_lines = any(self._has_strip(cell) for _, _, cell in cells)
        more, added = foot((), notes(cells, self.level, has_lines=has_lines), PAD, top + high, room)
        return found + more, high + added


def _check_size(given: Any) -> None:
    """Raise InputError where a size is no width and height."""
    size = given if isinstance(given, list | tuple) else ()
    plain = all(isinstance(n, Real) and 40 <= float(n) < math.inf for n in size)
    if given is not None and (len(size) != 2 or not plain):
        raise InputError(f"size={brief(given)}; pass (width, height), each from 40 on")


def _default_share(explanations: Sequence[Explanation]) -> str:
    """All panels share a scale where their values are of one kind."""
    kinds = [(e.provenance.get("calculator"), e.provenance.get("aggregator")) for e in explanations]
    return "all" if all(kind == kinds[0] for kind in kinds) else "column"


def _has_one(share: str, explanations: Mapping[str, Explanation]) -> bool:
    """Whether a single scale serves the picture."""
    return share == "all" or (share == "column" and len(explanations) == 1)
