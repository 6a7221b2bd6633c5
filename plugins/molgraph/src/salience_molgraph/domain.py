"""The domain of molecules: reads molecules as graphs and collates them into arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rdkit import Chem, rdBase
from rdkit.Chem import rdMolInterchange

from salience import Batch, Domain, InputError, Layout
from salience_molgraph import collate, pyg
from salience_molgraph.fields import DEFAULTS, make_layout
from salience_molgraph.graph import AtomFeatures, Graph, from_mol
from salience_molgraph.reading import Source, is_graph, own_mol, sources


@dataclass(frozen=True)
class MolGraph(Domain):
    """The domain of molecules, as graphs of atoms and bonds.

    The data is a SMILES string, an RDKit molecule, a PyG ``Data`` or an iterable of these; a PyG
    ``Batch``; the path of an .sdf, .smi or .csv file; or a table with a ``smiles`` column. Every
    item keeps its own atom order. The user's molecules are copied, never changed.

    A field is an argument of the model. B is the number of molecules of a batch, E the number of
    all their atoms, D the number of their directed bonds (two per bond) and N the number of atoms
    of the largest molecule:

    ================== ==================== =====================================================
    field              shape                meaning
    ================== ==================== =====================================================
    ``atoms``          (E,) or (E, C)       labels, or what ``atom_features`` returns
    ``edge_index``     (2, D) int64         the two atoms of each bond
    ``bond_type``      (D,) int64           position in ``bond_types``
    ``owner``          (E,) int64           the molecule of each atom (``batch`` is the same)
    ``n_molecules``    int                  B
    ``x``, ``z``       (E, C), (E,)         PyG's features and atomic numbers
    ``pos``            (E, 3)               coordinates of the conformer, in Å
    ``edge_attr``      (D, C)               PyG's features of bonds; (D, 1) bond types from RDKit
    ``adjacency``      (B, N, N)            dense form: 1 where there is a bond
    ``bond_adjacency`` (B, T, N, N)         dense form: the same for each of T bond types
    ``mask``           (B, N) bool          dense form: real positions; atoms are padded with 0
    ================== ==================== =====================================================

    Args:
        form: ``"ragged"`` for models that take the concatenated atoms of all molecules,
            ``"dense"`` for models that take arrays padded to the largest molecule of the batch,
            ``"pyg"`` for models that take one PyG ``Data``.
        atom_features: ``"labels"`` for atomic numbers, int64, which an embedding layer reads; or
            a function of an RDKit molecule that returns float features of shape (n, C).
        fields: The fields that the model takes, in the order of its arguments. Where empty:
            ``atoms, edge_index, owner`` for ragged, ``atoms, adjacency, mask`` for dense and
            ``x, edge_index, edge_attr, batch`` for pyg.
        bond_types: RDKit's names of the bond types; the number of a type is its position here.
        add_hs: Whether hydrogens are made explicit when molecules are read.
        target: The default target variable. Where empty: the module ``embed`` with labels, the
            input with float features.
        output: The default output variable.

    Raises:
        InputError: A setting is unknown, or the form is ``"pyg"`` and PyG is not installed.
    """

    visualizer: ClassVar[str] = "molecule"

    form: str = "ragged"
    atom_features: str | AtomFeatures = "labels"
    fields: Sequence[str] = ()
    bond_types: Sequence[str] = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
    add_hs: bool = False
    target: str = ""
    output: str = "value"

    def __post_init__(self) -> None:
        labels = isinstance(self.atom_features, str)
        if labels and self.atom_features != "labels":
            raise InputError(
                f"unknown atom_features={self.atom_features!r}; pass 'labels' or a function of a "
                f"molecule that returns float features of shape (atoms, C)"
            )
        fields = (self.fields,) if isinstance(self.fields, str) else tuple(self.fields)
        object.__setattr__(self, "fields", fields or DEFAULTS.get(self.form, ("atoms",)))
        object.__setattr__(self, "bond_types", tuple(self.bond_types))
        object.__setattr__(self, "target", self.target or ("embed" if labels else "input"))
        _ = self.layout  # raises InputError for an unknown form or field
        for kind in self.bond_types:
            if kind not in Chem.BondType.names:
                raise InputError(
                    f"unknown bond type {kind!r} in bond_types; pass names of RDKit's BondType, "
                    f"such as SINGLE, DOUBLE, TRIPLE, AROMATIC or DATIVE"
                )
        if self.form == "pyg":
            pyg.check_installed()

    @property
    def layout(self) -> Layout:
        """Layout of the fields."""
        labels = isinstance(self.atom_features, str)
        return make_layout(self.form, self.fields, labels=labels)

    def read(self, data: Any) -> list[Graph]:
        """Read the molecules and convert each to a :class:`Graph`.

        Raises:
            InputError: There are no molecules; a molecule cannot be parsed, has no atoms or lacks
                data that a field needs; or molecules differ in their number of features. A message
                about a molecule names the item.
        """
        graphs: list[Graph] = []
        problems: list[tuple[int, str]] = []
        with rdBase.BlockLogs():
            for number, source in enumerate(sources(data, remove_hs=not self.add_hs)):
                try:
                    graphs.append(self._graph(source))
                except InputError as error:
                    problems.append((number, f"item {number}{source.where} {error}"))
        if problems:
            rest = ", ".join(str(number) for number, _ in problems[1:11])
            more = f" ({len(problems) - 1} more cannot be served: items {rest})" if rest else ""
            raise InputError(problems[0][1] + more)
        if not graphs:
            raise InputError("there are no molecules in this data; pass at least one")
        self._check_alike(graphs)
        return graphs

    def collate(self, samples: Sequence[Graph]) -> Batch:
        """Collate graphs into one batch on the CPU; annotations hold ``mol`` and ``name``."""
        notes = tuple({"mol": graph.mol, "name": graph.name} for graph in samples)
        if self.form == "dense":
            padded = collate.dense(samples, self.layout, len(self.bond_types))
            return Batch(padded, self.layout, len(samples), annotations=notes)
        arguments, counts = collate.ragged(samples, self.layout)
        return Batch(arguments, self.layout, len(samples), counts, annotations=notes)

    def size(self, sample: Graph) -> int:
        """Number of atoms of one item."""
        return sample.n_atoms

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Pass the fields by position or, in the form ``"pyg"``, as one PyG batch."""
        if self.form == "pyg":
            return (pyg.to_data(values, self.fields),), {}
        return tuple(values[name] for name in self.fields), {}

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """Convert an annotation's molecule to RDKit's JSON, which keeps order and coordinates."""
        mol = annotation["mol"]
        return {**annotation, "mol": None if mol is None else rdMolInterchange.MolToJSON(mol)}

    def decode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """Restore an annotation from what :meth:`encode` returned."""
        text = annotation["mol"]
        return {**annotation, "mol": None if text is None else _from_json(text)}

    def _graph(self, source: Source) -> Graph:
        value, name = source.value, source.name
        if source.problem:
            raise InputError(f"was refused: {source.problem}; mend it or leave it out")
        if is_graph(value):
            return pyg.from_data(value, self.fields, self.atom_features, tuple(self.bond_types))
        mol, name = own_mol(value, name, add_hs=self.add_hs)
        return from_mol(mol, name, self.fields, self.atom_features, tuple(self.bond_types))

    def _check_alike(self, graphs: Sequence[Graph]) -> None:
        """Check that in each field all items have the same number of features.

        Raises:
            InputError: An item differs from item 0.
        """
        first = graphs[0].tensors
        for number, graph in enumerate(graphs):
            for name, tensor in graph.tensors.items():
                if name == "edge_index" or name not in first:
                    continue
                if tensor.shape[1:] != first[name].shape[1:]:
                    raise InputError(
                        f"item {number} has {tensor.shape[1:].numel()} features an element in "
                        f"{name!r}, but item 0 has {first[name].shape[1:].numel()}; "
                        f"make them the same"
                    )


def _from_json(text: str) -> Chem.Mol:
    mol: Chem.Mol = rdMolInterchange.JSONToMols(text)[0]
    # RDKit's JSON omits conjugation and hybridization, which the 2-D layout of a drawing needs, as
    # for straight alkynes.
    Chem.SetConjugation(mol)
    Chem.SetHybridization(mol)
    return mol
