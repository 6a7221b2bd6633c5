"""Pictures of molecules, read back from their SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from io import BytesIO

import pytest
import torch
from PIL import Image
from rdkit import Chem
from rdkit.Chem import AllChem

import salience
from salience import Explanation, InputError, Saliency
from salience_molgraph import MoleculePlot, MolGraph

SVG = "{http://www.w3.org/2000/svg}"


def _explanation(mols, values) -> Explanation:
    mols = [Chem.MolFromSmiles(mol) if isinstance(mol, str) else mol for mol in mols]
    flat = torch.cat([torch.as_tensor(v, dtype=torch.float64) for v in values])
    counts = torch.tensor([len(v) for v in values])
    score = torch.arange(len(mols)) - 1.5
    notes = [{"mol": mol, "name": f"molecule {i}"} for i, mol in enumerate(mols)]
    return Explanation(
        saliency={"embed": Saliency(flat, flat * torch.nan, counts)},
        prediction=score,
        score=score,
        delta=score,
        completeness_gap=score,
        annotations=notes,
        dataset_info={},
        provenance={"n_samples": 1},
        domain=MolGraph(),
        ids=[f"id{i}" for i in range(len(mols))],
        drawn=torch.ones(len(mols), dtype=torch.bool),
        converged=torch.ones(len(mols), dtype=torch.bool),
        n_points=torch.zeros(len(mols), dtype=torch.int64),
        n_independent=torch.ones(len(mols), dtype=torch.int64),
    )


def _molecules(drawing) -> list[ET.Element]:
    root = ET.fromstring(drawing.svg)
    return [group for group in root.iter(f"{SVG}g") if group.get("class") == "molecule"]


def _texts(drawing, kind: str) -> list[str]:
    root = ET.fromstring(drawing.svg)
    return [str(e.text) for e in root.iter(f"{SVG}text") if e.get("class") == kind]


def _fills(group: ET.Element, tag: str, pattern: str) -> dict[int, tuple[int, int, int]]:
    """Number of the atom or bond → fill colour of its highlight."""
    found = {}
    for element in group.iter(f"{SVG}{tag}"):
        number = re.match(pattern, element.get("class", ""))
        color = re.search("fill:#([0-9A-F]{6})", element.get("style", ""))
        if number and color:
            digits = color.group(1)
            found[int(number.group(1))] = tuple(int(digits[i : i + 2], 16) for i in (0, 2, 4))
    return found


def _atoms(drawing, panel: int = 0) -> dict[int, tuple[int, int, int]]:
    return _fills(_molecules(drawing)[panel], "ellipse", r"atom-(\d+)$")


def _bonds(drawing, panel: int = 0) -> dict[int, tuple[int, int, int]]:
    return _fills(_molecules(drawing)[panel], "path", r"bond-(\d+) ")


def _sign(color: tuple[int, int, int]) -> int:
    red, _, blue = color
    return (red > blue) - (red < blue)


@pytest.mark.parametrize("color_fn", ["blue_vermilion", "bwr", "RdBu_r", "PuOr_r"])
def test_colours_of_atoms_and_bonds_follow_their_signs(color_fn):
    values = [1.0, -0.6, -0.8, 0.0, 0.4]
    drawing = MoleculePlot(color_fn=color_fn).item(_explanation(["CC(O)CN"], [values]), 0)
    signs = {atom: _sign(color) for atom, color in _atoms(drawing).items()}
    assert signs == {0: 1, 1: -1, 2: -1, 3: 0, 4: 1}
    # Bonds: 0-1 (mean 0.2), 1-2 (mean -0.7), 1-3 (mean -0.3), 3-4 (mean 0.2).
    signs = {bond: _sign(color) for bond, color in _bonds(drawing).items()}
    assert signs == {0: 1, 1: -1, 2: -1, 3: 1}


def test_a_bond_has_the_colour_of_the_mean_of_its_atoms():
    drawing = MoleculePlot(color_fn="bwr").item(_explanation(["CO"], [[1.0, -0.5]]), 0)
    assert _atoms(drawing) == {0: (255, 0, 0), 1: (128, 128, 255)}
    assert _bonds(drawing) == {0: (255, 191, 191)}
    lowest = MoleculePlot(color_fn="bwr", bond_fn=min).item(_explanation(["CO"], [[1.0, -0.5]]), 0)
    assert _bonds(lowest) == {0: (128, 128, 255)}
    assert _bonds(MoleculePlot(bond_fn=None).item(_explanation(["CO"], [[1.0, -0.5]]), 0)) == {}


def test_magnitudes_alike_have_colours_alike_on_both_sides():
    drawing = MoleculePlot(color_fn="bwr").item(_explanation(["CCC"], [[0.3, -0.3, 0.6]]), 0)
    (r1, _, b1), (r2, _, b2) = _atoms(drawing)[0], _atoms(drawing)[1]
    assert (r1, b1) == (b2, r2)


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0.0, set()), (0.1, {3}), (0.3, {3, 0, 5}), (0.31, {3, 0, 5, 1}), (1.0, set(range(10)))],
)
def test_ratio_keeps_the_strongest_atoms_by_magnitude(ratio, shown):
    values = [-0.9, 0.6, 0.1, 1.0, 0.2, -0.8, 0.3, 0.05, 0.01, 0.02]
    drawing = MoleculePlot(ratio=ratio).item(_explanation(["C" * 10], [values]), 0)
    assert set(_atoms(drawing)) == shown
    chain = {i for i in range(9) if {i, i + 1} <= shown}
    assert set(_bonds(drawing)) == chain


@pytest.mark.parametrize("n_atoms", [1, 3, 7, 10, 30])
def test_a_ratio_of_k_in_n_keeps_exactly_k_atoms(n_atoms):
    values = torch.linspace(-1, 1, n_atoms).tolist()
    for k in range(n_atoms + 1):
        plot = MoleculePlot(ratio=k / n_atoms)
        assert len(_atoms(plot.item(_explanation(["C" * n_atoms], [values]), 0))) == k


def test_the_molecules_own_atom_order_is_drawn():
    mol = Chem.RenumberAtoms(Chem.MolFromSmiles("CCO"), [2, 1, 0])
    drawing = MoleculePlot().item(_explanation([mol], [[1.0, -0.2, -0.1]]), 0)
    assert {atom: _sign(c) for atom, c in _atoms(drawing).items()} == {0: 1, 1: -1, 2: -1}
    # The oxygen is atom 0 here, and the letters HO stand where its highlight is.
    group = _molecules(drawing)[0]
    ellipse = next(e for e in group.iter(f"{SVG}ellipse") if e.get("class") == "atom-0")
    letters = [e for e in group.iter(f"{SVG}path") if e.get("class") == "atom-0"]
    place = re.search(r"M (\S+) (\S+)", letters[-1].get("d", ""))
    assert place is not None
    assert abs(float(place.group(1)) - float(ellipse.get("cx", "0"))) < 25


def test_the_callers_molecule_is_not_changed():
    mol = Chem.AddHs(Chem.MolFromSmiles("c1ccccc1O"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    mol.SetProp("note", "mine")
    mol.GetAtomWithIdx(0).SetProp("mark", "here")
    before, names = mol.ToBinary(), sorted(mol.GetPropNames(True, True))
    drawing = MoleculePlot().item(_explanation([mol], [[0.5] * 13]), 0)
    assert drawing.svg and drawing.png
    assert mol.ToBinary() == before
    assert sorted(mol.GetPropNames(True, True)) == names
    assert mol.GetConformer().Is3D()
    assert mol.GetBondWithIdx(0).GetIsAromatic()


def test_flat_coordinates_of_the_file_are_kept():
    mol = Chem.MolFromSmiles("CCO")
    AllChem.Compute2DCoords(mol)
    turned = Chem.Mol(mol)
    for i, (x, y, _) in enumerate(mol.GetConformer().GetPositions().tolist()):
        turned.GetConformer().SetAtomPosition(i, (y, x, 0.0))
    pictures = [
        MoleculePlot().item(_explanation([m], [[1.0, 0.5, -1.0]]), 0).svg for m in (mol, turned)
    ]
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(
    ("smiles", "n_atoms"), [("[Xe]", 1), ("[Na+].[Cl-]", 2), ("CC(=O)[O-].[Na+]", 5), ("O", 1)]
)
def test_atoms_without_bonds_are_drawn(smiles, n_atoms):
    drawing = MoleculePlot().item(_explanation([smiles], [[0.5] * n_atoms]), 0)
    assert set(_atoms(drawing)) == set(range(n_atoms))
    assert drawing.png.startswith(b"\x89PNG")


def test_zero_saliency_is_drawn_white():
    drawing = MoleculePlot().item(_explanation(["CO"], [[0.0, 0.0]]), 0)
    assert set(_atoms(drawing).values()) == {(255, 255, 255)}


def test_a_broken_aromatic_molecule_is_drawn_nonetheless():
    mol = Chem.MolFromSmiles("c1cccc1", sanitize=False)
    assert len(_atoms(MoleculePlot().item(_explanation([mol], [[0.5] * 5]), 0))) == 5


def test_legend_bar_and_title_are_text():
    plot = MoleculePlot(legend="{name} <{id}> f = {score:.1f}", scaler="identity", label="Δ log S")
    drawing = plot.item(_explanation(["CO"], [[2.5, -0.5]]), 0)
    assert _texts(drawing, "legend") == ["molecule 0 <id0> f = −1.5"]
    assert _texts(drawing, "tick") == ["−2.5", "0", "+2.5"]
    assert _texts(drawing, "label") == ["Δ log S"]
    bare = MoleculePlot(legend="", color_bar=False).item(_explanation(["CO"], [[2.5, -0.5]]), 0)
    assert not _texts(bare, "legend") and not _texts(bare, "tick")
    assert bare.height < drawing.height


def test_the_bar_shows_the_colours_of_its_ends():
    drawing = MoleculePlot(color_fn="bwr").item(_explanation(["CO"], [[1.0, -1.0]]), 0)
    stops = [e.get("stop-color") for e in ET.fromstring(drawing.svg).iter(f"{SVG}stop")]
    assert (stops[0], stops[len(stops) // 2], stops[-1]) == ("#0000FF", "#FFFFFF", "#FF0000")


def test_a_function_can_be_the_colour_map():
    plot = MoleculePlot(color_fn=lambda v: (0.0, 1.0, 0.0) if v > 0 else (0.0, 0.0, 0.0))
    drawing = plot.item(_explanation(["CO"], [[1.0, -1.0]]), 0)
    assert _atoms(drawing) == {0: (0, 255, 0), 1: (0, 0, 0)}


def test_a_limit_makes_pictures_comparable():
    explanation = _explanation(["CO", "CO"], [[1.0, 0.5], [2.0, 0.5]])
    plot = MoleculePlot(scaler="identity", limit=2.0)
    assert _atoms(plot.item(explanation, 0))[1] == _atoms(plot.item(explanation, 1))[1]


def test_a_grid_has_one_scale_titles_legends_and_one_bar():
    weak = _explanation(["CO", "CCN"], [[0.5, -0.5], [0.1, 0.1, 0.1]])
    strong = _explanation(["CO", "CCN"], [[1.0, -1.0], [-0.5, 0.2, 0.5]])
    plot = MoleculePlot(color_fn="bwr")
    drawing = salience.grid({"weak": weak, "strong": strong}, visualizer=plot)
    assert [(m.get("data-item"), m.get("data-column")) for m in _molecules(drawing)] == [
        *(("0", "weak"), ("0", "strong"), ("1", "weak"), ("1", "strong"))
    ]
    assert _texts(drawing, "title") == ["weak", "strong"]
    assert _texts(drawing, "legend") == ["id0", "id1"]
    label = "saliency without sign, in units of the predicted value"
    assert " ".join(_texts(drawing, "label")) == label  # once
    assert _atoms(drawing, 0)[0] == (255, 128, 128)
    assert _atoms(drawing, 1)[0] == (255, 0, 0)
    assert _atoms(drawing, 3)[0] == (128, 128, 255)


def test_nothing_overlaps_in_a_grid():
    explanation = _explanation(["CO", "CCN"], [[0.5, -0.5], [0.1, 0.1, 0.1]])
    drawing = salience.grid({"one": explanation, "two": explanation}, size=(300, 210))
    boxes = []
    for group in _molecules(drawing):
        x, y = map(float, re.findall(r"[\d.]+", group.get("transform", "")))
        boxes.append((x, y, x + 300, y + 210))
    assert all(right <= drawing.width and low <= drawing.height for _, _, right, low in boxes)
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        for u1, v1, u2, v2 in boxes[:i]:
            assert x1 >= u2 or u1 >= x2 or y1 >= v2 or v1 >= y2


def test_long_and_odd_names_stay_inside_the_picture():
    explanation = _explanation(["CO"], [[0.5, -0.5]])
    explanation.annotations[0]["name"] = "C" * 500 + "\x00\n<&"
    plot = MoleculePlot(legend="{name}")
    assert _texts(plot.item(explanation, 0), "legend")[0].endswith("…")
    drawing = salience.grid({"a" * 300: explanation})
    assert len(_texts(drawing, "title")[0]) < 60
    assert ET.fromstring(drawing.svg) is not None


def test_png_has_the_pixels_of_its_resolution_and_the_colours(tmp_path):
    explanation = _explanation(["CO"], [[1.0, -1.0]])
    drawing = MoleculePlot(color_fn="bwr", resolution=1.5).item(explanation, 0)
    with Image.open(BytesIO(drawing.png)) as image:
        assert image.size == (round(drawing.width * 1.5), round(drawing.height * 1.5))
        colors = {color for _, color in image.convert("RGB").getcolors(1 << 24)}
    assert {(255, 0, 0), (0, 0, 255)} <= colors
    drawing.savefig(tmp_path / "a.png")
    drawing.savefig(str(tmp_path / "a.svg"))
    assert (tmp_path / "a.png").read_bytes() == drawing.png
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()


def test_files_are_written_by_suffix(tmp_path):
    explanation = _explanation(["CO"], [[1.0, -1.0]])
    explanation.visualize(0, path=tmp_path / "a.svg")
    explanation.visualize(0, path=tmp_path / "a.png", color_fn="bwr")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="'pdf'"):
        explanation.visualize(0, path=tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


def test_atom_numbers_are_drawn_on_request():
    explanation = _explanation(["CO"], [[1.0, -1.0]])
    assert "note" in MoleculePlot(atom_indices=True).item(explanation, 0).svg
    assert "note" not in MoleculePlot().item(explanation, 0).svg


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"color_fn": "bwrr"}, "did you mean 'bwr_r' or 'bwr'"),
        ({"scaler": "absmax"}, "'abs_max'"),
        ({"ratio": 1.5}, "ratio=1.5"),
        ({"ratio": float("nan")}, "ratio=nan"),
        ({"limit": 0}, "limit=0"),
        ({"size": (10, 10)}, "size"),
        ({"resolution": 0}, "resolution"),
        ({"level": 0}, "level=0"),
        ({"level": 5}, "level=5"),
    ],
)
def test_unknown_looks_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        MoleculePlot(**settings)


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(InputError, match=r"item 0 .*2 atoms"):
        MoleculePlot().item(_explanation(["CO"], [[1.0, 2.0, 3.0]]), 0)
    with pytest.raises(InputError, match="item 0 holds NaN"):
        MoleculePlot().item(_explanation(["CO"], [[1.0, float("inf")]]), 0)
    with pytest.raises(InputError, match=r"\{name\}"):
        MoleculePlot(legend="{title}").item(_explanation(["CO"], [[1.0, 2.0]]), 0)
    with pytest.raises(InputError, match="single items"):
        _explanation(["CO"], [[1.0, 2.0]]).visualize()
