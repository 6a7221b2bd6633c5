"""Atoms whose sign is uncertain are rings, in the SVG and in the PNG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

import pytest
import torch
from PIL import Image
from rdkit import Chem

import salience
from salience import Design, Explanation, Saliency, colors
from salience_molgraph import MoleculePlot, MolGraph

SVG = "{http://www.w3.org/2000/svg}"
UNITS = 10


def _explanation(smiles, values, errors, *, signed=True) -> Explanation:
    """Errors of ``None`` stand for a single draw."""
    flat = torch.cat([torch.tensor(v, dtype=torch.float64) for v in values])
    error = flat * torch.nan
    if errors is not None:
        error = torch.cat([torch.tensor(e, dtype=torch.float64) for e in errors])
    score = torch.zeros(len(smiles))
    return Explanation(
        saliency={"embed": Saliency(flat, error, torch.tensor([len(v) for v in values]))},
        prediction=score,
        score=score,
        delta=score,
        completeness_gap=score,
        annotations=[{"mol": Chem.MolFromSmiles(s), "name": s} for s in smiles],
        dataset_info={},
        provenance={},
        design=Design(signed=signed),
        domain=MolGraph(),
        ids=list(range(len(smiles))),
        drawn=torch.ones(len(smiles), dtype=torch.bool),
        converged=torch.ones(len(smiles), dtype=torch.bool),
        n_points=torch.zeros(len(smiles), dtype=torch.int64),
        n_independent=torch.full((len(smiles),), 1 if errors is None else UNITS),
    )


def _amine(**changes) -> Explanation:
    """The signs of atoms 2 and 3 are uncertain; the bonds are 0-1, 1-2, 1-3 and 3-4."""
    values, errors = [1.0, -0.6, -0.8, 0.2, 0.4], [0.01, 0.01, 0.5, 0.2, 0.01]
    return _explanation(["CC(O)CN"], [values], [errors], **changes)


class Circle(NamedTuple):
    x: float
    y: float
    reach: float  # with its line
    fill: str
    line: str
    hollow: bool


def _circles(drawing, panel: int = 0) -> dict[int, Circle]:
    root = ET.fromstring(drawing.svg)
    groups = [group for group in root.iter(f"{SVG}g") if group.get("class") == "molecule"]
    found = {}
    for element in groups[panel].iter(f"{SVG}ellipse"):
        name = re.fullmatch(r"atom-(\d+)( hollow)?", element.get("class", ""))
        style = dict(part.split(":") for part in element.get("style", "").strip(";").split(";"))
        x, y, radius = (float(element.get(key, "nan")) for key in ("cx", "cy", "rx"))
        reach = radius + float(style["stroke-width"].removesuffix("px")) / 2
        assert name and int(name[1]) not in found
        found[int(name[1])] = Circle(x, y, reach, style["fill"], style["stroke"], bool(name[2]))
    return found


def _hollow(drawing, panel: int = 0) -> set[int]:
    return {atom for atom, circle in _circles(drawing, panel).items() if circle.hollow}


def _bonds(drawing) -> set[int]:
    """Numbers of the bonds that are coloured."""
    named = [
        re.match(r"bond-(\d+) ", e.get("class", ""))
        for e in ET.fromstring(drawing.svg).iter(f"{SVG}path")
        if "fill:#" in e.get("style", "")
    ]
    return {int(name[1]) for name in named if name}


def _key(drawing) -> tuple[list[str], list[str]]:
    """The circles of the key by class, and its words."""
    root = ET.fromstring(drawing.svg)
    circles = [str(e.get("class")) for e in root.iter(f"{SVG}ellipse")]
    words = [str(e.text) for e in root.iter(f"{SVG}text") if e.get("class") == "key"]
    return [name for name in circles if name.startswith("key")], words


def _notes(drawing) -> list[str]:
    root = ET.fromstring(drawing.svg)
    return [str(e.text) for e in root.iter(f"{SVG}text") if e.get("class") == "note"]


def _both(one: dict[int, Circle], two: dict[int, Circle]) -> list[tuple[Circle, Circle]]:
    return [(one[atom], two[atom]) for atom in one]


def test_exactly_the_atoms_whose_p_is_above_the_level_are_rings():
    explanation = _amine()
    sure = [p < 0.05 for p in explanation.p_values()[0].tolist()]
    assert sure == [True, True, False, False, True]
    drawing = MoleculePlot().item(explanation, 0)
    assert _hollow(drawing) == {2, 3}
    assert set(_circles(drawing)) == set(range(5))
    assert _bonds(drawing) == {0}


def test_a_ring_is_grey_whatever_the_value_and_lies_where_the_disc_was():
    rings = _circles(MoleculePlot().item(_amine(), 0))
    filled = _circles(MoleculePlot(level=None).item(_amine(), 0))
    assert not any(circle.hollow for circle in filled.values())
    for atom in (2, 3):
        assert rings[atom].fill == colors.GROUND
        assert rings[atom].line == colors.UNCERTAIN
        assert colors.contrast(rings[atom].line) >= 3
        assert rings[atom][:2] == filled[atom][:2]
    for atom in (0, 1, 4):
        assert rings[atom][:2] == filled[atom][:2]
        assert rings[atom].fill == filled[atom].fill
        assert colors.contrast(rings[atom].line) >= 3  # the edge of a disc, however pale it is
    assert all(r.reach == pytest.approx(f.reach, abs=0.01) for r, f in _both(rings, filled))


@pytest.mark.parametrize(("level", "hollow"), [(0.9, set()), (1e-20, {0, 1, 2, 3, 4})])
def test_the_level_decides(level, hollow):
    assert _hollow(MoleculePlot(level=level).item(_amine(), 0)) == hollow


@pytest.mark.parametrize(
    "explanation",
    [
        _explanation(["CCO", "CN"], [[1.0, -0.5, 0.1], [0.2, 0.3]], None),
        _explanation(["CCO"], [[1.0, 0.5, 0.1]], [[0.1, 2.0, 0.5]], signed=False),
    ],
    ids=["single draw", "no signs"],
)
def test_where_nothing_tells_all_is_filled_as_ever(explanation):
    for plot in (MoleculePlot(), MoleculePlot(atom_indices=True, ratio=0.5)):
        drawings = [
            MoleculePlot(**(vars(plot) | {"level": level})).item(explanation, 0)
            for level in (0.05, None)
        ]
        assert drawings[0].svg == drawings[1].svg
        assert drawings[0].png == drawings[1].png
        assert not _hollow(drawings[0])
        assert _key(drawings[0]) == ([], [])
    grids = [
        salience.grid({"a": explanation}, visualizer=MoleculePlot(level=level)).svg
        for level in (0.05, None)
    ]
    assert grids[0] == grids[1]


def test_an_atom_that_passes_the_test_but_not_the_discovery_rate_is_filled():
    """Of ten atoms, one has a p-value of about .03, which no discovery rate of 5 % admits."""
    errors = [0.5] * 9 + [0.4]
    explanation = _explanation(["C" * 10], [[0.1] * 9 + [1.0]], [errors])
    p = explanation.p_values()[0]
    assert 0.01 < p[9] < 0.05 and not explanation.significant()[0].any()
    drawing = MoleculePlot().item(explanation, 0)
    assert _hollow(drawing) == set(range(9))
    assert _notes(drawing)[-1] == "0 of 10 atoms at FDR 5 %"


@pytest.mark.parametrize("samples_parameters", [False, True])
def test_rings_are_where_the_interval_holds_0(samples_parameters):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(40, generator=generator, dtype=torch.float64)
    errors = torch.rand(40, generator=generator, dtype=torch.float64)
    explanation = _explanation(["C" * 40], [values.tolist()], [errors.tolist()])
    design = Design(signed=True, samples_parameters=samples_parameters)
    explanation = replace(explanation, design=design)
    low, high = (bound[0] for bound in explanation.interval(0.95))
    holds = ((low <= 0) & (high >= 0)).nonzero().flatten().tolist()
    drawing = MoleculePlot().item(explanation, 0)
    assert _hollow(drawing) == set(holds)
    words = " ".join(_notes(drawing))
    of = "a further draw of the parameters" if samples_parameters else "draws of noise"
    assert 0 < len(holds) < 40 and of in words


def test_items_for_which_nothing_was_drawn_are_filled():
    explanation = replace(_amine(), drawn=torch.zeros(1, dtype=torch.bool))
    flat = explanation.only.flat
    saliency = Saliency(flat, flat * torch.nan, explanation.only.counts)
    explanation = replace(explanation, saliency={"embed": saliency})
    drawing = MoleculePlot().item(explanation, 0)
    assert not _hollow(drawing) and not _notes(drawing)


def test_the_key_tells_circles_from_rings():
    drawing = MoleculePlot(level=0.1).item(_amine(), 0)
    assert _key(drawing) == (["key", "key hollow"], ["sign certain", "sign uncertain"])
    assert " ".join(_notes(drawing)) == (
        "dashed where the 90 % interval of the mean over infinitely many draws of noise holds 0 "
        "3 of 5 atoms at FDR 10 %"
    )
    bare = MoleculePlot(level=0.1, color_bar=False).item(_amine(), 0)
    assert _key(bare) == ([], [])
    assert _hollow(bare) == {2, 3}


def test_a_grid_names_what_was_not_tested():
    single = _explanation(["CC(O)CN"], [[1.0, -0.6, -0.8, 0.2, 0.4]], None)
    drawing = salience.grid({"one draw": single, "many": _amine(), "abs": _amine(signed=False)})
    assert [_hollow(drawing, panel) for panel in range(3)] == [set(), {2, 3}, set()]
    assert _notes(drawing)[-2:] == ["3 of 5 atoms at FDR 5 %", "not tested: one draw; abs"]
    both = salience.grid({"one": _amine(), "two": _amine()})
    assert _notes(both)[-1] == "at FDR 5 %: 3 of 5 atoms (one); 3 of 5 atoms (two)"
    assert len(_key(both)[0]) == 2


@pytest.mark.parametrize("size", [(300, 210), (200, 100), (150, 90), (60, 60)])
def test_the_key_stays_inside_and_covers_nothing(size):
    drawing = MoleculePlot(size=size).item(_amine(), 0)
    with_bar = MoleculePlot(size=size, level=None).item(_amine(), 0)
    root = ET.fromstring(drawing.svg)
    texts = [e for e in root.iter(f"{SVG}text") if e.get("class") in ("key", "note")]
    assert all(with_bar.height - 10 < float(e.get("y", 0)) < drawing.height - 5 for e in texts)
    for kind in ("key", "key hollow"):
        circle = next(e for e in root.iter(f"{SVG}ellipse") if e.get("class") == kind)
        x, reach = float(circle.get("cx", 0)), float(circle.get("rx", 0))
        assert 0 < x - reach < x + reach < drawing.width
    # What is new is white below the picture without a key.
    with Image.open(BytesIO(drawing.png)) as image, Image.open(BytesIO(with_bar.png)) as old:
        ink = image.convert("L").crop((0, old.height - 20, *image.size)).point(lambda v: 255 - v)
        left, top, right, bottom = ink.getbbox()
    assert left > 0 and right < image.width and bottom < ink.height
    assert top > 0


def test_only_highlighted_atoms_are_rings():
    drawing = MoleculePlot(ratio=0.6).item(_amine(), 0)
    assert set(_circles(drawing)) == {0, 1, 2}
    assert _hollow(drawing) == {2}


def test_the_named_variable_is_tested():
    explanation = _amine()
    sure = Saliency(explanation.only.flat, explanation.only.flat_error * 0.01, torch.tensor([5]))
    explanation.saliency["state"] = sure
    assert _hollow(MoleculePlot(variable="embed").item(explanation, 0)) == {2, 3}
    assert _hollow(MoleculePlot(variable="state").item(explanation, 0)) == set()


@pytest.mark.parametrize("resolution", [1.0, 2.0, 3.5])
def test_the_png_has_the_rings_of_the_svg(resolution):
    explanation = _explanation(["CC"], [[1.0, -1.0]], [[0.01, 2.0]])
    drawing = MoleculePlot(color_fn="bwr", resolution=resolution).item(explanation, 0)
    circles = _circles(drawing)
    assert [circles[atom].hollow for atom in (0, 1)] == [False, True]
    group = next(g for g in ET.fromstring(drawing.svg).iter(f"{SVG}g") if g.get("transform"))
    left, top = map(float, re.findall(r"[\d.]+", group.get("transform", "")))
    away = {0: circles[0].x - circles[1].x, 1: circles[1].x - circles[0].x}
    with Image.open(BytesIO(drawing.png)) as image:
        pixels = image.convert("RGB")
    for atom, share, expected in [
        (0, 0.4, (255, 0, 0)),
        (0, 0.8, (255, 0, 0)),
        (1, 0.6, (255, 255, 255)),
        (0, 1.4, (255, 255, 255)),
        (1, 1.4, (255, 255, 255)),
    ]:
        # From the atom away from its bond, which is level.
        sign = 1 if away[atom] > 0 else -1
        x = (left + circles[atom].x + sign * share * circles[atom].reach) * resolution
        y = (top + circles[atom].y) * resolution
        assert pixels.getpixel((round(x), round(y))) == expected
    ring = pixels.crop(
        tuple(
            round(resolution * value)
            for value in (
                left + circles[1].x - circles[1].reach - 1,
                top + circles[1].y - circles[1].reach - 1,
                left + circles[1].x + circles[1].reach + 1,
                top + circles[1].y + circles[1].reach + 1,
            )
        )
    )
    grey = colors.rgb(colors.UNCERTAIN)
    near = [
        count
        for count, color in ring.getcolors(1 << 20)
        if all(abs(c - 255 * g) < 40 for c, g in zip(color, grey, strict=True))
    ]
    assert sum(near) > 20 * resolution


def test_draws_of_a_network_make_rings(ragged, smiles, tmp_path):
    domain = MolGraph(fields=("atoms", "edge_index", "owner", "bond_type"))
    explanation = salience.explain(
        ragged, smiles, domain, samplers=["gaussian"], n_samples=6, seed=1
    )
    explanation.save(tmp_path / "run.salience")
    again = Explanation.load(tmp_path / "run.salience")
    kinds = set()
    for item, p in enumerate(explanation.p_values()):
        sure = p < 0.05
        drawing = explanation.visualize(item)
        assert _hollow(drawing) == set((~sure).nonzero().flatten().tolist())
        assert again.visualize(item).svg == drawing.svg
        kinds |= set(sure.tolist())
    assert kinds == {True, False}
    absolute = salience.explain(
        ragged, smiles, domain, samplers=["gaussian"], n_samples=6, aggregator="abs"
    )
    assert not _hollow(absolute.visualize(1))
