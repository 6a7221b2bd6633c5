"""The domain of molecules: reads molecules as graphs and collates them into arguments."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from rdkit import Chem, rdBase
from torch import Tensor

from salience import Batch, BrokenItems, Domain, Explanation, InputError, Layout, names_of
from salience.errors import brief
from salience_molgraph import collate, nodes, pyg, pyg_batch
from salience_molgraph.attributes import Attributes
from salience_molgraph.fields import DEFAULTS, MADE, make_layout
from salience_molgraph.graph import AtomFeatures, Graph, from_mol
from salience_molgraph.payload import payload_of
from salience_molgraph.properties import check_found, properties_of
from salience_molgraph.reading import SUFFIXES, Hydrogens, Source, is_missing, own_mol, sources
from salience_molgraph.saving import BESIDE, from_json, to_json
from salience_molgraph.survey import survey


@dataclass(frozen=True)
class MolGraph(Domain):
    """The domain of molecules, as graphs of atoms and bonds.

    The data is a SMILES string, an RDKit molecule, a PyG ``Data``, the path of an .sdf, .smi or
    .csv file, or an iterable of these; a PyG ``Batch``; or a table with a ``smiles`` column. Every
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

    In the form ``"pyg"`` the model takes a batch of PyG's own class with all the attributes of the
    user's graphs, collated by ``Batch.from_data_list``. Which attribute is by atom, by bond, by
    graph or of a length of its own is read from the data, as ``__cat_dim__`` and ``__inc__`` say,
    and each floating-point attribute can be a target variable.

    Args:
        form: ``"ragged"`` for models that take the concatenated atoms of all molecules,
            ``"dense"`` for models that take arrays padded to the largest molecule of the batch,
            ``"pyg"`` for models that take one PyG ``Batch``.
        atom_features: ``"labels"`` for atomic numbers, int64, which an embedding layer reads; or
            a function of an RDKit molecule that returns float features of shape (n, C).
        fields: The fields that the model takes, in the order of its arguments. Where empty:
            ``atoms, edge_index, owner`` for ragged and ``atoms, adjacency, mask`` for dense. In
            the form ``"pyg"``: what PyG graphs must hold, and what is made of other molecules;
            for these ``x, edge_index, edge_attr, batch`` where empty.
        bond_types: RDKit's names of the bond types; the number of a type is its position here.
        add_hs: Whether all hydrogens become atoms when molecules are read, behind the others.
        remove_hs: Whether hydrogens that a molecule holds as atoms are taken out when molecules are
            read, where RDKit can. Otherwise those that a file or a SMILES string names stay, in
            their order, and it is told.
        target: The default target variable. Where empty: ``x`` in the form ``"pyg"``, otherwise
            the module ``embed`` with labels and the input with float features.
        output: The default output variable.
        node: For models that return one row an atom: the atom whose row is explained, from 0; one
            number for all graphs, or one for each.
        follow_batch: In the form ``"pyg"``: attributes whose batch vectors the model takes, as for
            PyG's ``DataLoader``.
        on_error: ``"raise"`` refuses data with molecules that cannot be read, and names them all;
            ``"skip"`` goes on without them and tells which.
        id_column: Column of a table or CSV file that says what each molecule is called. Where
            ``None``, molecules are called by the index of a frame or series that does not just
            count them, else by their titles, else by their SMILES.
        properties: Measured values and the like, which pictures name and ``annotations`` hold:
            columns of a table or CSV file, data fields of an SDF file, properties of RDKit
            molecules, attributes of PyG graphs.

    Raises:
        InputError: A setting is unknown, or the form is ``"pyg"`` and PyG is not installed.
    """

    visualizer: ClassVar[str] = "molecule"
    suffixes: ClassVar[Sequence[str]] = SUFFIXES
    per_item: ClassVar[tuple[str, ...]] = ("node",)

    form: str = "ragged"
    atom_features: str | AtomFeatures = "labels"
    fields: Sequence[str] = ()
    bond_types: Sequence[str] = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
    add_hs: bool = False
    remove_hs: bool = False
    target: Any = ""
    output: Any = "value"
    node: int | Sequence[int] | None = None
    follow_batch: Sequence[str] = ()
    on_error: str = "raise"
    id_column: str | None = None
    properties: Sequence[str] = ()
    _attributes: Attributes | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        labels = isinstance(self.atom_features, str)
        if self.atom_features != "labels" if labels else not callable(self.atom_features):
            raise InputError(
                f"unknown atom_features={brief(self.atom_features)}; pass 'labels' or a function "
                f"of a molecule that returns float features of shape (atoms, C)"
            )
        BrokenItems(self.on_error)  # raises InputError for an unknown setting
        if self.add_hs and self.remove_hs:
            raise InputError("add_hs and remove_hs contradict each other; set one of them")
        for name in ("fields", "follow_batch", "properties"):
            given = getattr(self, name)
            many = (given,) if isinstance(given, str) else given
            object.__setattr__(self, name, names_of(many, name))
        pyg_form = self.form == "pyg"
        if not pyg_form:
            object.__setattr__(self, "fields", self.fields or DEFAULTS.get(self.form, ()))
        object.__setattr__(self, "bond_types", names_of(self.bond_types, "bond_types"))
        object.__setattr__(self, "node", nodes.checked(self.node))
        own = "x" if pyg_form else "embed" if labels else "input"
        if isinstance(self.target, str) and not self.target:
            object.__setattr__(self, "target", own)
        _ = self.layout  # raises InputError for an unknown form or field
        for kind in self.bond_types:
            if kind not in Chem.BondType.names:
                raise InputError(
                    f"unknown bond type {brief(kind)} in bond_types; pass names of RDKit's "
                    f"BondType, such as SINGLE, DOUBLE, TRIPLE, AROMATIC or DATIVE"
                )
        if self.follow_batch and not pyg_form:
            raise InputError(
                f"follow_batch={self.follow_batch} needs form='pyg'; name 'owner' in fields for "
                f"the molecule of each atom"
            )
        if pyg_form:
            pyg.check_installed()

    @property
    def layout(self) -> Layout:
        """Layout of the fields; in the form ``"pyg"``, after :meth:`fitted`, of the attributes."""
        has_node = self.node is not None
        if self._attributes is not None:
            return self._attributes.layout(node=has_node)
        labels = isinstance(self.atom_features, str)
        return make_layout(self.form, self.fields, labels=labels, node=has_node)

    @property
    def needs_data(self) -> bool:
        """Whether the layout depends on the attributes of graphs that were not read yet."""
        return self.form == "pyg" and self._attributes is None

    def fitted(self, samples: Sequence[Graph]) -> MolGraph:
        """This domain with the layout of the graphs' attributes."""
        if not self.needs_data:
            return self
        made = copy.copy(self)
        object.__setattr__(made, "_attributes", self._survey(samples))
        return made

    def read(self, data: Any) -> list[Graph]:
        """Read the molecules and convert each to a :class:`Graph`.

        Raises:
            InputError: There are no molecules; a molecule cannot be parsed, has no atoms or lacks
                data that a field needs; molecules differ in their number of features; or no
                molecule has one of ``properties``. A message about a molecule names the item.
        """
        graphs = self.read_like(data, {})
        mols = (graph.mol for graph in graphs if graph.mol is not None)
        check_found([graph.properties for graph in graphs], self.properties, mols)
        return graphs

    def read_like(self, data: Any, dataset_info: Mapping[str, Any]) -> list[Graph]:
        """Read further molecules, of which none need have the properties of the first."""
        graphs: list[Graph] = []
        kept: list[int] = []
        names: dict[int, Any] = {}
        broken, hydrogens = BrokenItems(self.on_error), Hydrogens()
        number = -1
        with rdBase.BlockLogs():
            for number, source in enumerate(self._sources(data)):
                try:
                    graph = replace(self._graph(source), id=source.id)
                    own = properties_of(source.value, source.row, self.properties)
                    graphs.append(replace(graph, properties=own) if own else graph)
                except InputError as error:
                    broken.add(number, f"item {number}{source.where} {error}")
                    names[number] = source.called()
                else:
                    kept.append(number)
                    hydrogens.see(number, source, graphs[-1].mol)
        broken.settle(number + 1, names)
        if not graphs:
            raise InputError("there are no molecules in this data; pass at least one")
        self._check_alike(graphs)
        if self.form == "pyg":
            self._survey(graphs)
        if not self.add_hs:
            hydrogens.report()
        return nodes.given_to(graphs, self.node, kept, number + 1)

    def collate(self, samples: Sequence[Graph]) -> Batch:
        """Collate graphs into one batch on the CPU; annotations say what pictures need."""
        domain = self.fitted(samples)
        has_bonds = any(
            "bond" in field.axes and name != "edge_index"
            for name, field in domain.layout.fields.items()
        )
        notes = tuple(graph.note(has_bonds=has_bonds) for graph in samples)
        counts: dict[str, Tensor] = {}
        arguments: dict[str, Any]
        if domain._attributes is not None:
            data = [graph.data for graph in samples]
            arguments, counts = pyg_batch.collated(data, domain._attributes)
        elif self.form == "dense":
            arguments = collate.dense(samples, self.layout, len(self.bond_types))
        else:
            arguments, counts = collate.ragged(samples, self.layout)
        if self.node is not None:
            arguments |= nodes.arguments(samples, counts.get("atom"))
        return Batch(arguments, domain.layout, len(samples), counts, annotations=notes)

    def size(self, sample: Graph) -> int:
        """Number of atoms of one item."""
        if self._attributes is not None:
            return self._attributes.length(sample.data, self._attributes.elements[0])
        return sample.n_atoms

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Pass the fields by position or, in the form ``"pyg"``, as one PyG batch."""
        if self._attributes is not None:
            return (pyg_batch.to_batch(values, self._attributes),), {}
        return tuple(values[name] for name in self.fields), {}

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        """The rows of the atoms that ``node`` names, where the model returns one row an atom."""
        return output if self.node is None else nodes.rows(output, values)

    def ids(self, samples: Sequence[Any]) -> Sequence[Any] | None:
        """Entries of the ``id_column`` or of an index; else titles of molecules, or their SMILES.

        PyG data without ``name`` and ``smiles`` has no name.
        """
        return [graph.name if is_missing(graph.id) else graph.id for graph in samples]

    def dataset_info(self, samples: Sequence[Graph]) -> dict[str, Any]:
        """The axes of each argument (``"axes"``), of which a picture shows those by atom."""
        layout = self.fitted(samples).layout
        axes = {name: list(spec.axes) for name, spec in layout.fields.items()}
        return {"axes": axes | {"input": axes[layout.main]}}

    def positions(
        self, annotation: Mapping[str, Any], axes: tuple[str, ...]
    ) -> Mapping[str, Sequence[Any]]:
        """Element and neighbours of each atom, or the two atoms of each directed bond.

        Args:
            annotation: The annotation of the item.
            axes: Names of the axes of its saliency: ``("atom",)`` or ``("bond",)``.
        """
        mol = annotation.get("mol")
        if mol is None or axes not in (("atom",), ("bond",)):
            return {}
        if axes == ("atom",):
            atoms = [mol.GetAtomWithIdx(i) for i in range(mol.GetNumAtoms())]
            near = [sorted(other.GetIdx() for other in atom.GetNeighbors()) for atom in atoms]
            return {
                "element": [atom.GetSymbol() for atom in atoms],
                "neighbours": [" ".join(map(str, own)) for own in near],
            }
        if "edges" in annotation:  # in the order of the user's graph
            start, end = torch.as_tensor(annotation["edges"]).tolist()
            return {"from_atom": start, "to_atom": end}
        bonds = [mol.GetBondWithIdx(i) for i in range(mol.GetNumBonds())]
        first = [bond.GetBeginAtomIdx() for bond in bonds]
        second = [bond.GetEndAtomIdx() for bond in bonds]
        return {"from_atom": [*first, *second], "to_atom": [*second, *first]}

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """Convert an annotation's molecule to RDKit's JSON and what that omits (:mod:`saving`).

        Raises:
            InputError: The molecule has query features that a file does not keep.
        """
        mol = annotation["mol"]
        return {**annotation, **({"mol": None} if mol is None else to_json(mol))}

    def decode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """Restore an annotation from what :meth:`encode` returned."""
        made = {k: v for k, v in annotation.items() if k not in BESIDE}
        if made["mol"] is not None:
            made["mol"] = from_json(annotation)
        return made

    def payload(self, explanation: Explanation, item: int) -> Mapping[str, Any] | None:
        """Atoms and bonds in the plane, for reports."""
        return payload_of(explanation, item)

    def _graph(self, source: Source) -> Graph:
        value, name = source.value, source.name
        if source.problem:
            raise InputError(f"was refused: {source.problem}; mend it or leave it out")
        if pyg.is_pyg(value):
            if self.form == "pyg":
                return pyg.read_graph(value, self.fields, self.atom_features)
            return pyg.from_data(value, self.fields, self.atom_features, tuple(self.bond_types))
        mol, name = own_mol(value, name, add_hs=self.add_hs, remove_hs=self.remove_hs)
        fields = self.fields or DEFAULTS[self.form]
        made = from_mol(mol, name, fields, self.atom_features, tuple(self.bond_types))
        lacking = [name for name in fields if name not in MADE and name not in made.tensors]
        if lacking:
            raise InputError(
                f"is a molecule, of which {lacking[0]!r} cannot be made; pass PyG Data that holds "
                f"it, or leave it out of fields"
            )
        if self.form != "pyg":
            return made
        return replace(made, data=pyg.made_graph(made.tensors, fields, made.n_atoms))

    def _sources(self, data: Any) -> Iterator[Source]:
        """Yield the items of the data, and each graph of a PyG batch as an item."""
        given = [data] if pyg.is_pyg(data) else data
        if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not _iterates(data):
            given = (data[i] for i in range(len(data)))  # torch's Subset, as of random_split
        for source in sources(given, self.id_column, self.properties):
            for value in pyg.graphs_of(source.value, self.follow_batch):
                yield replace(source, value=value)

    def _survey(self, graphs: Sequence[Graph]) -> Attributes:
        return survey([graph.data for graph in graphs], self.follow_batch, self._attributes)

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


def _iterates(data: Any) -> bool:
    return hasattr(type(data), "__iter__")
