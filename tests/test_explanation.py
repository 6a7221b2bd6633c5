"""What an explanation says, that it survives the disk, and that its record can be run again."""

from __future__ import annotations

import json
import os
import pickle
import stat
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import (
    Batch,
    Explainer,
    Explanation,
    GaussianNoise,
    InputError,
    IntegratedGradients,
    MCDropout,
    Mean,
    Occlusion,
    PerItem,
    Saliency,
    Target,
    Tensors,
    Visualizer,
    hookimpl,
)
from salience.plugins import PluginHost
from salience.support.files import write_whole

ROWS = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 2)
    return nn.Sequential(*layers).double()


def equal(one: Any, other: Any) -> None:
    """Assert the same values and types all the way down; NaN equals NaN."""
    if isinstance(one, np.ndarray):  # a domain may bring arrays back; by default tensors come
        one, other = torch.from_numpy(one), torch.as_tensor(other)
    if isinstance(one, Tensor):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    elif isinstance(one, PerItem):
        equal(one.values, other.values)
    elif isinstance(one, Mapping):
        assert list(one) == list(other)
        for key in one:
            equal(one[key], other[key])
    elif isinstance(one, Sequence) and not isinstance(one, str):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            equal(a, b)
    else:
        assert one == other


def same(one: Explanation, other: Explanation) -> None:
    """Assert that two explanations say the same, bit by bit."""
    assert list(one.saliency) == list(other.saliency)
    for name, saliency in one.saliency.items():
        equal(saliency.flat, other[name].flat)
        equal(saliency.flat_error, other[name].flat_error)
        assert (saliency.counts is None) == (other[name].counts is None)
        if saliency.counts is not None:
            equal(saliency.counts, other[name].counts)
    for name in ("prediction", "score", "delta", "completeness_gap"):
        equal(getattr(one, name), getattr(other, name))
    for name in ("annotations", "dataset_info", "ids"):
        equal(getattr(one, name), getattr(other, name))


# --- A domain with everything that can be annotated, registered for the test ---------------------


@dataclass(frozen=True)
class Annotated(Tensors):
    """Rows with names of their columns and with something to draw for each."""

    scale: Tensor | None = None
    visualizer: ClassVar[str] = "noted"

    def collate(self, samples: Sequence[Any]) -> Batch:
        batch = super().collate(samples)
        notes = [
            {
                "image": np.full((2, 2), row[0], dtype=np.uint8),
                "raw": row,
                "words": ["a", "b"],
                "nested": {"number": 1.5, "nothing": None, "flag": True, "numpy": np.float32(0.5)},
                "pair": complex(1, float(row[0])),
            }
            for row in batch.arguments["x"]
        ]
        return replace(batch, annotations=notes)

    def dataset_info(self, samples: Sequence[Any]) -> dict[str, Any]:
        return {"columns": ("length", "width", "weight")}

    def encode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        pair = annotation["pair"]
        return {**annotation, "pair": [pair.real, pair.imag]}

    def decode(self, annotation: Mapping[str, Any]) -> dict[str, Any]:
        return {**annotation, "pair": complex(*annotation["pair"])}


@dataclass(frozen=True)
class Noting(Visualizer):
    """Returns a figure that tells what it was asked to draw."""

    color: str = "black"

    def item(self, explanation: Explanation, item: int) -> Any:
        return Figure(("item", item, self.color))

    def mean(self, explanation: Explanation) -> Any:
        return Figure(("mean", len(explanation), self.color))

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Any:
        return Figure(("grid", list(explanations), list(items), self.color))


@dataclass
class Figure:
    drawn: tuple[Any, ...]

    def savefig(self, fname: IO[bytes], *, format: str) -> None:
        fname.write(f"{format}: {self.drawn}".encode())


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, graphs: Any) -> None:
    """The parts above and a ragged domain belong to a plugin."""

    @hookimpl
    def salience_domains() -> dict[str, type]:
        return {"annotated": Annotated, "ragged": graphs.ragged, "padded": graphs.padded}

    @hookimpl
    def salience_visualizers() -> dict[str, type]:
        return {"noted": Noting}

    plugin = SimpleNamespace(
        salience_domains=salience_domains, salience_visualizers=salience_visualizers
    )
    dist = SimpleNamespace(name="for-the-test", version="1.0", requires=[])
    host = PluginHost([SimpleNamespace(name="test", value="test", dist=dist, load=lambda: plugin)])
    assert [record.error for record in host.records] == [None, None]
    monkeypatch.setattr("salience.plugins.parts.host", lambda: host)


# --- Saving and loading --------------------------------------------------------------------------


def dense(graphs: Any) -> Explanation:
    return salience.explain(
        network(), ROWS, Tensors(), samplers=["gaussian", "mc_dropout"], n_samples=3
    )


def one_draw(graphs: Any) -> Explanation:
    return salience.explain(network().float(), ROWS.float(), "tensor", "integrated_gradients")


def with_names(graphs: Any) -> Explanation:
    domain = Annotated(scale=torch.ones(2, 3))
    return salience.explain(network(), ROWS, domain, ids=["ä", "b", "c/d", '"'])


def several(graphs: Any) -> Explanation:
    domain = Tensors(
        {"a": ("item", "feature"), "b": ("item",), "shared": ("feature",)}, output="value"
    )
    data = {"a": ROWS, "b": ROWS[:, 0], "shared": ROWS[0]}
    return salience.explain(
        lambda a, b, shared: (a * shared).sum(1) * b, data, domain, target=["a", "b"]
    )


def ragged(graphs: Any) -> Explanation:
    model, _ = graphs.models(p=0.5)
    return salience.explain(
        model, graphs.data, graphs.ragged(reduce=("channel",)), samplers=["mc_dropout"], n_samples=2
    )


def padded(graphs: Any) -> Explanation:
    _, model = graphs.models()
    return salience.explain(model, graphs.data, graphs.padded(), "integrated_gradients")


def with_baseline(graphs: Any) -> Explanation:
    baseline = torch.tensor([0.5, -0.25, 0.125], dtype=torch.float64)
    return salience.explain(network(), ROWS, Tensors(), IntegratedGradients(4, baseline))


KINDS = [dense, one_draw, with_names, several, ragged, padded, with_baseline]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("make", KINDS)
def test_what_is_loaded_is_what_was_saved(
    make: Callable[[Any], Explanation], graphs: Any, tmp_path: Path
) -> None:
    explanation = make(graphs)
    explanation.save(tmp_path / "run.salience")
    loaded = Explanation.load(tmp_path / "run.salience")
    same(explanation, loaded)
    equal(explanation.provenance, loaded.provenance)
    assert type(loaded.domain) is type(explanation.domain)
    assert len(loaded) == len(explanation)
    # A second time round nothing changes any more.
    loaded.save(tmp_path / "again.salience")
    assert (tmp_path / "again.salience").read_bytes() == (tmp_path / "run.salience").read_bytes()


@pytest.mark.usefixtures("registered")
def test_annotations_come_back_through_the_domains_own_coding(graphs: Any, tmp_path: Path) -> None:
    explanation = with_names(graphs)
    explanation.save(tmp_path / "run.salience")
    loaded = Explanation.load(tmp_path / "run.salience")
    for before, after in zip(explanation.annotations, loaded.annotations, strict=True):
        assert np.array_equal(before["image"], np.asarray(after["image"]))
        assert torch.equal(before["raw"], after["raw"])
        assert after["pair"] == before["pair"]
        assert after["words"] == before["words"] and after["nested"] == before["nested"]
    assert isinstance(loaded.domain, Annotated)
    assert torch.equal(loaded.domain.scale, torch.ones(2, 3))
    assert list(loaded.dataset_info["columns"]) == ["length", "width", "weight"]
    assert list(loaded.ids) == ["ä", "b", "c/d", '"']


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("make", KINDS)
def test_nothing_is_pickled(
    make: Callable[[Any], Explanation],
    graphs: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explanation = make(graphs)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("pickled")

    for module, name in [
        *((pickle, name) for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler")),
        (torch, "save"),
        (torch, "load"),
    ]:
        monkeypatch.setattr(module, name, refuse)
    path = tmp_path / "run.salience"
    explanation.save(path)
    Explanation.load(path)
    # The whole file is a JSON header and the bytes of the tensors that it lists.
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    json.loads(header.pop("__metadata__")["salience"])
    ends = [entry["data_offsets"][1] for entry in header.values()]
    assert 8 + length + max(ends) == len(content)


def test_values_stay_readable_where_the_domain_is_not_installed(
    graphs: Any, tmp_path: Path
) -> None:
    explanation = ragged(graphs)  # its domain belongs to no plugin here
    explanation.save(tmp_path / "run.salience")
    loaded = Explanation.load(tmp_path / "run.salience")
    same(explanation, loaded)
    assert isinstance(loaded.domain, Mapping)
    with pytest.raises(InputError, match=r"'⟨RaggedGraphs⟩'.* is not installed"):
        loaded.visualize(0)
    assert loaded.visualize(0, visualizer=Noting()).drawn == ("item", 0, "black")


# --- Files are written whole or not at all -------------------------------------------------------


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("moment", ["writing", "replacing"])
def test_a_failure_while_saving_leaves_the_old_file_and_nothing_else(
    moment: str, error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explanation = salience.explain(network(), ROWS, Tensors())
    path = tmp_path / "run.salience"
    path.write_bytes(b"old")

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error("no space left")

    if moment == "replacing":
        monkeypatch.setattr(Path, "replace", fail)
        with pytest.raises(error):
            explanation.save(path)
    else:

        def write(stream: IO[bytes]) -> None:
            stream.write(b"half of it")
            stream.flush()
            fail()

        with pytest.raises(error):
            write_whole(path, write)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.salience"]


def test_saving_takes_the_place_of_an_old_file_and_makes_folders(tmp_path: Path) -> None:
    explanation = salience.explain(network(), ROWS, Tensors())
    path = tmp_path / "new" / "folder" / "run.salience"
    for _ in range(2):
        explanation.save(str(path))
    same(explanation, Explanation.load(str(path)))
    assert [entry.name for entry in path.parent.iterdir()] == ["run.salience"]


def test_a_saved_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", lambda stream: stream.write(b""))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


# --- Running again from the record ---------------------------------------------------------------


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embed = nn.Embedding(5, 3)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(3, 2)
        self.double()

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.last(self.drop(self.embed(tokens).tanh()).sum(1))
        return out


TOKENS = Tensors({"tokens": ("item", "place")}, ("channel",))

RUNS: dict[str, tuple[Callable[[], nn.Module], Any, dict[str, Any], dict[str, Any]]] = {
    "plain": (network, ROWS, {"domain": "tensor"}, {}),
    "class": (network, ROWS, {"domain": Tensors(), "output": salience.ClassScore(1)}, {}),
    "labels": (
        network,
        ROWS,
        {"domain": Tensors(), "output": salience.CrossEntropy(torch.tensor([0, 1, 1, 0]))},
        {},
    ),
    "tap": (
        network,
        ROWS,
        {"domain": Tensors(), "output": salience.Tap("0")},
        {"calculator": "occlusion"},
    ),
    "draws": (
        network,
        ROWS,
        {"domain": Tensors(), "output": "class:0"},
        {
            "calculator": IntegratedGradients(3, baseline=torch.ones(3).double() / 3),
            "samplers": [GaussianNoise(0.3, mode="absolute"), MCDropout()],
            "n_samples": 5,
            "aggregator": "square",
            "seed": 7,
        },
    ),
    "baseline an item": (
        network,
        ROWS,
        {"domain": Tensors()},
        {"calculator": IntegratedGradients(3, baseline=PerItem(ROWS.flip(0)))},
    ),
    "baseline of a mean": (
        network,
        ROWS,
        {"domain": Tensors()},
        {"calculator": IntegratedGradients(3, baseline=Mean(ROWS[:2]))},
    ),
    "windows": (
        network,
        ROWS,
        {"domain": {"name": "tensor", "axes": ("item", "feature")}},
        {"calculator": Occlusion(window={"feature": 2}, stride={"feature": 1})},
    ),
    "inside": (
        Tokens,
        {"tokens": torch.tensor([[0, 1, 2], [4, 3, 3]])},
        {
            "domain": TOKENS,
            "target": Target("embed", axes=("item", "place", "channel")),
        },
        {"samplers": ["gaussian:scale=0.05", "mc_dropout"], "n_samples": 4, "aggregator": "abs"},
    ),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("stored", [False, True], ids=["in memory", "from disk"])
def test_the_record_runs_again_to_the_same_numbers(stored: bool, name: str, tmp_path: Path) -> None:
    model, data, setting, settings = RUNS[name]
    first = salience.explain(model(), data, max_rows=4, **setting, **settings)
    record = first.provenance
    if stored:
        first.save(tmp_path / "run.salience")
        record = Explanation.load(tmp_path / "run.salience").provenance
    again = salience.rerun(model(), data, record, max_rows=4)
    same(first, again)
    equal(dict(first.provenance), dict(again.provenance))


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("form", ["ragged", "padded"])
def test_the_record_of_graphs_runs_again_to_the_same_numbers(
    form: str, graphs: Any, tmp_path: Path
) -> None:
    models = graphs.models(p=0.5)
    model = models[0] if form == "ragged" else models[1]
    groups = [[0] * len(graph.labels) for graph in graphs.data]
    settings: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 3}
    if form == "ragged":
        settings["calculator"] = Occlusion(groups=groups)
    first = salience.explain(model, graphs.data, form, max_rows=6, **settings)
    first.save(tmp_path / "run.salience")
    record = Explanation.load(tmp_path / "run.salience").provenance
    same(first, salience.rerun(model, graphs.data, record, max_rows=6))


def test_a_record_with_a_function_of_the_users_says_that_it_cannot_run_again(
    tmp_path: Path,
) -> None:
    def margin(out: Tensor) -> Tensor:
        return out[:, 0] - out[:, 1]

    first = salience.explain(network(), ROWS, Tensors(), output=margin)
    first.save(tmp_path / "run.salience")
    for record in (first.provenance, Explanation.load(tmp_path / "run.salience").provenance):
        with pytest.raises(InputError, match=r"tells of ⟨.*⟩ .*; pass the object"):
            salience.rerun(network(), ROWS, record)


def test_the_record_tells_parts_parameters_seed_and_versions() -> None:
    record = salience.explain(
        network(), ROWS, Tensors(), "occlusion", samplers=["gaussian"], n_samples=2, seed=3
    ).provenance
    assert record["calculator"]["name"] == "occlusion" and record["calculator"]["window"] == 1
    noise = {"name": "gaussian", "scale": 0.15, "mode": "relative", "only": None}
    noise["antithetic"] = False
    assert record["samplers"] == [noise]
    assert record["aggregator"] == {"name": "raw"}
    assert (record["n_samples"], record["seed"]) == (2, 3)
    assert record["domain"]["name"] == "tensor" and record["target"] == ["input"]
    assert record["output"] == {"name": "predicted"} and record["model"] == "Sequential"
    assert record["versions"]["salience"] == salience.__version__
    assert record["versions"]["torch"] == str(torch.__version__)


# --- Two steps and one ---------------------------------------------------------------------------


@pytest.mark.parametrize("aggregator", ["raw", "abs", "square"])
@pytest.mark.parametrize("max_rows", [1, 3, 8, 1000])
@pytest.mark.parametrize("samplers", [["gaussian"], ["mc_dropout", "gaussian:scale=0.3"]])
def test_compute_and_aggregate_equal_explain_bit_for_bit(
    samplers: list[str], max_rows: int, aggregator: str
) -> None:
    explainer = Explainer(network(), Tensors(reduce=("feature",)), max_rows=max_rows)
    settings: dict[str, Any] = {"samplers": samplers, "n_samples": 7, "seed": 2}
    samples = explainer.compute(ROWS, "integrated_gradients:steps=3", **settings)
    assert samples.values.shape == (7, 4, 3) and len(samples) == 4
    two = explainer.aggregate(samples, aggregator)
    one = explainer.explain(ROWS, "integrated_gradients:steps=3", aggregator=aggregator, **settings)
    same(one, two)
    equal(one.provenance, two.provenance)


@pytest.mark.parametrize("aggregator", ["raw", "abs", "square"])
def test_compute_and_aggregate_equal_explain_on_ragged_items(aggregator: str, graphs: Any) -> None:
    model, _ = graphs.models(p=0.5)
    explainer = Explainer(model, graphs.ragged(reduce=("channel",)), max_rows=9)
    settings: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 5}
    samples = explainer.compute(graphs.data, **settings)
    sizes = [len(graph.labels) for graph in graphs.data]
    assert [tuple(draws.shape) for draws in samples.values] == [(5, n, 3) for n in sizes]
    one = explainer.explain(graphs.data, aggregator=aggregator, **settings)
    same(one, explainer.aggregate(samples, aggregator))


# --- Means and standard errors -------------------------------------------------------------------


@pytest.fixture
def drawn() -> tuple[Tensor, Explanation]:
    """Draws of shape (M, B, F), and their explanation."""
    explainer = Explainer(network(), Tensors())
    samples = explainer.compute(ROWS, samplers=["gaussian"], n_samples=6)
    return samples.values, explainer.aggregate(samples)


def test_standard_errors_are_those_of_the_mean_over_draws(
    drawn: tuple[Tensor, Explanation],
) -> None:
    draws, explanation = drawn
    assert explanation.n_samples == 6
    torch.testing.assert_close(explanation.values, draws.mean(0), rtol=1e-12, atol=1e-14)
    expected = draws.std(0) / 6**0.5
    torch.testing.assert_close(explanation.std_error, expected, rtol=1e-10, atol=1e-14)


def test_the_mean_over_items_adds_independent_errors(drawn: tuple[Tensor, Explanation]) -> None:
    _, explanation = drawn
    equal(explanation.mean(), explanation.values.mean(0))
    errors = [explanation.std_error[i] for i in range(4)]
    expected = sum(error**2 for error in errors).sqrt() / 4
    torch.testing.assert_close(explanation.mean_std_error(), expected, rtol=1e-12, atol=0)


def test_one_draw_has_no_standard_error() -> None:
    explanation = salience.explain(network(), ROWS, Tensors())
    assert explanation.std_error.isnan().all() and explanation.mean_std_error().isnan().all()
    assert explanation.values.isfinite().all() and explanation.n_samples == 1


def test_equal_draws_have_a_standard_error_of_zero() -> None:
    # Gaussian noise does not move the gradient of a linear model.
    explanation = salience.explain(
        lambda x: x.sum(1), ROWS, Tensors(), output="value", samplers=["gaussian"], n_samples=4
    )
    assert explanation.values.eq(1).all() and explanation.std_error.eq(0).all()


def test_the_mean_of_ragged_items_is_refused(graphs: Any) -> None:
    explanation = ragged(graphs)
    for mean in (explanation.mean, explanation.mean_std_error):
        with pytest.raises(InputError, match=r"ragged; use \.values, one tensor an item"):
            mean()
    sizes = [len(graph.labels) for graph in graphs.data]
    assert [len(values) for values in explanation.values] == sizes
    assert [len(errors) for errors in explanation.std_error] == sizes


def test_several_variables_are_picked_by_name(graphs: Any) -> None:
    explanation = several(graphs)
    for speak in ("values", "std_error", "only"):
        with pytest.raises(InputError, match=r"several .*\('a', 'b'\); pick .*explanation\['a'\]"):
            getattr(explanation, speak)
    with pytest.raises(InputError, match="several"):
        explanation.mean()
    assert explanation["a"].values.shape == (4, 3) and explanation["b"].values.shape == (4,)
    # f = (a · shared) b
    torch.testing.assert_close(explanation["b"].values, (ROWS * ROWS[0]).sum(1))


def test_only_is_the_saliency_of_the_one_variable(drawn: tuple[Tensor, Explanation]) -> None:
    _, explanation = drawn
    assert isinstance(explanation.only, Saliency)
    assert explanation.only is explanation["input"]


def test_scores_deltas_and_gaps_are_reported() -> None:
    explanation = salience.explain(network(), ROWS, Tensors(), "integrated_gradients:steps=40")
    model = network().eval()
    with torch.no_grad():
        scores, zero = model(ROWS), model(torch.zeros(1, 3).double())
    equal(explanation.prediction, scores)
    top = scores.argmax(1)
    equal(explanation.score, scores.gather(1, top[:, None])[:, 0])
    torch.testing.assert_close(explanation.delta, explanation.score - zero[0, top])
    gap = (explanation.values.sum(1) - explanation.delta).abs()
    torch.testing.assert_close(explanation.completeness_gap, gap, rtol=0, atol=1e-12)
    plain = salience.explain(network(), ROWS, Tensors())
    assert plain.delta.isnan().all() and plain.completeness_gap.isnan().all()


class PerAtom(nn.Module):
    """Returns a value for each atom, padded as the batch is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.embed = model.embed

    def forward(self, labels: Tensor, adjacency: Tensor, real: Tensor) -> Tensor:
        values: Tensor = self.embed(labels).square().sum(-1)
        return values * real


@pytest.mark.parametrize("max_rows", [1, 2, 5, 100])
def test_outputs_without_a_shape_for_the_whole_data_set_give_way_to_the_scores(
    max_rows: int, graphs: Any
) -> None:
    _, padded = graphs.models()
    made = salience.explain(
        PerAtom(padded),
        graphs.data,
        graphs.padded(),
        output=lambda values: values.sum(1),
        max_rows=max_rows,
    )
    expected = torch.stack(
        [padded.embed(torch.tensor(graph.labels)).square().sum().detach() for graph in graphs.data]
    )
    torch.testing.assert_close(made.score, expected)
    assert len(made.prediction) == len(graphs.data)
    if max_rows >= len(graphs.data):  # one batch, one width
        assert made.prediction.shape == (5, max(len(graph.labels) for graph in graphs.data))
    else:
        equal(made.prediction, made.score)


# --- Tables --------------------------------------------------------------------------------------


def test_a_table_of_rows_has_a_line_for_each_value() -> None:
    explanation = salience.explain(
        network(), ROWS, Tensors(), samplers=["gaussian"], n_samples=2, ids=[9, 8, 7, 6]
    )
    frame = explanation.to_dataframe()
    assert list(frame.columns) == ["id", "variable", "position", "saliency", "std_error"]
    assert len(frame) == 12 and set(frame["variable"]) == {"input"}
    for line in frame.itertuples():
        item = [9, 8, 7, 6].index(line.id)
        assert line.saliency == explanation.values[item, line.position]
        assert line.std_error == explanation.std_error[item, line.position]
    assert len(set(zip(frame["id"], frame["position"], strict=True))) == 12


@pytest.mark.usefixtures("registered")
def test_a_table_has_the_names_of_the_features(graphs: Any) -> None:
    frame = with_names(graphs).to_dataframe()
    assert list(frame["position"][:3]) == ["length", "width", "weight"]
    assert list(frame["id"].unique()) == ["ä", "b", "c/d", '"']


def test_a_table_of_images_has_positions_of_two_numbers() -> None:
    images = torch.arange(24.0).reshape(2, 3, 4)
    domain = Tensors(("item", "height", "width"), output="value")
    explanation = salience.explain(lambda x: (x * images[0]).sum((1, 2)), images, domain)
    frame = explanation.to_dataframe()
    assert len(frame) == 24
    for line in frame.itertuples():
        assert line.saliency == explanation.values[line.id][line.position]
    assert set(frame["position"]) == {(i, j) for i in range(3) for j in range(4)}


def test_a_table_of_ragged_items_counts_positions_in_each_item(graphs: Any) -> None:
    explanation = ragged(graphs)
    frame = explanation.to_dataframe()
    for item, values in enumerate(explanation.values):
        lines = frame[frame["id"] == item]
        assert list(lines["position"]) == list(range(len(values)))
        assert list(lines["saliency"]) == values.tolist()


def test_a_table_of_ragged_vectors_has_positions_of_two_numbers(graphs: Any) -> None:
    model, _ = graphs.models()
    explanation = salience.explain(model, graphs.data, graphs.ragged())
    frame = explanation.to_dataframe()
    assert len(frame) == 3 * sum(len(graph.labels) for graph in graphs.data)
    for line in frame.itertuples():
        assert line.saliency == explanation.values[line.id][line.position]


def test_a_table_of_several_variables_names_them(graphs: Any) -> None:
    explanation = several(graphs)
    frame = explanation.to_dataframe()
    assert list(frame["variable"].unique()) == ["a", "b"]
    b = frame[frame["variable"] == "b"]
    assert list(b["saliency"]) == explanation["b"].values.tolist()


def test_a_table_without_pandas_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    explanation = salience.explain(network(), ROWS, Tensors())
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="run: pip install pandas"):
        explanation.to_dataframe()


# --- Pictures ------------------------------------------------------------------------------------


@pytest.fixture
def noted(registered: None, graphs: Any) -> Iterator[Explanation]:
    yield with_names(graphs)


def test_a_picture_is_of_the_item_the_mean_or_the_grid_that_was_asked_for(
    noted: Explanation,
) -> None:
    assert noted.visualize(2).drawn == ("item", 2, "black")
    assert noted.visualize(-1).drawn == ("item", 3, "black")
    assert noted.visualize().drawn == ("mean", 4, "black")
    drawn = salience.grid({"one": noted, "two": noted}, [3, 1]).drawn
    assert drawn == ("grid", ["one", "two"], [3, 1], "black")
    assert salience.grid({"one": noted}).drawn == ("grid", ["one"], [0, 1, 2, 3], "black")


def test_the_look_is_given_by_options_by_name_or_by_an_object(noted: Explanation) -> None:
    for look in (
        {"color": "red"},
        {"visualizer": "noted:color=red"},
        {"visualizer": "noted", "color": "red"},
        {"visualizer": {"name": "noted", "color": "red"}},
        {"visualizer": Noting(color="red")},
    ):
        assert noted.visualize(0, **look).drawn == ("item", 0, "red")
        assert salience.grid({"a": noted}, [0], **look).drawn == ("grid", ["a"], [0], "red")


def test_a_picture_is_written_in_the_format_of_the_suffix(
    noted: Explanation, tmp_path: Path
) -> None:
    figure = noted.visualize(1, path=tmp_path / "new" / "one.svg")
    assert figure.drawn == ("item", 1, "black")
    assert (tmp_path / "new" / "one.svg").read_bytes() == b"svg: ('item', 1, 'black')"
    salience.grid({"a": noted}, [0], path=str(tmp_path / "grid.PNG"))
    assert (tmp_path / "grid.PNG").read_bytes().startswith(b"png: ('grid'")


@pytest.mark.parametrize(
    ("explanations", "items", "said"),
    [
        (lambda e: {}, None, "at least one explanation"),
        (lambda e: {"a": e, "b": shorter(e)}, None, r"\{'a': 4, 'b': 3\}"),
        (lambda e: {"a": e}, [], "items"),
        (lambda e: {"a": e}, [4], "no item 4: the explanation holds items 0 to 3"),
        (lambda e: {"a": e}, [0, -5], "0 to 3"),
    ],
    ids=["none", "of different numbers", "no items", "an item too high", "an item too low"],
)
def test_a_grid_refuses_what_it_cannot_draw(
    explanations: Any, items: Any, said: str, noted: Explanation
) -> None:
    with pytest.raises(InputError, match=said):
        salience.grid(explanations(noted), items)


def shorter(explanation: Explanation) -> Explanation:
    return salience.explain(network(), ROWS[:3], explanation.domain)
