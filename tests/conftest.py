"""Small models and a ragged domain that many tests share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from salience import Batch, Domain, Field, Layout, Notice

# The models here are too small for an operation to profit from threads, and where several
# processes run side by side the threads stand in each other's way.
torch.set_num_threads(1)

# --- Graphs of a few atoms, in a ragged and in a padded form -------------------------------------


@dataclass(frozen=True)
class Graph:
    """A molecule in small: a label an atom, and pairs of bonded atoms."""

    labels: tuple[int, ...]
    bonds: tuple[tuple[int, int], ...] = ()

    def arrows(self) -> Tensor:
        """Both directions of each bond, int64 of shape (2, 2 · bonds)."""
        pairs = torch.tensor(self.bonds, dtype=torch.int64).reshape(-1, 2).T
        return torch.cat([pairs, pairs.flip(0)], 1)


@dataclass(frozen=True)
class RaggedGraphs(Domain):
    """Atoms of all graphs one after the other, with an owner vector and an edge index."""

    target: str = "embed"
    output: str = "value"
    reduce: tuple[str, ...] = ()
    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        return Layout(
            {
                "labels": Field(("atom",)),
                "edge_index": Field(("end", "bond"), refers_to="atom"),
                "owner": Field(("atom",), refers_to="item"),
                "n_graphs": Field(counts="item"),
            },
            elements=("atom", "bond"),
            reduce=self.reduce,
            inner=("atom", "channel"),
        )

    def read(self, data: Any) -> Sequence[Graph]:
        return list(data)

    def size(self, sample: Graph) -> int:
        return len(sample.labels)

    def collate(self, samples: Sequence[Graph]) -> Batch:
        atoms = torch.tensor([len(graph.labels) for graph in samples])
        arrows = [graph.arrows() for graph in samples]
        starts = (atoms.cumsum(0) - atoms).tolist()
        return Batch(
            {
                "labels": torch.tensor(
                    [label for graph in samples for label in graph.labels], dtype=torch.int64
                ),
                "edge_index": torch.cat([a + s for a, s in zip(arrows, starts, strict=True)], 1),
                "owner": torch.repeat_interleave(atoms),
                "n_graphs": len(samples),
            },
            self.layout,
            len(samples),
            {"atom": atoms, "bond": torch.tensor([a.shape[1] for a in arrows])},
        )


@dataclass(frozen=True)
class PaddedGraphs(Domain):
    """Graphs padded to the largest of the batch, with a mask of the real atoms.

    Args:
        least: Atoms to pad to at least.
    """

    target: str = "embed"
    output: str = "value"
    reduce: tuple[str, ...] = ()
    least: int = 0
    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        return Layout(
            {
                "labels": Field(("item", "atom"), mask="real"),
                "adjacency": Field(("item", "atom", "neighbour")),
                "real": Field(("item", "atom")),
            },
            reduce=self.reduce,
            inner=("item", "atom", "channel"),
            inner_mask="real",
        )

    def read(self, data: Any) -> Sequence[Graph]:
        return list(data)

    def collate(self, samples: Sequence[Graph]) -> Batch:
        width = max(self.least, *(len(graph.labels) for graph in samples))
        labels = torch.zeros(len(samples), width, dtype=torch.int64)
        adjacency = torch.zeros(len(samples), width, width)
        real = torch.zeros(len(samples), width, dtype=torch.bool)
        for row, graph in enumerate(samples):
            labels[row, : len(graph.labels)] = torch.tensor(graph.labels)
            real[row, : len(graph.labels)] = True
            adjacency[row].index_put_(tuple(graph.arrows()), torch.ones(()), accumulate=True)
        arguments = {"labels": labels, "adjacency": adjacency, "real": real}
        return Batch(arguments, self.layout, len(samples))


class RaggedNet(nn.Module):
    """One round of messages along the bonds, then a sum over the atoms; float64."""

    def __init__(self, channels: int = 3, p: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, channels)
        self.own = nn.Linear(channels, 4)
        self.near = nn.Linear(channels, 4, bias=False)
        self.dropout = nn.Dropout(p)
        self.head = nn.Linear(4, 1)
        self.double()

    def forward(self, labels: Tensor, edge_index: Tensor, owner: Tensor, n_graphs: int) -> Tensor:
        atoms = self.embed(labels)
        source, sink = edge_index
        messages = torch.zeros_like(atoms).index_add(0, sink, atoms[source])
        hidden = self.dropout(torch.tanh(self.own(atoms) + self.near(messages)))
        pooled = hidden.new_zeros(n_graphs, 4).index_add(0, owner, hidden)
        out: Tensor = self.head(pooled)
        return out


class PaddedNet(RaggedNet):
    """The same function of padded graphs."""

    def forward(self, labels: Tensor, adjacency: Tensor, real: Tensor) -> Tensor:  # type: ignore[override]
        atoms = self.embed(labels) * real[..., None]
        messages = adjacency @ atoms
        hidden = self.dropout(torch.tanh(self.own(atoms) + self.near(messages)))
        out: Tensor = self.head((hidden * real[..., None]).sum(1))
        return out


@dataclass(frozen=True)
class GraphKit:
    """Graphs, and the two domains and models for them; each pair of models shares its weights."""

    graph: type[Graph] = Graph
    ragged: type[RaggedGraphs] = RaggedGraphs
    padded: type[PaddedGraphs] = PaddedGraphs
    data: tuple[Graph, ...] = (
        Graph((1, 2, 3), ((0, 1), (1, 2))),
        Graph((4,)),
        Graph((5, 1, 1, 2, 3), ((0, 1), (1, 2), (2, 3), (3, 4), (4, 0))),
        Graph((2, 2), ((0, 1),)),
        Graph((3, 1, 4, 1), ((0, 1), (0, 2), (0, 3))),
    )

    def models(self, p: float = 0.0, seed: int = 0) -> tuple[RaggedNet, PaddedNet]:
        """The ragged model and the padded one."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            ragged, padded = RaggedNet(p=p), PaddedNet(p=p)
        padded.load_state_dict(ragged.state_dict())
        return ragged, padded


@pytest.fixture
def graphs() -> GraphKit:
    """Graphs of one to five atoms, ragged and padded."""
    return GraphKit()


# --- Series of several lengths --------------------------------------------------------------------


@dataclass(frozen=True)
class Series(Domain):
    """Items of shape (band, frames), padded with zeros along the frames."""

    in_front: bool = False
    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        axes = ("item", "band", "frame")
        return Layout({"x": Field(axes, mask="mask"), "mask": Field(("item", "frame"))})

    def read(self, data: Any) -> list[Tensor]:
        return list(data)

    def collate(self, samples: Any) -> Batch:
        lengths = torch.tensor([one.shape[1] for one in samples])
        longest = int(lengths.max())
        mask = torch.arange(longest) < lengths[:, None]
        mask = mask.flip(1) if self.in_front else mask
        x = torch.zeros(len(samples), samples[0].shape[0], longest, dtype=samples[0].dtype)
        for row, real, one in zip(x, mask, samples, strict=True):
            row[:, real] = one
        return Batch({"x": x, "mask": mask}, self.layout, len(samples))


@pytest.fixture
def series() -> type[Series]:
    """A domain of series of several lengths."""
    return Series


# --- Watching forward passes ---------------------------------------------------------------------


class Watched(nn.Module):
    """Runs a model and writes down the size of each forward pass; may run out of memory.

    Args:
        model: The model to run.
        sizes: Where sizes are written down: the length of the first argument.
        most: Size above which memory runs out.
        error: What is raised then.
    """

    def __init__(
        self,
        model: nn.Module,
        sizes: list[int],
        most: float = float("inf"),
        error: Callable[[str], Exception] = torch.OutOfMemoryError,
    ) -> None:
        super().__init__()
        self.model = model
        # Behind a function, so that a copy of this module writes to the same list.
        self._write = sizes.append
        self._most, self._error = most, error

    def forward(self, *args: Any) -> Any:
        self._write(len(args[0]))
        if len(args[0]) > self._most:
            raise self._error("out of memory")
        return self.model(*args)


@pytest.fixture
def watched() -> type[Watched]:
    """A module around a model that writes down how large its forward passes are."""
    return Watched


@pytest.fixture
def normalised(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one with every batch normalisation that is run."""
    calls: list[int] = []
    plain = nn.functional.batch_norm

    def counted(*args: Any, **kwargs: Any) -> Tensor:
        calls.append(1)
        return plain(*args, **kwargs)

    monkeypatch.setattr(nn.functional, "batch_norm", counted)
    return calls


@pytest.fixture
def shown() -> Callable[[Callable[[], object]], list[str]]:
    """Calls a function and returns the notices that the user was shown."""

    def notices(call: Callable[[], object]) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        return [str(w.message) for w in caught if w.category is Notice]

    return notices
