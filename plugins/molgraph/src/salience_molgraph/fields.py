"""The fields that a model of molecules may take, and how each field is indexed."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from salience import Field, InputError, Layout
from salience.errors import brief, nearest

#: Field name → how the field is indexed in a batch of concatenated molecules. The names from
#: ``edge_index`` on are PyG's.
FIELDS = MappingProxyType(
    {
        "atoms": Field(("atom",)),
        "bond_type": Field(("bond",)),
        "owner": Field(("atom",), refers_to="item"),
        "n_molecules": Field(counts="item"),
        "edge_index": Field(("end", "bond"), refers_to="atom"),
        "x": Field(("atom", "channel")),
        "z": Field(("atom",)),
        "pos": Field(("atom", "channel")),
        "edge_attr": Field(("bond", "channel")),
        "edge_weight": Field(("bond",)),
        "batch": Field(("atom",), refers_to="item"),
    }
)

#: Field name → how the field is indexed in a batch padded to its largest molecule.
PADDED = MappingProxyType(
    {
        "atoms": Field(("item", "atom"), mask="mask"),
        "x": Field(("item", "atom", "channel"), mask="mask"),
        "z": Field(("item", "atom"), mask="mask"),
        "pos": Field(("item", "atom", "channel"), mask="mask"),
        "adjacency": Field(("item", "from", "to")),
        "bond_adjacency": Field(("item", "bond_type", "from", "to")),
        "mask": Field(("item", "atom")),
    }
)

#: Form → the fields that the model takes by default.
DEFAULTS = MappingProxyType(
    {
        "ragged": ("atoms", "edge_index", "owner"),
        "dense": ("atoms", "adjacency", "mask"),
        "pyg": ("x", "edge_index", "edge_attr", "batch"),
    }
)

#: Fields that are made when molecules or graphs are collated.
MADE = frozenset(("owner", "batch", "n_molecules", "mask", "adjacency", "bond_adjacency"))

#: Form → fields that salience needs even where the model does not take them.
_ALWAYS = {"ragged": (), "dense": ("mask",), "pyg": ("batch", "n_molecules")}


#: Names of the arguments that hold the atom that is explained, and the number of all atoms.
NODE, N_ATOMS = "explained atom", "number of atoms"


def node_fields(*, dense: bool) -> dict[str, Field]:
    """Fields of the atom whose output is explained: its position, and the number of atoms."""
    if dense:
        return {NODE: Field(("item",))}
    return {NODE: Field(("item",), refers_to="atom"), N_ATOMS: Field(counts="atom")}


def make_layout(form: str, names: Sequence[str], *, labels: bool, node: bool) -> Layout:
    """Make the layout of a form, where it does not depend on the data.

    Args:
        form: ``"ragged"``, ``"dense"`` or ``"pyg"``.
        names: The fields that the model takes, in the order of its arguments.
        labels: Whether ``atoms`` are integers, without a channel axis.
        node: Whether each molecule has an atom whose output is explained.

    Raises:
        InputError: The form or a field is unknown, or a field is named twice.
    """
    if form not in DEFAULTS:
        raise InputError(f"unknown form {brief(form)}; {nearest(form, DEFAULTS)}")
    known = PADDED if form == "dense" else FIELDS
    for name in names:
        # PyG's graphs may hold attributes of any name.
        if name not in known and form != "pyg":
            raise InputError(
                f"form {brief(form)} has no field {name!r}; {nearest(name, known, 10)}"
            )
    names = names or DEFAULTS[form]
    if len(set(names)) != len(names):
        raise InputError(f"fields={tuple(names)} must name each field once")
    held = dict.fromkeys((*names, *_ALWAYS[form]))
    fields = {name: known[name] for name in held if name in known}
    if "atoms" in fields and not labels:
        spec = fields["atoms"]
        fields["atoms"] = Field((*spec.axes, "channel"), mask=spec.mask)
    dense = form == "dense"
    if node:
        fields |= node_fields(dense=dense)
    return Layout(
        fields=fields,
        elements=() if dense else ("atom", "bond"),
        components=("channel",),
        inner=("item", "atom", "channel") if dense else ("atom", "channel"),
        inner_mask="mask" if dense else None,
    )
