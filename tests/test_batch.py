"""Picking rows of a batch is the same as collating those items."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from collections.abc import Mapping, Sequence
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

from salience import Batch, Field, InputError, Layout, RowView

quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def graph_specs(draw: st.DrawFn) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """Labels and bonds of one to five graphs; a graph may be empty."""
    graphs = []
    for _ in range(draw(st.integers(1, 5))):
        labels = draw(st.lists(st.integers(0, 5), max_size=4))
        end = st.integers(0, max(0, len(labels) - 1))
        bonds = draw(st.lists(st.tuples(end, end), max_size=4)) if labels else []
        graphs.append((labels, bonds))
    return graphs


@st.composite
def graphs_and_rows(draw: st.DrawFn) -> tuple[list[Any], list[int]]:
    """Some graphs, and positions among them in any order and number."""
    specs = draw(graph_specs())
    return specs, draw(st.lists(st.integers(0, len(specs) - 1), min_size=1, max_size=7))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) and value.dtype == other[name].dtype
        if isinstance(value, Tensor)
        else value == other[name]
        for name, value in one.items()
    )


@quick
@given(case=graphs_and_rows())
def test_picking_rows_equals_collating_them(graphs: Any, case: Any) -> None:
    specs, rows = case
    samples = [graphs.graph(tuple(labels), tuple(bonds)) for labels, bonds in specs]
    domain = graphs.ragged()
    picked = domain.collate(samples).select(torch.tensor(rows)).batch()
    collated = domain.collate([samples[row] for row in rows])
    assert same(picked.arguments, collated.arguments)
    assert same(picked.counts, collated.counts)
    assert picked.n_items == len(rows)
    assert picked.size() == collated.size() == sum(len(specs[row][0]) for row in rows)


@quick
@given(case=graphs_and_rows(), data=st.data())
def test_a_pick_of_a_pick_is_the_pick_of_both(graphs: Any, case: Any, data: st.DataObject) -> None:
    specs, rows = case
    again = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=5))
    batch = graphs.ragged().collate([graphs.graph(tuple(a), tuple(b)) for a, b in specs])
    twice = batch.select(torch.tensor(rows)).batch().select(torch.tensor(again)).batch()
    once = batch.select(torch.tensor(rows)[torch.tensor(again)]).batch()
    assert same(twice.arguments, once.arguments)
    assert same(twice.counts, once.counts)


@quick
@given(case=graphs_and_rows())
def test_every_position_of_picked_rows_knows_where_it_came_from(graphs: Any, case: Any) -> None:
    specs, rows = case
    batch = graphs.ragged().collate([graphs.graph(tuple(a), tuple(b)) for a, b in specs])
    picked = batch.select(torch.tensor(rows))
    starts = [sum(len(labels) for labels, _ in specs[:item]) for item in range(len(specs))]
    places = [
        (row, atom, starts[item] + atom)
        for row, item in enumerate(rows)
        for atom in range(len(specs[item][0]))
    ]
    assert picked.owner("atom").tolist() == [row for row, _, _ in places]
    assert picked.local("atom").tolist() == [atom for _, atom, _ in places]
    assert picked.index("atom").tolist() == [source for _, _, source in places]
    assert picked.owner("item").tolist() == list(range(len(rows)))
    assert picked.index("item").tolist() == rows
    assert picked.local("item").tolist() == [0] * len(rows)


@quick
@given(case=graphs_and_rows(), trailing=st.booleans(), seed=st.integers(0, 1000))
def test_add_to_is_the_adjoint_of_take(graphs: Any, case: Any, trailing: bool, seed: int) -> None:
    # ⟨take x, y⟩ = ⟨x, add_to y⟩ for all x and y, wherever the element axis stands.
    specs, rows = case
    batch = graphs.ragged().collate([graphs.graph(tuple(a), tuple(b)) for a, b in specs])
    picked = batch.select(torch.tensor(rows))
    axes = ("channel", "atom") if trailing else ("atom", "channel")
    n, m = batch.size(), picked.batch().size()
    generator = torch.Generator().manual_seed(seed)

    def whole(length: int) -> Tensor:
        values = torch.randint(-9, 10, (length, 2), generator=generator).double()
        return values.T.contiguous() if trailing else values

    x, y, total = whole(n), whole(m), torch.zeros_like(whole(n))
    picked.add_to(total, y, axes)
    assert (picked.take(x, axes) * y).sum() == (x * total).sum()


@quick
@given(case=graphs_and_rows())
def test_sum_of_expanded_values_counts_the_elements_of_each_row(graphs: Any, case: Any) -> None:
    specs, rows = case
    batch = graphs.ragged().collate([graphs.graph(tuple(a), tuple(b)) for a, b in specs])
    picked = batch.select(torch.tensor(rows))
    values = torch.arange(1, len(rows) + 1).double()
    sizes = torch.tensor([len(specs[row][0]) for row in rows])
    for axes, width in ((("atom",), 1), (("atom", "channel"), 3), (("channel", "atom"), 3)):
        lead = axes.index("atom")
        shape = [3] * len(axes)
        shape[lead] = int(sizes.sum())
        view = RowView(picked, axes)
        spread = view.spread(values).expand(shape)
        assert torch.equal(view.sum(spread).flatten(), values * sizes * width)


DENSE = Layout(
    {
        "x": Field(("item", "feature")),
        "time_first": Field(("time", "item", "channel")),
        "scale": Field(("feature",)),
        "partner": Field(("item",), refers_to="item"),
        "total": Field(counts="item"),
    }
)


def dense(n_items: int = 4) -> Batch:
    return Batch(
        {
            "x": torch.arange(n_items * 3.0).reshape(n_items, 3),
            "time_first": torch.arange(2.0 * n_items * 5).reshape(2, n_items, 5),
            "scale": torch.arange(3.0),
            "partner": torch.arange(n_items),
            "total": n_items,
        },
        DENSE,
        n_items,
    )


@quick
@given(rows=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_dense_arguments_are_picked_along_the_item_axis_wherever_it_is(rows: list[int]) -> None:
    batch = dense()
    picked = batch.select(torch.tensor(rows)).batch()
    assert torch.equal(picked.arguments["x"], batch.arguments["x"][rows])
    assert torch.equal(picked.arguments["time_first"], batch.arguments["time_first"][:, rows])
    assert picked.arguments["total"] == len(rows)
    # Each item points to itself, so each row points to itself.
    assert picked.arguments["partner"].tolist() == list(range(len(rows)))


def test_a_shared_argument_is_seen_alike_by_all_rows() -> None:
    batch = dense()
    picked = batch.select(torch.tensor([3, 3, 0])).batch()
    assert torch.equal(picked.arguments["scale"], batch.arguments["scale"])


def test_picked_rows_do_not_share_memory_with_the_batch() -> None:
    batch = dense()
    picked = batch.select(torch.arange(4)).batch()
    picked.arguments["x"].zero_()
    assert batch.arguments["x"].sum() == 66


def test_the_size_of_a_dense_batch_is_its_number_of_items() -> None:
    assert dense(4).size() == 4
    assert dense(4).sizes().tolist() == [1, 1, 1, 1]


def test_moving_a_batch_casts_floating_arguments_alone() -> None:
    moved = dense().to(torch.device("cpu"), torch.float64)
    assert moved.arguments["x"].dtype == torch.float64
    assert moved.arguments["partner"].dtype == torch.int64
    assert moved.arguments["total"] == 4


@pytest.mark.parametrize("call", ["expand", "view", "add_to"])
def test_axes_without_rows_are_refused(call: str) -> None:
    picked = dense().all_rows()
    with pytest.raises(InputError, match="no item axis and no element axis"):
        if call == "expand":
            picked.expand(torch.ones(4), ("feature",))
        elif call == "view":
            RowView(picked, ("feature",))
        else:
            picked.add_to(torch.ones(3), torch.ones(3), ("feature",))


GRAPH = Layout({"h": Field(("atom", "channel"))}, elements=("atom",))


@pytest.mark.parametrize(
    ("arguments", "layout", "counts", "message"),
    [
        (
            {"h": torch.ones(3, 2)},
            GRAPH,
            {},
            "the batch lacks counts['atom'], the number of elements of each item; "
            "pass an int64 tensor of shape (2,)",
        ),
        (
            {"g": torch.ones(3, 2)},
            GRAPH,
            {"atom": torch.tensor([1, 2])},
            "the batch has the arguments ['g'], but its layout declares ['h']; make them the same",
        ),
        (
            {"h": torch.ones(3)},
            GRAPH,
            {"atom": torch.tensor([1, 2])},
            "argument 'h' has shape (3,), but its axes are (atom, channel); pass data with 2 axes",
        ),
        (
            {"h": torch.ones(4, 2)},
            GRAPH,
            {"atom": torch.tensor([1, 2])},
            "argument 'h' has shape (4, 2) with axes (atom, channel), but the batch has 3 along "
            "'atom'; make the lengths agree",
        ),
        (
            {"x": torch.ones(5, 3)},
            Layout({"x": Field(("item", "feature"))}),
            {},
            "argument 'x' has shape (5, 3) with axes (item, feature), but the batch has 2 along "
            "'item'; make the lengths agree",
        ),
    ],
)
def test_a_batch_that_is_not_as_its_layout_says_is_refused(
    arguments: dict[str, Any], layout: Layout, counts: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        Batch(arguments, layout, 2, counts)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (("item", "feature"), (0, "item")),
        (("time", "item"), (1, "item")),
        (("channel", "atom"), (1, "atom")),
    ],
)
def test_the_lead_is_the_axis_that_counts_rows(
    axes: Sequence[str], expected: tuple[int, str]
) -> None:
    assert GRAPH.has_rows(tuple(axes))
    assert GRAPH.row_axis(tuple(axes)) == expected


@pytest.mark.parametrize("axes", [("feature",), ()])
def test_an_argument_that_all_items_share_has_no_row_axis(axes: tuple[str, ...]) -> None:
    assert not GRAPH.has_rows(axes)
    with pytest.raises(InputError, match="no item axis and no element axis"):
        GRAPH.row_axis(axes)


def test_the_main_argument_is_the_first_where_none_is_named() -> None:
    fields = {"a": Field(("item",)), "b": Field(("item",))}
    assert Layout(fields).main == "a"
    assert Layout(fields, main="b").main == "b"


def test_a_layout_keeps_its_own_copy_of_the_fields() -> None:
    fields = {"a": Field(("item",))}
    layout = Layout(fields)
    fields["b"] = Field()
    assert list(layout.fields) == ["a"]
    with pytest.raises(TypeError):
        layout.fields["b"] = Field()  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        layout.main = "b"  # type: ignore[misc]


def test_a_layout_can_be_pickled_and_copied():
    layout = Layout(
        {"labels": Field(("atom",)), "n": Field(counts="item")},
        elements=("atom",),
        reduce=("channel",),
        inner=("atom", "channel"),
    )
    for again in (pickle.loads(pickle.dumps(layout)), copy.deepcopy(layout)):
        assert again == layout
        with pytest.raises(TypeError):
            again.fields["labels"] = Field()


@pytest.mark.parametrize("row_axis_first", [True, False])
def test_integers_are_shifted_by_what_each_item_says(row_axis_first: bool) -> None:
    """Each item shifts the integers behind it by a number of its own, or one for each position."""
    axes = ("pair", "end") if row_axis_first else ("end", "pair")
    layout = Layout(
        fields={"pairs": Field(axes, refers_to="sizes"), "root": Field(("item",), "roots")},
        elements=("pair",),
    )
    own = [torch.tensor([[0, 1], [1, 4]]), torch.zeros(2, 0), torch.tensor([[2], [3]])]
    sizes, roots = torch.tensor([[2, 5], [0, 7], [3, 4]]), torch.tensor([10, 20, 30])

    def collated(rows: list[int]) -> dict[str, Tensor]:
        ahead, parts, root = torch.zeros(2).long(), [], []
        for i, row in enumerate(rows):
            parts.append(own[row].long() + ahead[:, None])
            ahead = ahead + sizes[row]
            root.append(1 + int(roots[rows[:i]].sum()))
        pairs = torch.cat(parts, 1)
        return {"pairs": pairs.T if row_axis_first else pairs, "root": torch.tensor(root)}

    def batch(rows: list[int]) -> Batch:
        counts = {"pair": torch.tensor([own[r].shape[1] for r in rows])}
        return Batch(
            collated(rows), layout, len(rows), counts | {"sizes": sizes[rows], "roots": roots[rows]}
        )

    for rows in ([0], [2, 2, 0], [1, 2, 0, 1], [2, 1, 0]):
        selection = batch([0, 1, 2]).select(torch.tensor(rows)).batch()
        assert same(selection.arguments, collated(rows))
        again = selection.select(torch.arange(len(rows)).flip(0)).batch()
        assert same(again.arguments, collated(rows[::-1]))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([Field(("item", "x"))], "pass a mapping from the name of each argument"),
        ({"x": ("item", "x")}, r"argument 'x' of a layout is \('item', 'x'\); pass a Field"),
    ],
)
def test_fields_of_a_layout_are_a_mapping_of_fields(fields: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Layout(fields)


def test_an_array_in_the_place_of_a_tensor_is_refused_by_the_batch() -> None:
    layout = Layout({"x": Field(("item", "feature"))})
    with pytest.raises(InputError, match=r"argument 'x' is an array of numpy; let collate make"):
        Batch({"x": torch.zeros(2, 3).numpy()}, layout, 2)
