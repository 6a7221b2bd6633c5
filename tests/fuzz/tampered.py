"""Inputs: saved explanations, records and weights that somebody or something has changed."""

from __future__ import annotations

import copy
import json
import re
import struct
from functools import cache
from typing import Any

import torch
from hypothesis import assume
from hypothesis import strategies as st
from safetensors.torch import save as serialize

import salience
from salience import Ensemble, Explanation, Tensors

from . import limits
from .data import folder
from .oracle import Case
from .photos import damaged
from .pictures import explained
from .specs import brief
from .subject import network, rows, told
from .values import MAYBE, wild

_DOMAINS = ("tabular", "vision", "molgraph", "spectra", "tensors")


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(saved(), records(), weights(), *([headers()] if is_summed() else []))


@cache
def is_summed() -> bool:
    """Whether files have a checksum, so that a change of any byte is found."""
    raw = bytearray(_raw("tensors"))
    raw[-1] ^= 1
    path = folder() / "flipped.salience"
    path.write_bytes(bytes(raw))
    try:
        Explanation.load(path)
    except salience.InputError:
        return True
    return False


@cache
def _raw(domain: str) -> bytes:
    path = folder() / "whole.salience"
    explained(domain).save(path)
    return path.read_bytes()


def _used(raw: bytes) -> dict[str, Any]:
    """Load a file and ask everything of what it holds."""
    path = folder() / "changed.salience"
    path.write_bytes(raw)
    found = Explanation.load(path)
    said = everything(found)
    try:
        found.to_dataframe()
        found.visualize(0)
        found.visualize()
        found.item(0).save(folder() / "again.salience")
        found.confidence_interval()
    except (salience.InputError, salience.NoMeanError):
        pass
    return said


def everything(found: Explanation) -> dict[str, Any]:
    """What a file holds, in numbers and words."""
    words = (dict(found.provenance), dict(found.dataset_info), list(found.annotations))
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(words))  # where an object lies says nothing
    return told(found) | {"words": text, "design": repr(found.design)}


@st.composite
def saved(draw: Any) -> Case:
    """A saved explanation with bytes changed: found, or without effect."""
    domain = draw(st.sampled_from(_DOMAINS))
    whole = _raw(domain)
    raw = draw(damaged(whole))
    changes = [i for i, (a, b) in enumerate(zip(whole, raw, strict=False)) if a != b][:5]
    text = f"saved {domain}, {len(whole)} → {len(raw)} bytes, changed at {changes}"
    return Case(
        text,
        lambda: _used(raw),
        (lambda: _used(whole)) if is_summed() else MAYBE,
        late=True,
    )


@st.composite
def headers(draw: Any) -> Case:
    """A saved explanation whose JSON header was edited."""
    domain = draw(st.sampled_from(_DOMAINS))
    raw = _raw(domain)
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + size])
    key = next(iter(header["__metadata__"]))
    head = json.loads(header["__metadata__"][key])
    place, path = _place(draw, head), []
    for at in place[:-1]:
        path.append(at)
    parent: Any = head
    for at in place[:-1]:
        parent = parent[at]
    how = draw(st.sampled_from(("drop", "replace", "replace")))
    value = draw(_json())
    if how == "drop" and isinstance(parent, dict):
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    header["__metadata__"][key] = json.dumps(head)
    packed = json.dumps(header).encode()
    made = struct.pack("<Q", len(packed)) + packed + raw[8 + size :]
    return Case(f"header {domain} {how} {place} {brief(value)}", lambda: _used(made), late=True)


def _json() -> st.SearchStrategy[Any]:
    leaf = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 9),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(
            (
                "⟨x⟩",
                "0.weight",
                10**30,
                "x" * 500,
                {"$tensor": "score"},
                {"$tensor": 3},
                {"$per_item": 1},
            )
        ),
    )
    return st.recursive(
        leaf,
        lambda s: st.one_of(
            st.lists(s, max_size=3), st.dictionaries(st.text(max_size=4), s, max_size=2)
        ),
        max_leaves=4,
    )


def _place(draw: Any, head: Any) -> list[Any]:
    """A way into nested mappings and lists."""
    place: list[Any] = []
    while isinstance(head, dict | list) and head:
        keys = sorted(head) if isinstance(head, dict) else list(range(len(head)))
        place.append(draw(st.sampled_from(keys)))
        head = head[place[-1]]
        if draw(st.booleans()):
            break
    return place


@cache
def _record() -> dict[str, Any]:
    own = salience.Explainer(network(), Tensors())
    found = own.explain(rows(), "integrated_gradients:steps=3", ["gaussian"], 2, ids=list("abcd"))
    return dict(found.provenance)


@st.composite
def records(draw: Any) -> Case:
    """A record to run again, in which an entry was changed."""
    record = copy.deepcopy(_record())
    place = _place(draw, record)
    parent: Any = record
    for at in place[:-1]:
        parent = parent[at]
    how = draw(st.sampled_from(("drop", "replace", "replace")))
    value = draw(st.one_of(_json(), wild()))
    if how == "drop" and isinstance(parent, dict):
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    assume(limits.of_draws() or not limits.is_huge(record.get("n_samples")))
    assume(limits.of_steps() or not limits.is_huge(record.get("calculator")))
    text = f"record {how} {place} {brief(value)}"
    return Case(text, lambda: told(salience.rerun(network(), rows(), record)), MAYBE)


@st.composite
def weights(draw: Any) -> Case:
    """Files of weights of an ensemble, damaged."""
    state = {k: v.clone() for k, v in network().state_dict().items()}
    suffix = draw(st.sampled_from(("safetensors", "pt")))
    whole = _weights(suffix)
    raw = draw(damaged(whole))
    del state

    def run() -> Any:
        path = folder() / f"member.{suffix}"
        path.write_bytes(raw)
        own = salience.Explainer(network(), Tensors())
        return told(own.explain(rows(), "gradient", [Ensemble([str(path), network()])], 2))

    changes = [i for i, (a, b) in enumerate(zip(whole, raw, strict=False)) if a != b][:5]
    return Case(f"weights .{suffix} {len(raw)} of {len(whole)} bytes, {changes}", run, late=True)


@cache
def _weights(suffix: str) -> bytes:
    if suffix == "safetensors":
        return serialize({k: v.contiguous() for k, v in network().state_dict().items()})
    path = folder() / "whole.pt"
    torch.save(network().state_dict(), path)
    return path.read_bytes()
