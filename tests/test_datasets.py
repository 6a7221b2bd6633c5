"""Datasets and DataLoaders of torch stand for their items wherever data is taken."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import salience
from salience import InputError, Notice, Tensors
from salience.datasets import items_of

ROWS = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


class Given(Dataset[Any]):
    """A map-style Dataset of given items."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, at: int) -> Any:
        return self.items[at]


class Flow(IterableDataset[Any]):
    """An IterableDataset of given items, without a length."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


class Counted(Flow):
    """An IterableDataset that says a length."""

    def __init__(self, items: Any, length: int) -> None:
        super().__init__(items)
        self.length = length

    def __len__(self) -> int:
        return self.length


class Failing(Given):
    def __getitem__(self, at: int) -> Any:
        if at == 2:
            raise KeyError("no such file")
        return self.items[at]


def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))


def listed(items: Any) -> list[Any]:
    return [item.tolist() for item in items]


SOURCES = {
    "dataset": lambda: Given(ROWS),
    "dataset of arrays": lambda: Given(ROWS.numpy()),
    "dataset of lists": lambda: Given(listed(ROWS)),
    "dataset of single values": lambda: Given([(row,) for row in ROWS]),
    "tensor dataset": lambda: TensorDataset(ROWS),
    "subset": lambda: Subset(Given(torch.cat([ROWS, ROWS])), range(20)),
    "iterable with a length": lambda: Counted(ROWS, 20),
    "loader": lambda: DataLoader(Given(ROWS), batch_size=6),
    "loader of lists of one": lambda: DataLoader(TensorDataset(ROWS), batch_size=7),
    "loader of single items": lambda: DataLoader(Given(ROWS), batch_size=None),
    "loader of an iterable": lambda: DataLoader(Counted(ROWS, 20), batch_size=6),
    "loader with its own batches": lambda: DataLoader(
        Given(ROWS), batch_sampler=[list(range(9)), list(range(9, 20))]
    ),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("call", ["explain", "compute", "check"])
def test_a_dataset_is_explained_as_its_items_are(source: str, call: str) -> None:
    explainer = salience.Explainer(net(), Tensors(), output="class:1", max_rows=8)
    settings = {"samplers": ["gaussian", "mc_dropout"], "n_samples": 3, "seed": 5}
    data = SOURCES[source]()
    rows = ROWS.double() if source == "dataset of lists" else ROWS
    before = torch.get_rng_state()
    found = getattr(explainer, call)(data, **settings)
    assert torch.equal(torch.get_rng_state(), before)  # a DataLoader draws a seed
    expected = getattr(explainer, call)(rows, **settings)
    if call == "check":
        assert str(found) == str(expected)
    elif call == "compute":
        assert torch.equal(found.draws["input"], expected.draws["input"])
    else:
        assert torch.equal(found.values, expected.values)
        assert list(found.ids) == list(range(20))


def test_shortcuts_and_baselines_take_them_too() -> None:
    baseline = salience.IntegratedGradients(steps=4, baseline=salience.Mean(TensorDataset(ROWS)))
    found = salience.explain(net(), DataLoader(TensorDataset(ROWS), 3), "tensor", baseline)
    plain = salience.IntegratedGradients(steps=4, baseline=salience.Mean(ROWS))
    expected = salience.explain(net(), ROWS, "tensor", plain)
    assert torch.equal(found.values, expected.values)
    made = salience.Explanation.from_arrays(ROWS, TensorDataset(ROWS), "tensor")
    assert torch.equal(made.values, ROWS)


#: A loader of single items has single rows for batches, which are no chunks.
CHUNKED = {**SOURCES, "flow": lambda: Flow(ROWS)}
del CHUNKED["loader of single items"]


@pytest.mark.parametrize("source", CHUNKED)
def test_a_stream_takes_them_too(source: str) -> None:
    explainer = salience.Explainer(net(), Tensors(), output="class:1", max_rows=8)
    data = CHUNKED[source]()
    rows = ROWS.double() if source == "dataset of lists" else ROWS
    parts = list(explainer.stream(data, samplers=["gaussian"], n_samples=2))
    expected = explainer.explain(rows, samplers=["gaussian"], n_samples=2)
    for at, part in enumerate(parts):
        torch.testing.assert_close(part.values[0], expected.values[at], rtol=1e-6, atol=1e-7)
    assert [part.ids[0] for part in parts] == list(range(20))


def test_mappings_become_the_arguments_of_their_names() -> None:
    def model(left: Tensor, right: Tensor) -> Tensor:
        return (left * right).sum(1)

    domain = Tensors({"left": ("item", "feature"), "right": ("item", "feature")}, target="left")
    items = [{"left": row, "right": 2 * row} for row in ROWS]
    expected = salience.explain(model, {"left": ROWS, "right": 2 * ROWS}, domain, output="value")
    for data in (Given(items), DataLoader(Given(items), batch_size=6)):
        found = salience.explain(model, data, domain, output="value")
        assert torch.equal(found.values, expected.values)


def test_items_of_several_shapes_or_kinds_stay_a_list() -> None:
    images = [torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), torch.zeros(3, 5, 4)]
    found = items_of(Given(images))
    assert [tuple(image.shape) for image in found] == [(3, 4, 4), (3, 4, 4), (3, 5, 4)]
    mixed = items_of(Given([torch.ones(2), np.ones(2)]))
    assert [type(value) for value in mixed] == [Tensor, np.ndarray]
    assert items_of(DataLoader(Given(["a.png", "b.png", "c.png"]), 2)) == [
        "a.png",
        "b.png",
        "c.png",
    ]
    assert items_of(Given(["a", "b"])) == ["a", "b"]
    assert items_of([1, 2]) == [1, 2]


@pytest.mark.skipif(not find_spec("salience_molgraph"), reason="needs salience-molgraph")
def test_molecules_come_from_a_dataset_of_smiles() -> None:
    from salience_molgraph import MolGraph

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(100, 2)

        def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
            sums = torch.zeros(int(owner.max()) + 1, 2)
            return sums.index_add(0, owner, self.embed(atoms).tanh()).sum(1, keepdim=True)

    model, smiles = Net(), ["CCO", "c1ccccc1O", "N"]
    expected = salience.explain(model, smiles, MolGraph())
    for data in (Given(smiles), DataLoader(Given(smiles), batch_size=2)):
        found = salience.explain(model, data, MolGraph())
        assert found.ids == expected.ids
        assert all(map(torch.equal, found.values, expected.values))


@pytest.mark.skipif(not find_spec("salience_vision"), reason="needs salience-vision")
def test_images_of_a_dataset_are_those_of_a_tensor() -> None:
    from salience_vision import Vision

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.rand(5, 3, 8, 8)
    expected = salience.explain(model, images, Vision())
    for data in (Given(images), DataLoader(Given(images), batch_size=2)):
        assert torch.equal(salience.explain(model, data, Vision()).values, expected.values)


# --- What is refused, or said --------------------------------------------------------------------

PAIRS = [(row, at % 2) for at, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (Given(PAIRS), ("2 values", "labels", "torch.stack([x for x, _ in dataset])")),
        (Given([(*pair, "name") for pair in PAIRS]), ("3 values", "x, *_ in dataset")),
        (Given([("a.png", 1)]), ("2 values", "as in [x for x, _ in dataset]")),
        (DataLoader(Given(PAIRS), 4), ("2 values", "torch.cat([x for x, _ in loader])")),
        (TensorDataset(ROWS, ROWS[:, 0]), ("2 values", "labels")),
        (Given([]), ("no items",)),
        (DataLoader(Counted([], 0)), ("no items",)),
        (Flow(ROWS), ("Flow has no length", "stream")),
        (DataLoader(Flow(ROWS), 4), ("Flow has no length", "stream")),
        (Counted(ROWS, 5), ("more items than the 5", "stream")),
        (Failing(ROWS), ("item 2 of the Failing", "KeyError", "no such file")),
        (DataLoader(Failing(ROWS), 2), ("batch 1 of the DataLoader", "no such file")),
        (Given([{"a": ROWS[0]}, ROWS[1]]), ("different entries",)),
        (Given([{"a": ROWS[0]}, {"b": ROWS[1]}]), ("different entries",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_read_is_refused_in_a_sentence(data: Any, said: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        salience.explain(net(), data, "tensor")
    assert all(part in str(caught.value) for part in said), caught.value
    assert len(str(caught.value)) <= 300


def test_the_mend_for_pairs_works() -> None:
    dataset = Given(PAIRS)
    loader = DataLoader(dataset, 4)
    for data in (
        torch.stack([x for x, _ in dataset]),  # type: ignore[attr-defined]
        torch.cat([x for x, _ in loader]),
    ):
        assert len(salience.explain(net(), data, "tensor")) == 20


def test_an_endless_dataset_is_refused_at_once_and_streamed() -> None:
    def forever() -> Iterator[Tensor]:
        while True:
            yield ROWS[0]

    class Endless(IterableDataset[Tensor]):
        def __iter__(self) -> Iterator[Tensor]:
            return forever()

    explainer = salience.Explainer(net(), Tensors())
    with pytest.raises(InputError, match="may never end"):
        explainer.explain(Endless())
    stream = explainer.stream(Endless())
    assert torch.equal(next(stream).values, next(stream).values)


def test_orders_and_items_that_a_loader_changes_are_said() -> None:
    loader = DataLoader(Given(ROWS), batch_size=6, shuffle=True, drop_last=True)
    with pytest.warns(Notice) as caught:
        found = salience.explain(net(), loader, "tensor")
    said = " ".join(str(one.message) for one in caught)
    assert "RandomSampler" in said and "shuffle=False" in said
    assert "leaves out the last 2 items" in said and len(found) == 18


def test_memory_holds_each_item_once() -> None:
    """Arrays of NumPy, which tracemalloc counts: items made one by one fill a single array."""

    class Made(Dataset[Any]):
        def __len__(self) -> int:
            return 400

        def __getitem__(self, at: int) -> Any:
            return np.full(10_000, float(at))

    size = 400 * 10_000 * 8
    for data in (Made(), DataLoader(Made(), batch_size=8, collate_fn=np.stack)):
        tracemalloc.start()
        made = items_of(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert made.shape == (400, 10_000) and made[7, 0] == 7
        assert peak < 1.1 * size


class Failing(Given):
    """A Dataset whose fourth item cannot be read."""

    def __getitem__(self, at: int) -> Any:
        if at == 3:
            raise KeyError("patient 3\nis not on disk")
        return super().__getitem__(at)


@pytest.mark.parametrize("n_workers", [0, 1])
def test_the_error_of_a_dataset_is_said_from_a_worker_too(n_workers: int) -> None:
    loader = DataLoader(Failing(ROWS), 2, num_workers=n_workers)
    message = r"batch 1 of the DataLoader cannot be read \(KeyError: 'patient 3"
    with pytest.raises(InputError, match=message):
        salience.explain(net(), loader, "tensor")
