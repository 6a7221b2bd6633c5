"""The data that a picture shows of a molecule: values of atoms, bonds or groups, and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem

from salience import InputError
from salience.errors import brief
from salience_molgraph.pictures.groups import members_of

if TYPE_CHECKING:
    from salience import Explanation

Values = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = tuple[int, ...]
#: Levels of the intervals that are drawn as points with lines.
LEVELS = (0.66, 0.95)


@dataclass(frozen=True, eq=False)
class Part:
    """Values of one molecule and what is known of their errors, n of each.

    Args:
        names: What each value is called: an atom by its symbol and index, a bond by its atoms, a
            group by its name.
        atoms: The atoms of each value, of its molecule.
        bonds: The bonds of each value.
        values: Saliency, float64.
        tested: Whether the sign of the value was tested against 0.
        uncertain: Whether it was tested and the p-value is not below the level.
        intervals: Level → lower and upper bounds; empty where they were not asked for, or where
            there are none.
        discoveries: How many values are significant where the level is a false discovery rate.
    """

    names: tuple[str, ...]
    atoms: tuple[Indices, ...]
    bonds: tuple[Indices, ...]
    values: Values
    tested: Bools
    uncertain: Bools
    intervals: Mapping[float, tuple[Values, Values]] = field(default_factory=dict)
    discoveries: int = 0

    def __add__(self, other: Part) -> Part:
        """The values of both; intervals of what has none are NaN."""
        intervals = {
            level: tuple(
                np.concatenate([part.bound(level, side) for part in (self, other)])
                for side in (0, 1)
            )
            for level in {**self.intervals, **other.intervals}
        }
        return Part(
            self.names + other.names,
            self.atoms + other.atoms,
            self.bonds + other.bonds,
            values=np.concatenate([self.values, other.values]),
            tested=np.concatenate([self.tested, other.tested]),
            uncertain=np.concatenate([self.uncertain, other.uncertain]),
            intervals=intervals,  # type: ignore[arg-type]
            discoveries=self.discoveries + other.discoveries,
        )

    def bound(self, level: float, side: int) -> Values:
        """Bounds of the intervals at a level, NaN where there are none."""
        if level in self.intervals:
            return self.intervals[level][side]
        return np.full(len(self.values), np.nan)


@dataclass(frozen=True, eq=False)
class Cell:
    """One molecule and its saliency in one explanation.

    Args:
        mol: The molecule as it was explained.
        part: Its values.
        kind: What the values are of: ``"atoms"``, ``"bonds"``, ``"atoms and bonds"`` or
            ``"groups"``.
        signed: Whether the values have signs.
        remarks: What the picture leaves out, in words.
    """

    mol: Chem.Mol
    part: Part
    kind: str
    signed: bool
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is read of an explanation.

    Args:
        variable: Name of the target variable; the ones of atoms and of bonds where ``None``.
        level: Level of the tests; ``None`` for no tests.
        intervals: Whether intervals are read; of groups where ``None``.
    """

    variable: str | None = None
    level: float | None = 0.05
    intervals: bool | None = None


def read_cell(explanation: Explanation, item: int, question: Question) -> Cell:
    """Read a molecule, its saliency and how certain it is.

    No test is made where the level is ``None``, where there is a single draw, or where the
    aggregator does not keep signs.

    Raises:
        InputError: There is no molecule, or the saliency is not one finite value per atom, bond or
            group.
    """
    mol = molecule_of(explanation, item)
    chosen = variables(explanation, question.variable)
    one = explanation.item(item)
    parts = []
    remarks: list[str] = []
    for kind, name in chosen.items():
        part = _named(explanation, item, mol, (kind, name))
        part = _tested(part, one, (kind, name), question)
        if kind == "bonds":
            part, found = _summed(part, explanation, item, mol)
            remarks += found
        parts.append(part)
    made = parts[0]
    for part in parts[1:]:
        made = made + part
    if not np.isfinite(made.values).all():
        raise InputError(
            f"the saliency of item {item} holds NaN or infinity, which no colour can show; "
            f"look for overflow in the model"
        )
    kind = " and ".join(chosen)
    if kind == "groups":
        kind = _kind_of_names(made, mol)
    return Cell(mol, made, kind, explanation.signed, tuple(remarks))


def _kind_of_names(part: Part, mol: Chem.Mol) -> str:
    """``"groups"``; or what they are of where each is an atom or a bond, called by its name."""
    own: dict[str, tuple[Indices, Indices]] = {}
    for i, name in enumerate(atom_names(mol)):
        own[name] = ((i,), ())
    for i, name in enumerate(bond_names(mol)):
        own[name] = ((), (i,))
    groups = zip(part.names, part.atoms, part.bonds, strict=True)
    if not part.names or any(own.get(name) != (a, b) for name, a, b in groups):
        return "groups"
    kinds = {"atoms": any(part.atoms), "bonds": any(part.bonds)}
    return " and ".join(kind for kind, is_there in kinds.items() if is_there)


def molecule_of(explanation: Explanation, item: int) -> Chem.Mol:
    """The molecule of an item.

    Raises:
        InputError: There is none.
    """
    note = explanation.annotations[item] if explanation.annotations else {}
    mol: Chem.Mol | None = note.get("mol")
    if mol is None:
        reason = f" ({note['problem']})" if note.get("problem") else ""
        raise InputError(
            f"item {item} carries no molecule to draw{reason}; explain SMILES or RDKit molecules, "
            f"or give each PyG Data a smiles whose atoms are in its own order, and z"
        )
    return mol


def variables(explanation: Explanation, variable: str | None) -> dict[str, str]:
    """The target variables to draw: ``"atoms"``, ``"bonds"`` or ``"groups"`` → name.

    Raises:
        InputError: A variable is neither of atoms nor of bonds, or several are of one kind.
    """
    names = list(explanation.saliency) if variable is None else [variable]
    found: dict[str, str] = {}
    for name in names:
        kind = _kind(explanation, name)
        if kind in found:
            raise InputError(
                f"this explanation has several variables of {kind} ({found[kind]!r}, {name!r}), "
                f"and a picture shows one; pass variable={found[kind]!r}"
            )
        found[kind] = name
    return dict(sorted(found.items()))


def values_of_all(explanation: Explanation, variable: str | None) -> Values:
    """All values that pictures of an explanation can show, for the scale that they share.

    Those of bonds are sums of both directions.

    Raises:
        InputError: As :func:`read_cell`.
    """
    chosen = variables(explanation, variable)
    parts = [
        explanation[name].flat.detach().cpu().double().flatten().numpy()
        for kind, name in chosen.items()
        if kind != "bonds"
    ]
    if "bonds" in chosen:
        every = explanation[chosen["bonds"]].values
        for item, values in enumerate(every):
            mol = molecule_of(explanation, item)
            raw = values.detach().cpu().double().numpy()
            parts.append(_sums(raw, bond_of_edge(explanation, item, mol), mol.GetNumBonds()))
    every_value: Values = np.concatenate(parts)
    return every_value[np.isfinite(every_value)]


def _kind(explanation: Explanation, name: str) -> str:
    """What a target variable is of."""
    if explanation[name].names is not None:
        return "groups"
    if "pool" in explanation.provenance:
        raise InputError(
            f"the sums of {name!r} are of blocks, which no picture of a molecule shows; pool "
            f"groups with names, such as salience_molgraph.fragments makes"
        )
    axes = _axes(explanation, name)
    for kind in ("atom", "bond"):
        if kind in axes:
            return f"{kind}s"
    raise InputError(
        f"the variable {name!r} has the axes {tuple(axes)}, and a picture of a molecule shows one "
        f"value an atom or bond; pass variable=... with a variable of atoms or bonds"
    )


def _axes(explanation: Explanation, name: str) -> Sequence[str]:
    """Names of the axes of a variable, as the domain or the user's Target declares them."""
    declared = explanation.dataset_info.get("axes", {})
    if name in declared:
        return list(declared[name])
    for target in explanation.provenance.get("target", ()):
        if isinstance(target, Mapping) and str(name).startswith(str(target.get("module"))):
            return target.get("axes") or ["atom"]
    return ["atom"]


def _named(explanation: Explanation, item: int, mol: Chem.Mol, of: tuple[str, str]) -> Part:
    """The values of a variable with their names, atoms and bonds; nothing is tested yet.

    Raises:
        InputError: There is not one value for each atom, directed bond or group.
    """
    kind, name = of
    values = explanation[name].values[item].detach().cpu().double().numpy()
    if kind == "groups":
        names, atoms, bonds = _groups(explanation, item, mol, name)
        expected = len(names)
    elif kind == "atoms":
        expected = mol.GetNumAtoms()
        names, atoms = atom_names(mol), tuple((atom,) for atom in range(expected))
        bonds = ((),) * expected
    else:
        edges = bond_of_edge(explanation, item, mol)
        expected = len(edges)
        names, atoms, bonds = ("",) * expected, ((),) * expected, tuple((int(b),) for b in edges)
    if values.shape != (expected,):
        what = {"atoms": "atoms", "bonds": "directed bonds", "groups": "groups"}[kind]
        raise InputError(
            f"the saliency of item {item} has shape {values.shape}, expected one value for each of "
            f"its {expected} {what}; explain a variable of {kind}"
        )
    no = np.zeros(expected, dtype=bool)
    return Part(names, atoms, bonds, values=values, tested=no, uncertain=no)


def _tested(part: Part, one: Explanation, of: tuple[str, str], question: Question) -> Part:
    """The values with the results of their tests, and with their intervals."""
    kind, name = of
    number = int(one.n_independent[0])
    known = one.saliency[name].std_error[0].detach().cpu().isfinite().numpy()
    unknown = number == 1 or (number == 0 and one.interval_of == "draw")
    if question.level is None or unknown or not known.any() or not len(part.values):
        return part
    made = part
    if kind == "groups" if question.intervals is None else question.intervals:
        bounds = {level: one.interval(level, variable=name) for level in LEVELS}
        arrays = {level: (_array(low), _array(high)) for level, (low, high) in bounds.items()}
        made = replace(made, intervals=arrays)
    if not one.signed:
        return made
    p = _array(one.p_values(name))
    uncertain = known & (p >= question.level)
    found = discoveries(p, question.level)
    return replace(made, tested=known, uncertain=uncertain, discoveries=found)


def discoveries(p_values: Values, level: float) -> int:
    """How many values are significant at a false discovery rate.

    It is the number of those that :meth:`salience.Explanation.significant` marks: the largest k
    with p₍ₖ₎ ≤ k / n · level (Benjamini and Hochberg, 1995).
    """
    ranks = np.arange(1, len(p_values) + 1)
    passed = np.flatnonzero(np.sort(p_values) <= ranks / len(p_values) * level)
    return int(passed[-1]) + 1 if len(passed) else 0


def _array(values: Any) -> Values:
    """The values of the only item, as an array."""
    found: Values = values[0].detach().cpu().double().numpy()
    return found


def _summed(
    part: Part, explanation: Explanation, item: int, mol: Chem.Mol
) -> tuple[Part, list[str]]:
    """Values of directed bonds summed for each bond, whose errors are unknown, and remarks."""
    edges = np.array([bond[0] for bond in part.bonds], dtype=int)
    n_bonds = mol.GetNumBonds()
    no = np.zeros(n_bonds, dtype=bool)
    made = Part(
        bond_names(mol),
        ((),) * n_bonds,
        tuple((bond,) for bond in range(n_bonds)),
        values=_sums(part.values, edges, n_bonds),
        tested=no,
        uncertain=no,
    )
    remarks = []
    if part.tested.any():
        remarks.append("bonds not tested, errors of their sums unknown: pool both directions")
    if (edges < 0).any():
        number = int((edges < 0).sum())
        remarks.append(f"{number} self-loop{'s' * (number > 1)} not drawn")
    return made, remarks


def _sums(values: Values, edges: NDArray[np.int64], n_bonds: int) -> Values:
    """Sum of the values of each bond's directed bonds."""
    real = edges >= 0
    return np.bincount(edges[real], values[real], minlength=n_bonds).astype(np.float64)


def bond_of_edge(explanation: Explanation, item: int, mol: Chem.Mol) -> NDArray[np.int64]:
    """The bond of each directed bond of an item; −1 for a self-loop."""
    edges = explanation.annotations[item].get("edges")
    if edges is None:  # the order in which the domain makes them of a molecule
        return np.tile(np.arange(mol.GetNumBonds()), 2)
    index = {}
    for bond in mol.GetBonds():
        first, second = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        index[first, second] = index[second, first] = bond.GetIdx()
    pairs = torch.as_tensor(edges, device="cpu").T.tolist()
    return np.array([index.get((a, b), -1) for a, b in pairs], dtype=np.int64)


def _groups(
    explanation: Explanation, item: int, mol: Chem.Mol, name: str
) -> tuple[tuple[str, ...], tuple[Indices, ...], tuple[Indices, ...]]:
    """Names, atoms and bonds of the groups of an item."""
    saliency = explanation[name]
    assert saliency.names is not None
    names = saliency.names if saliency.counts is None else saliency.names[item]
    record = explanation.provenance.get("pool", {})
    own = record["each"][item] if "each" in record else record.get("common")
    found = members_of(own, list(names))
    if found is None:
        raise InputError(
            f"the groups of item {item} are {brief(own)}, of which no picture shows the atoms; "
            f"pool groups as salience_molgraph.fragments makes them, name → atoms"
        )
    atoms, bonds = [], []
    edges = bond_of_edge(explanation, item, mol)
    for members in found:
        kinds = [(_kind_inside(explanation, v), at) for v, at in members]
        atoms.append(tuple(at for kind, at in kinds if kind == "atoms"))
        of_edges = (int(edges[at]) for kind, at in kinds if kind == "bonds")
        bonds.append(tuple(dict.fromkeys(bond for bond in of_edges if bond >= 0)))
    return tuple(map(str, names)), tuple(atoms), tuple(bonds)


def _kind_inside(explanation: Explanation, variable: str | None) -> str:
    """What the members of a pooled group are, by the name of their target variable."""
    if variable is None:
        targets = explanation.provenance.get("target") or ["embed"]
        first = targets[0]
        variable = str(first.get("module")) if isinstance(first, Mapping) else str(first)
    return "bonds" if "bond" in _axes(explanation, variable) else "atoms"


def atom_names(mol: Chem.Mol) -> tuple[str, ...]:
    """Symbol and index of each atom: ``"O3"``."""
    return tuple(f"{atom.GetSymbol()}{atom.GetIdx()}" for atom in mol.GetAtoms())


def bond_names(mol: Chem.Mol) -> tuple[str, ...]:
    """The two atoms of each bond: ``"C0–O1"``."""
    atoms = atom_names(mol)
    ends = ((b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds())
    return tuple(f"{atoms[first]}–{atoms[second]}" for first, second in ends)
