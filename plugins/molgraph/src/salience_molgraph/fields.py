"""The fields that a model of molecules may take, and how each field is indexed."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from salience import Field, InputError, Layout
from salience.errors import nearest

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

#: Form → fields that salience or :func:`to_data` needs even where the model does not take them.
_ALWAYS = {"ragged": (), "dense": ("mask",), "pyg": ("batch", "n_molecules")}


def make_layout(form: str, names: Sequence[str], *, labels: bool) -> Layout:
    """Make the layout of a form.

    Args:
        form: ``"ragged"``, ``"dense"`` or ``"pyg"``.
        names: The fields that the model takes, in the order of its arguments.
        labels: Whether ``atoms`` are integers, without a channel axis.

    Raises:
        InputError: The form or a field is unknown, a field is named twice, or none is named.
    """
    if form not in DEFAULTS:
        raise InputError(f"unknown form {form!r}; {nearest(form, DEFAULTS)}")
    known = PADDED if form == "dense" else FIELDS
    for name in names:
        if name not in known:
            raise InputError(f"form {form!r} has no field {name!r}; {nearest(name, known, 10)}")
    if len(set(names)) != len(names) or not names:
        raise InputError(f"fields={tuple(names)} must name at least one field, and each once")
    fields = {name: known[name] for name in dict.fromkeys((*names, *_ALWAYS[form]))}
    if "atoms" in fields and not labels:
        spec = fields["atoms"]
        fields["atoms"] = Field((*spec.axes, "channel"), mask=spec.mask)
    dense = form == "dense"
    return Layout(
        fields=fields,
        elements=() if dense else ("atom", "bond"),
        components=("channel",),
        inner=("item", "atom", "channel") if dense else ("atom", "channel"),
        inner_mask="mask" if dense else None,
    )
