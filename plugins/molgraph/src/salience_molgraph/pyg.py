"""PyTorch Geometric (PyG): reads and checks its graphs.

``torch_geometric`` is imported only where a graph is made.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import Any

import torch
from rdkit import Chem
from torch import Tensor

from salience import InputError, tell
from salience.errors import an
from salience_molgraph.attributes import n_nodes
from salience_molgraph.fields import FIELDS, MADE
from salience_molgraph.graph import AtomFeatures, Graph, from_mol
from salience_molgraph.identity import molecule_of

#: Field → the attribute of ``Data`` that holds it, where the names differ.
_ATTRIBUTES = {"bond_type": "edge_type"}
_FROM_GRAPH = {*MADE, "edge_index"} - {"bond_adjacency"}
_NAME_FIELDS = (
    "name in fields=(...) what the graphs hold and the model takes, "
    "e.g. fields=('x', 'edge_index', 'batch')"
)
#: Attributes that a model computes with, and that therefore must be finite.
_FINITE = ("x", "pos", "edge_attr", "edge_weight")


def check_installed() -> None:
    """Check that PyG is installed.

    Raises:
        InputError: PyG is not installed.
    """
    if find_spec("torch_geometric") is None:
        raise InputError(
            "form='pyg' needs PyTorch Geometric, which is not installed; "
            "run pip install salience-molgraph[pyg], or pass form='ragged' or form='dense'"
        )


def is_pyg(value: Any) -> bool:
    """Whether a value is one of PyG's graphs or batches, checked without an import of PyG."""
    return any(base.__name__ == "BaseData" for base in type(value).__mro__)


def graphs_of(value: Any, followed: Collection[str]) -> list[Any]:
    """The graphs of a PyG batch; any other value, or a batch that PyG cannot split, alone.

    Args:
        value: Any value.
        followed: Attributes whose batch vectors the model gets.

    Raises:
        InputError: The batch holds batch vectors of further attributes.
    """
    if not _is_batch(value):
        return [value]
    names = set(value.keys())
    lost = {name for name in names if f"{name}_batch" in names} - set(followed)
    if lost:
        raise InputError(
            f"a Batch holds batch vectors of {sorted(lost)}, which its graphs do not; pass "
            f"domain=MolGraph('pyg', follow_batch={tuple(sorted(lost))}) to have them made"
        )
    try:
        return list(value.to_data_list())
    except (RuntimeError, KeyError, AttributeError):
        return [value]  # refused by check_graph, which names the item


def _is_batch(value: Any) -> bool:
    return is_pyg(value) and hasattr(value, "to_data_list")


def check_graph(data: Any) -> None:
    """Check that a PyG object is one graph with one kind of node.

    Raises:
        InputError: The graph is heterogeneous or temporal, or several graphs in one object.
    """
    if _is_batch(data):
        raise InputError(
            "is a Batch that PyG cannot split into its graphs; make it by Batch.from_data_list, "
            "or pass the list of its graphs"
        )
    if not any(base.__name__ == "Data" for base in type(data).__mro__):
        raise InputError(
            f"is {an(type(data).__name__)}, whose nodes and edges are of several types or times; "
            f"pass graphs of the class Data, as HeteroData.to_homogeneous() makes them"
        )
    owner = data.get("batch")
    if isinstance(owner, Tensor) and owner.numel() and bool((owner != owner[0]).any()):
        number = len(set(owner.tolist()))
        raise InputError(
            f"has a batch vector of {number} graphs; pass its graphs one by one, as a list of Data "
            f"or as a Batch made by Batch.from_data_list"
        )


def read_graph(data: Any, fields: Collection[str], atom_features: str | AtomFeatures) -> Graph:
    """Read a PyG graph for a model that takes PyG's own batch, with all its attributes.

    Args:
        data: The graph, which is not changed.
        fields: Attributes that must be there.
        atom_features: See :class:`salience_molgraph.MolGraph`.

    Raises:
        InputError: The graph has no atoms, lacks an attribute, or an attribute has a wrong index or
            holds NaN or infinity.
    """
    check_graph(data)
    for name in fields:
        attribute = _ATTRIBUTES.get(name, name)
        if name not in _FROM_GRAPH and attribute not in data:
            raise InputError(f"has no {attribute!r}; {_NAME_FIELDS}")
    own = _prepared(data)
    number = n_nodes(own)
    if number == 0:
        raise InputError("is a molecule without atoms; leave it out")
    labels = own.get("z")
    if number is not None and isinstance(labels, Tensor) and labels.shape[:1] != (number,):
        raise InputError(
            f"has z of shape {tuple(labels.shape)}, but PyG counts {number} nodes; "
            f"set num_nodes in its Data"
        )
    for name in {*_FINITE, *fields}:
        value = own.get(name)
        if isinstance(value, Tensor):
            _check_finite(name, value)
    if "edge_index" not in own or number is None:
        return Graph(None, _name(data), number or 1, {}, data=own)
    edges = own["edge_index"]
    if torch.as_tensor(own.__inc__("edge_index", edges)).eq(number).all():
        edges = _checked_edges(edges, number)
    mol, problem = molecule_of(own, number, edges, atom_features)
    return Graph(mol, _name(data), number, {}, data=own, problem=problem)


def made_graph(tensors: Mapping[str, Tensor], fields: Collection[str], n_atoms: int) -> Any:
    """A PyG ``Data`` of the requested fields of a molecule."""
    from torch_geometric.data import Data

    held: dict[str, Any] = {n: tensors[n] for n in fields if n in tensors and n not in _FROM_GRAPH}
    held |= {"edge_type": held.pop("bond_type")} if "bond_type" in held else {}
    if not {"x", "pos"} & set(held):
        held["num_nodes"] = n_atoms
    return Data(edge_index=tensors["edge_index"], **held)


def from_data(
    data: Any,
    fields: Collection[str],
    atom_features: str | AtomFeatures,
    bond_types: tuple[str, ...],
) -> Graph:
    """Convert a PyG ``Data`` to a graph with the requested fields.

    The atoms keep their order. The molecule to draw is ``data.mol`` or is parsed from
    ``data.smiles``; it is ``None`` unless it is proven to be the graph's.

    Args:
        data: The PyG graph.
        fields: Names of the requested fields.
        atom_features: ``"labels"`` or a function, see :class:`salience_molgraph.MolGraph`.
        bond_types: Names of the bond types; the number of a type is its position here.

    Raises:
        InputError: The graph has no atoms, or a field is missing, has a wrong shape, type or index,
            or holds NaN or infinity.
    """
    check_graph(data)
    n_atoms = _n_atoms(data)
    if n_atoms == 0:
        raise InputError("is a molecule without atoms; leave it out")
    edges = torch.zeros(2, 0, dtype=torch.int64)
    if "edge_index" in data or not {"edge_index", "adjacency", "bond_adjacency"}.isdisjoint(fields):
        edges = _checked_edges(data.edge_index, n_atoms)
    mol, problem = molecule_of(data, n_atoms, edges, atom_features)
    tensors = {"edge_index": edges}
    for name in fields:
        if name == "atoms":
            tensors[name] = _atoms(data, mol, atom_features)
        elif name == "bond_adjacency":
            kinds = _attribute(data, "bond_type", n_atoms, edges.shape[1]).long()
            if kinds.numel() and not 0 <= int(kinds.min()) <= int(kinds.max()) < len(bond_types):
                raise InputError(
                    f"has an edge_type beyond the {len(bond_types)} kinds of "
                    f"bond_types={bond_types}; number the kinds from 0, or name more of them"
                )
            tensors["bond_type"] = kinds
        elif name not in _FROM_GRAPH:
            tensors[name] = _attribute(data, name, n_atoms, edges.shape[1])
    if "edge_weight" in data and "edge_weight" not in fields and edges.numel():
        tell(
            "The graphs hold edge_weight, which fields does not name, so that the model is run "
            "without it; name it in fields, or pass form='pyg' for a model of PyG batches."
        )
    return Graph(mol, _name(data), n_atoms, tensors, problem=problem)


def _prepared(data: Any) -> Any:
    """Shallow copy of a graph with plain tensors on the CPU, without ``batch`` and ``ptr``."""
    own = copy.copy(data)
    number = n_nodes(data)
    for name in list(own.keys()):
        value = own[name]
        if name in ("batch", "ptr"):
            del own[name]
        elif isinstance(value, Tensor):
            own[name] = _plain(value)
    if number is not None and not {"x", "pos", "num_nodes"} & set(own.keys()):
        own.num_nodes = number  # so that PyG does not guess it anew for each batch, and warn
    return own


def _plain(value: Tensor) -> Tensor:
    """A plain tensor on the CPU; PyG's EdgeIndex and Index keep facts that rows of them lack."""
    plain: Tensor = value.as_tensor() if hasattr(value, "as_tensor") else value
    return plain.detach().cpu()


def _name(data: Any) -> str:
    name = getattr(data, "name", None)
    return name if isinstance(name, str) and name else str(getattr(data, "smiles", None) or "")


def _checked_edges(given: Any, n_atoms: int) -> Tensor:
    if not isinstance(given, Tensor) or given.ndim != 2 or len(given) != 2:
        raise InputError("has no edge_index of shape (2, bonds); pass Data with one")
    edges = _plain(given).long()
    if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < n_atoms:
        worst = int(edges.min()) if int(edges.min()) < 0 else int(edges.max())
        raise InputError(
            f"has an edge_index that names atom {worst} of {n_atoms}; "
            f"number the atoms from 0 to {n_atoms - 1}"
        )
    return edges


def _check_finite(name: str, value: Tensor) -> None:
    if value.is_floating_point() and not value.isfinite().all():
        raise InputError(f"has {name!r} that is NaN or infinite; mend it")


def _n_atoms(data: Any) -> int:
    """Number of atoms: the length of ``x``, ``z`` or ``pos``, otherwise PyG's number of nodes.

    PyG does not use ``z`` for its number of nodes, and so misses atoms without bonds.
    """
    for name in ("x", "z", "pos"):
        if isinstance(getattr(data, name, None), Tensor):
            return len(getattr(data, name))
    return n_nodes(data) or 0


def _atoms(data: Any, mol: Chem.Mol | None, atom_features: str | AtomFeatures) -> Tensor:
    """Values of the field ``atoms``: int64 labels of shape (n,), or float features (n, C).

    Raises:
        InputError: ``atom_features`` is a function and there is no molecule, or there are no
            integer labels.
    """
    if not isinstance(atom_features, str):
        if mol is None:
            raise InputError(
                "has no molecule for atom_features to look at; give its Data a smiles whose atoms "
                "are in its own order, or name the field 'x' in place of 'atoms'"
            )
        return from_mol(mol, "", ("atoms",), atom_features, ()).tensors["atoms"]
    labels = data.z if getattr(data, "z", None) is not None else getattr(data, "x", None)
    if isinstance(labels, Tensor) and not labels.is_floating_point():
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.ndim == 1:
            return labels.detach().cpu().long()
    raise InputError(
        "has neither integer z of shape (atoms,) nor integer x of shape (atoms, 1) for the field "
        "'atoms'; name the field 'x' in place of 'atoms' to pass x as it is"
    )


def _attribute(data: Any, name: str, n_atoms: int, n_bonds: int) -> Tensor:
    attribute = _ATTRIBUTES.get(name, name)
    axes = FIELDS[name].axes
    value = getattr(data, attribute, None)
    if not isinstance(value, Tensor):
        raise InputError(f"has no {attribute!r}; {_NAME_FIELDS}")
    length = n_atoms if axes[0] == "atom" else n_bonds
    if value.ndim != len(axes) or len(value) != length:
        raise InputError(
            f"has {attribute!r} of shape {tuple(value.shape)}, expected the axes {axes} "
            f"with {length} along {axes[0]!r}; reshape it"
        )
    value = value.detach().cpu()
    _check_finite(attribute, value)
    return value
