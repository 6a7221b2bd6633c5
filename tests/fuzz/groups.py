"""Inputs: groups of positions whose saliency is summed, in tables with names and plain tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from torch import Tensor

from salience import Blocks, Explainer, Explanation
from salience_tabular import Tabular

from .columns import NAMES, frame
from .data import Any64
from .oracle import Case
from .specs import brief
from .subject import N_ITEMS, WIDTH, explainer, rows
from .values import NONE, wild

#: Positions of the members of each group of an item.
Members = Sequence[Sequence[int]]

_DRAWS: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 3}
_AGGREGATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "raw": lambda draws: draws,
    "abs": torch.abs,
    "square": torch.square,
}


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(given(), given(), bad(), anything())


# --- Groups that mean something ------------------------------------------------------------------


def _members() -> st.SearchStrategy[list[list[int]]]:
    one = st.permutations(range(WIDTH)).flatmap(
        lambda order: st.integers(1, WIDTH).map(lambda n: list(order[:n]))
    )
    return st.lists(one, min_size=1, max_size=3)


def _labels() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(-1, 2), min_size=WIDTH, max_size=WIDTH).filter(
        lambda labels: max(labels) >= 0
    )


def _of_labels(labels: Sequence[int]) -> Members:
    distinct = sorted({label for label in labels if label >= 0})
    return [[at for at, own in enumerate(labels) if own == label] for label in distinct]


def _mask(members: Sequence[int]) -> list[bool]:
    return [at in members for at in range(WIDTH)]


#: Members of a group, from their positions.
_AS: tuple[Callable[[list[int]], Any], ...] = (
    list,
    tuple,
    set,
    np.array,
    torch.tensor,
    pd.Series,
    lambda members: [(at,) for at in members],
    lambda members: [np.int64(at) for at in members],
    _mask,
    lambda members: np.array(_mask(members)),
    lambda members: torch.tensor(_mask(members)),
    lambda members: {"input": members},
)
#: The same of data whose positions have names.
_AS_NAMES: tuple[Callable[[list[int]], Any], ...] = (
    lambda members: [NAMES[at] for at in members],
    lambda members: pd.Index([NAMES[at] for at in members]),
    lambda members: pd.Series(_mask(members), index=NAMES).iloc[::-1],
)
#: Labels of positions.
_LABELS_AS: tuple[Callable[[list[int]], Any], ...] = (
    list,
    np.array,
    torch.tensor,
    pd.Series,
    lambda labels: [None if label < 0 else label for label in labels],
    lambda labels: np.array(labels, dtype=np.int8),
    lambda labels: [torch.tensor(label) for label in labels],
)


@st.composite
def given(draw: Any) -> Case:
    """Groups of a known meaning, for all items or for each."""
    named = draw(st.booleans())
    makers = _AS + _AS_NAMES if named else _AS

    def of_item() -> tuple[Any, Members]:
        if draw(st.booleans()):
            labels = draw(_labels())
            forms = (*_LABELS_AS, _by_name) if named else _LABELS_AS
            return draw(st.sampled_from(forms))(labels), _of_labels(labels)
        members = draw(_members())
        made = [draw(st.sampled_from(makers))(own) for own in members]
        return {f"g{at}": own for at, own in enumerate(made)}, members

    if draw(st.booleans()):
        each = [of_item() for _ in range(N_ITEMS)]
        groups: Any = [spec for spec, _ in each]
        return _case(groups, [members for _, members in each], named, draw)
    groups, members = of_item()
    if draw(st.integers(0, 5)) == 0:
        length = draw(st.integers(1, 4))
        groups = Blocks(length)
        members = [list(range(at, min(at + length, WIDTH))) for at in range(0, WIDTH, length)]
    return _case(groups, [members] * N_ITEMS, named, draw)


def _by_name(labels: list[int]) -> pd.Series:
    return pd.Series(labels, index=NAMES).iloc[[1, 2, 0]]


def _case(groups: Any, each: Sequence[Members], named: bool, draw: Any) -> Case:
    aggregator = draw(st.sampled_from(sorted(_AGGREGATORS)))
    kept = draw(st.booleans())

    def expected() -> Mapping[str, Any]:
        draws = _AGGREGATORS[aggregator](_kept(named))
        sums = [
            torch.stack([draws[:, item, list(own)].sum(1) for own in members], 1)
            for item, members in enumerate(each)
        ]
        values = torch.cat([own.mean(0) for own in sums])
        errors = torch.cat([own.std(0) / len(own) ** 0.5 for own in sums])
        return {"values": values, "errors": errors}

    def run() -> Mapping[str, Any]:
        return _told(_pooled(groups, named, aggregator, kept))

    return Case(f"pool={brief(groups)} {aggregator} {named} {kept}", run, expected, late=kept)


@cache
def _kept(named: bool) -> Tensor:
    """All draws of the saliency, shape (M, B, 3)."""
    found: Tensor = _explainer(named).compute(_data(named), **_DRAWS).values
    return found


def _explainer(named: bool) -> Explainer:
    return Explainer(Any64(), Tabular()) if named else explainer()


def _data(named: bool) -> Any:
    return frame() if named else rows()


def _pooled(groups: Any, named: bool, aggregator: str, kept: bool) -> Explanation:
    made, data = _explainer(named), _data(named)
    if kept:
        return made.aggregate(made.compute(data, **_DRAWS).pool(groups), aggregator)
    return made.explain(data, **_DRAWS, aggregator=aggregator, pool=groups)


def _told(found: Explanation) -> Mapping[str, Any]:
    """Values and errors of all groups of all items, after each was found in the table."""
    saliency = found.only
    assert len(found.to_dataframe()) == saliency.flat.numel()
    return {"values": saliency.flat.flatten(), "errors": saliency.flat_error.flatten()}


# --- Groups that mean nothing --------------------------------------------------------------------

_BAD: tuple[Callable[[], Any], ...] = (
    lambda: {"x": []},
    lambda: {"x": [WIDTH]},
    lambda: {"x": [-1]},
    lambda: {"x": [0, 0]},
    lambda: {"x": [0.0]},
    lambda: {"x": ["zz"]},
    lambda: {"x": [True, False]},
    lambda: {"x": {"embed": [0]}},
    lambda: {"x": [(0, 1)]},
    lambda: {1: [0], "1": [1]},
    dict,
    list,
    lambda: [0, 1],
    lambda: np.array([0.0, 1.0, 2.0]),
    lambda: np.array([0, -2, 1]),
    lambda: np.full(WIDTH, -1),
    lambda: np.zeros((N_ITEMS, WIDTH + 1), dtype=int),
    lambda: np.zeros((N_ITEMS + 1, WIDTH), dtype=int),
    lambda: [{"x": [0]}] * (N_ITEMS - 1),
    lambda: [{"x": [0]}] * (N_ITEMS + 1),
    lambda: [*[{"x": [0]}] * (N_ITEMS - 1), {"x": [9]}],
    lambda: [["a"]] * N_ITEMS,
    lambda: Blocks((2, 2)),
    lambda: pd.Series([0, 1, 1], index=[2, 0, 1]),
    lambda: pd.Series({"a": 0, "zz": 1}),
    lambda: "a",
    lambda: {"a"},
)


@st.composite
def bad(draw: Any) -> Case:
    """Groups that fit no item."""
    groups, named, kept = draw(st.sampled_from(_BAD))(), draw(st.booleans()), draw(st.booleans())
    text = f"pool={brief(groups)} {named} {kept}"
    # Labels of more items than there are are known as such when the last item is done.
    late = kept or isinstance(groups, np.ndarray)
    return Case(text, lambda: _told(_pooled(groups, named, "raw", kept)), NONE, late=late)


@st.composite
def anything(draw: Any) -> Case:
    """Anything as groups, as those of an item, as the members of a group and as a block."""
    value, named = draw(wild()), draw(st.booleans())
    form = draw(st.sampled_from(("groups", "item", "members", "member", "block", "name")))
    made: dict[str, Callable[[], Any]] = {
        "groups": lambda: value,
        "item": lambda: [value] * N_ITEMS,
        "members": lambda: {"x": value},
        "member": lambda: {"x": [value]},
        "block": lambda: Blocks(value),
        "name": lambda: {_hashable(value): [0]},
    }
    text = f"pool of {form} {brief(value)} {named}"

    def run() -> Any:
        groups = made[form]()
        found = _pooled(groups, named, "raw", False)
        repr(found)
        return {} if groups is None else _told(found)

    return Case(text, run)


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except Exception:
        return "x"
    return value
