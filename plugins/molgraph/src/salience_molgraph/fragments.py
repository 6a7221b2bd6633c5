"""Fragments of molecules, groups whose saliency ``explain(..., pool=fragments(...))`` sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rdkit import Chem
from rdkit.Chem import BRICS
from rdkit.Chem.Scaffolds import MurckoScaffold

from salience import InputError
from salience.errors import brief, nearest
from salience_molgraph.domain import MolGraph
from salience_molgraph.graph import Graph
from salience_molgraph.pictures.cell import atom_names, bond_names

#: Name → indices of atoms; several fragments may have one name, and are then numbered.
Fragments = list[tuple[str, Sequence[int]]]
Cut = Callable[[Chem.Mol], Fragments]

_INDEX = "_salience_index"
#: Rings of three atoms that are groups of their own.
_SMALL_RINGS = Chem.MolFromSmarts("[#6]1[#6][#7,#8,#16]1")
_ACETAL = Chem.MolFromSmarts("[CX4]([$([#7,#8,#16]);!$(*=,#*)])[$([#7,#8,#16]);!$(*=,#*)]")
_UNSATURATED = Chem.MolFromSmarts("[#6;!$(c)]=,#[!#1]")


def fragments(
    data: Any,
    by: str | Mapping[str, str] | Callable[[Chem.Mol], Mapping[str, Iterable[int]]] = "brics",
    *,
    atoms: str = "",
    bonds: str = "",
    rest: str | None = "rest",
    domain: MolGraph | None = None,
) -> list[dict[str, Any]]:
    """Groups of the atoms of each molecule, in the form that ``pool=`` takes.

    Args:
        data: The molecules, as they are explained.
        by: ``"brics"``: the parts between the bonds that BRICS breaks (Degen et al., 2008);
            ``"murcko"``: the scaffold, rings with what links them (Bemis and Murcko, 1996), and
            each side chain; ``"functional"``: functional groups (Ertl, "An algorithm to identify
            functional groups in organic molecules", 2017); ``"each"``: each atom by itself and,
            where ``bonds`` is given, each bond; a mapping name → SMARTS, of which each match is a
            group; or a function of a molecule that returns a mapping name → atoms.
        atoms: Name of the target variable of atoms; only needed beside ``bonds``.
        bonds: Name of the target variable of bonds, such as ``"edge_attr"``: a group then has both
            directions of the bonds between its atoms as well.
        rest: Name of the group of all atoms, and bonds, that are in no other, so that the groups
            add up to the molecule; ``None`` leaves these out.
        domain: The domain that reads the data; ``MolGraph()`` where ``None``.

    Returns:
        For each molecule a mapping name → members. Names that would repeat are numbered.

    Raises:
        InputError: ``by`` is unknown, a SMARTS cannot be parsed, an item has no molecule or no
            group, or the data cannot be read.
    """
    cut = _cut(by)
    found = []
    for number, graph in enumerate((domain or MolGraph()).read(data)):
        if graph.mol is None:
            why = f": {graph.problem}" if graph.problem else ""
            raise InputError(f"item {number} carries no molecule to cut{why}; leave it out")
        groups = _groups(graph, cut, (atoms, bonds), rest)
        if not groups:
            raise InputError(
                f"no group was found in item {number}; name the rest of a molecule by rest='rest'"
            )
        found.append(groups)
    return found


def _groups(
    graph: Graph, cut: Cut | None, variables: tuple[str, str], rest: str | None
) -> dict[str, Any]:
    """The groups of one molecule, by name."""
    mol = graph.mol
    assert mol is not None
    atoms, bonds = variables
    n_atoms = mol.GetNumAtoms() if atoms or not bonds else 0
    if cut is None:
        own = [(name, [at], list[int]()) for at, name in enumerate(atom_names(mol)[:n_atoms])]
        if bonds:
            own += [(name, [], [at]) for at, name in enumerate(bond_names(mol))]
    else:
        own = [(name, list(at), _inside(mol, at) if bonds else []) for name, at in cut(mol)]
        own = _with_rest(own, mol, rest, has_bonds=bool(bonds))
    directions = _directions(graph) if bonds else []
    found = {}
    for name, (of_atoms, of_bonds) in _numbered(own).items():
        edges = [edge for bond in of_bonds for edge in directions[bond]]
        members = ({atoms: of_atoms} if n_atoms and of_atoms else {}) | (
            {bonds: edges} if edges else {}
        )
        if members:
            found[name] = members if bonds else of_atoms
    return found


def _with_rest(
    own: list[tuple[str, list[int], list[int]]], mol: Chem.Mol, rest: str | None, *, has_bonds: bool
) -> list[tuple[str, list[int], list[int]]]:
    """The groups, with one of all atoms and bonds that are in none."""
    if rest is None:
        return own
    atoms = {atom for _, at, _ in own for atom in at}
    bonds = {bond for _, _, at in own for bond in at}
    others = [atom for atom in range(mol.GetNumAtoms()) if atom not in atoms]
    between = [b for b in range(mol.GetNumBonds()) if has_bonds and b not in bonds]
    return [*own, (rest, others, between)] if others or between else own


def _numbered(
    own: Sequence[tuple[str, list[int], list[int]]],
) -> dict[str, tuple[list[int], list[int]]]:
    """Name → atoms and bonds; names that repeat are numbered from 1."""
    names = [name for name, _, _ in own]
    used: dict[str, int] = {}
    found = {}
    for name, atoms, bonds in own:
        if names.count(name) > 1:
            used[name] = used.get(name, 0) + 1
            name = f"{name} ({used[name]})"
        found[name] = (atoms, bonds)
    return found


def _inside(mol: Chem.Mol, atoms: Iterable[int]) -> list[int]:
    """The bonds between atoms of a group."""
    own = set(atoms)
    ends = ((b.GetIdx(), b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds())
    return [bond for bond, first, second in ends if first in own and second in own]


def _directions(graph: Graph) -> list[list[int]]:
    """The positions of the directed bonds of each bond."""
    mol = graph.mol
    assert mol is not None
    if not graph.has_own_edges:
        return [[bond, bond + mol.GetNumBonds()] for bond in range(mol.GetNumBonds())]
    found: list[list[int]] = [[] for _ in range(mol.GetNumBonds())]
    assert graph.edges is not None
    for at, (first, second) in enumerate(graph.edges.T.tolist()):
        bond = mol.GetBondBetweenAtoms(first, second) if first != second else None
        if bond is not None:
            found[bond.GetIdx()].append(at)
    return found


def _cut(by: Any) -> Cut | None:
    """The function that finds the groups of a molecule; ``None`` for each atom by itself."""
    if isinstance(by, Mapping) and by:
        return _matches({str(name): _parsed(smarts) for name, smarts in by.items()})
    if callable(by) and not isinstance(by, type):
        return _by_function(by)
    if isinstance(by, str) and by in _CUTS:
        return _CUTS[by]
    raise InputError(
        f"by={brief(by)}; {nearest(by, _CUTS)}; or pass a mapping name → SMARTS, or a function of "
        f"a molecule"
    )


def _parsed(smarts: Any) -> Chem.Mol:
    query = Chem.MolFromSmarts(smarts) if isinstance(smarts, str) else None
    if query is None or not query.GetNumAtoms():
        raise InputError(f"{brief(smarts)} is no SMARTS; pass one such as '[OX2H]'")
    return query


def _matches(queries: Mapping[str, Chem.Mol]) -> Cut:
    def cut(mol: Chem.Mol) -> Fragments:
        prepared = _prepared(mol)
        return [
            (name, match)
            for name, query in queries.items()
            for match in prepared.GetSubstructMatches(query, maxMatches=10_000)
        ]

    return cut


def _by_function(function: Callable[[Chem.Mol], Any]) -> Cut:
    def cut(mol: Chem.Mol) -> Fragments:
        found = function(Chem.Mol(mol))
        if not isinstance(found, Mapping):
            raise InputError(
                f"the function {brief(function)} returned {brief(found)}; let it return a mapping "
                f"name → indices of atoms"
            )
        return [(str(name), [int(at) for at in atoms]) for name, atoms in found.items()]

    return cut


def _brics(mol: Chem.Mol) -> Fragments:
    prepared = _prepared(mol)
    cuts = [mol.GetBondBetweenAtoms(*ends).GetIdx() for ends, _ in BRICS.FindBRICSBonds(prepared)]  # type: ignore[no-untyped-call]
    return _named(mol, _parts(mol, set(cuts)))


def _murcko(mol: Chem.Mol) -> Fragments:
    prepared = _prepared(mol)
    for atom in prepared.GetAtoms():
        atom.SetIntProp(_INDEX, atom.GetIdx())
    scaffold = MurckoScaffold.GetScaffoldForMol(prepared)  # type: ignore[no-untyped-call]
    core = {atom.GetIntProp(_INDEX) for atom in scaffold.GetAtoms()}
    core |= {atom for atom in range(mol.GetNumAtoms()) if _heavy(mol, atom) in core}
    ends = ((b.GetIdx(), b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds())
    cuts = {bond for bond, first, second in ends if (first in core) != (second in core)}
    parts = _parts(mol, cuts)
    chains = _named(mol, [part for part in parts if not core & set(part)])
    kind = "side chain" if core else "chain"
    scaffolds: Fragments = [("scaffold", part) for part in parts if core & set(part)]
    return [*scaffolds, *((f"{kind} {name}", part) for name, part in chains)]


def _functional(mol: Chem.Mol) -> Fragments:
    """The groups of Ertl's algorithm: connected atoms of those that he marks."""
    prepared = _prepared(mol)
    marked = {a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() not in (1, 6)}
    for match in prepared.GetSubstructMatches(_UNSATURATED):
        marked |= set(match)
    for match in prepared.GetSubstructMatches(_ACETAL):
        marked.add(match[0])
    for match in prepared.GetSubstructMatches(_SMALL_RINGS):
        marked |= set(match)
    marked |= {atom for atom in range(mol.GetNumAtoms()) if _heavy(mol, atom) in marked}
    ends = ((b.GetIdx(), b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds())
    cuts = {bond for bond, first, second in ends if not {first, second} <= marked}
    return _named(mol, [part for part in _parts(mol, cuts) if set(part) <= marked], hydrogens=True)


_CUTS: dict[str, Cut | None] = {
    "brics": _brics,
    "murcko": _murcko,
    "functional": _functional,
    "each": None,
}


def _heavy(mol: Chem.Mol, atom: int) -> int:
    """The atom that a hydrogen is bound to; of another atom, and of a lone one, itself."""
    own = mol.GetAtomWithIdx(atom)
    near = own.GetNeighbors() if own.GetAtomicNum() == 1 else ()
    return int(near[0].GetIdx()) if near else atom


def _parts(mol: Chem.Mol, cuts: set[int]) -> list[list[int]]:
    """The connected parts of a molecule without some of its bonds, in the order of their atoms."""
    part = list(range(mol.GetNumAtoms()))

    def root(atom: int) -> int:
        while part[atom] != atom:
            part[atom] = part[part[atom]]
            atom = part[atom]
        return atom

    for bond in mol.GetBonds():
        if bond.GetIdx() not in cuts:
            first, second = root(bond.GetBeginAtomIdx()), root(bond.GetEndAtomIdx())
            part[max(first, second)] = min(first, second)
    found: dict[int, list[int]] = {}
    for atom in range(mol.GetNumAtoms()):
        found.setdefault(root(atom), []).append(atom)
    return list(found.values())


def _named(mol: Chem.Mol, parts: Iterable[Sequence[int]], *, hydrogens: bool = False) -> Fragments:
    """Parts with their SMILES as names."""
    prepared = _prepared(mol)
    found: Fragments = []
    for part in parts:
        heavy = [atom for atom in part if _heavy(mol, atom) == atom] or list(part)
        symbols = [_symbol(atom) for atom in prepared.GetAtoms()] if hydrogens else None
        name = Chem.MolFragmentToSmiles(prepared, heavy, atomSymbols=symbols)
        # The order of atoms in the name of a part must not depend on the molecule around it.
        own = Chem.MolFromSmiles(name, sanitize=False)
        if own is not None:
            name = Chem.MolToSmiles(own, allHsExplicit=hydrogens)
        found.append((name, part))
    return found


def _symbol(atom: Chem.Atom) -> str:
    """Element, hydrogens and charge: ``"[OH]"`` of a hydroxyl and ``"[O]"`` of an ether."""
    element = atom.GetSymbol().lower() if atom.GetIsAromatic() else atom.GetSymbol()
    number, charge = atom.GetTotalNumHs(includeNeighbors=True), atom.GetFormalCharge()
    hydrogens = "H" * bool(number) + (str(number) if number > 1 else "")
    return f"[{element}{hydrogens}{f'{charge:+d}' if charge else ''}]"


def _prepared(mol: Chem.Mol) -> Chem.Mol:
    """A copy whose rings and valences are known, as matching needs them."""
    copy = Chem.Mol(mol)
    copy.UpdatePropertyCache(strict=False)
    Chem.GetSymmSSSR(copy)
    return copy
