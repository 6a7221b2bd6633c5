"""What cannot be served is refused in one sentence, before anything is computed."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import salience
from salience import (
    ClassScore,
    CrossEntropy,
    Explainer,
    Explanation,
    GaussianNoise,
    Gradient,
    InputError,
    IntegratedGradients,
    MCDropout,
    Mean,
    Occlusion,
    PerItem,
    Raw,
    Tap,
    Target,
    Tensors,
    Value,
    Visualizer,
)
from salience.plugins import PluginHost

# --- What a refusal must look like ---------------------------------------------------------------


def refused(call: Callable[[], object], *parts: str) -> str:
    """The message of the InputError that the call raises; it must hold all the parts."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert len(message) <= 300, f"{len(message)} characters: {message}"
    assert "\n" not in message, message
    # One sentence: no full stop inside, but for those of file names and numbers.
    assert not re.search(r"\.\s+[A-Z]", message), message
    for noise in ("Traceback", 'File "', "0x", "<function", "<class"):
        assert noise not in message, message
    for part in parts:
        assert part in message, f"{part!r} is missing in: {message}"
    return message


@dataclass
class Work:
    """Counts what a computation would do."""

    forwards: int = 0
    backwards: int = 0


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """The work of all models; no backward pass may be run by the end of the test."""
    done = Work()
    grad, call = torch.autograd.grad, nn.Module.__call__

    def counted(*args: Any, **kwargs: Any) -> Any:
        done.backwards += 1
        return grad(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    yield done
    assert done.backwards == 0
    assert call is nn.Module.__call__


class Net(nn.Module):
    """Three features to two scores, by way of an embedding that is used and a layer that is not."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.hidden = nn.Linear(3, 4)
        self.scores = nn.Linear(4, 2)
        self.unused = nn.Linear(4, 4)
        self._work = lambda: setattr(work, "forwards", work.forwards + 1)

    def forward(self, x: Tensor) -> Tensor:
        self._work()
        out: Tensor = self.scores(self.hidden(x).tanh())
        return out


@pytest.fixture
def model(work: Work) -> Net:
    return Net(work)


ROWS = torch.linspace(-1, 1, 15).reshape(5, 3)
INNER = Tensors(inner=("item", "feature"))


# --- Data ----------------------------------------------------------------------------------------

with_nan = ROWS.clone()
with_nan[3, 1] = torch.nan
with_inf = ROWS.clone()
with_inf[2, 0] = -torch.inf

BAD_DATA: dict[str, tuple[Any, tuple[str, ...]]] = {
    "wrong number of features": (ROWS[:, :2], ("x (5, 2) float32", "shape", "5x2 and 3x4")),
    "wrong number of axes": (ROWS[0], ("(3,)", "2 axes", "'item', 'feature'")),
    "one axis too many": (ROWS[None], ("(1, 5, 3)", "2 axes")),
    "NaN": (with_nan, ("item 3", "NaN", "'x'", "remove or repair")),
    "infinite": (with_inf, ("item 2", "infinity", "'x'", "remove or repair")),
    "NaN in numpy": (with_nan.numpy(), ("item 3", "NaN")),
    "no items": (ROWS[:0], ("empty", "at least one item")),
    "empty list": ([], ("empty",)),
    "no features": (ROWS[:, :0], ("x (5, 0) float32",)),
    "integers": (torch.ones(5, 3, dtype=torch.int64), ("integers", "int64", "embedding")),
    "words": (["one", "two"], ("argument 'x'", "list", "tensor or array")),
    "nothing": (None, ("argument 'x'", "NoneType", "tensor or array")),
    "rows of two lengths": ([[1.0, 2.0], [3.0]], ("argument 'x'", "list", "tensor or array")),
    "objects": (np.array([{}, {}]), ("argument 'x'", "ndarray", "tensor or array")),
    "wrong argument": ({"y": ROWS}, ("['y']", "['x']")),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_refused(name: str, model: Net, work: Work) -> None:
    data, parts = BAD_DATA[name]
    refused(lambda: salience.explain(model, data, Tensors()), *parts)
    assert work.forwards <= 3  # the batch, again in a pristine replica, and an item alone


def test_arguments_of_different_lengths_are_refused(work: Work) -> None:
    domain = Tensors({"x": ("item", "feature"), "y": ("item",)})
    data = {"x": torch.ones(3, 2), "y": torch.ones(2)}
    refused(
        lambda: salience.explain(lambda x, y: x.sum(1) * y, data, domain, output="value"),
        "[2, 3] items",
    )


def test_a_domain_without_an_item_axis_is_refused() -> None:
    refused(lambda: Tensors(("row", "feature")), "'row'", "'item'")


def test_a_model_that_cannot_run_is_told_of_in_one_line(work: Work) -> None:
    def model(x: Tensor) -> Tensor:
        raise RuntimeError("first line\nsecond line\n" + "many words " * 100)

    message = refused(
        lambda: salience.explain(model, ROWS, Tensors()), "(x (5, 3) float32)", "first line"
    )
    assert "second line" not in message


def test_a_large_item_that_exceeds_the_budget_is_refused(graphs: Any, work: Work) -> None:
    ragged, _ = graphs.models()
    refused(
        lambda: salience.explain(ragged, graphs.data, graphs.ragged(), max_rows=4),
        "item 2 has 5 elements",
        "max_rows=4",
        "raise max_rows to 5",
    )
    salience_runs = Explainer(ragged, graphs.ragged(), max_rows=5)
    assert salience_runs.max_rows == 5


# --- The model's output and the output variable --------------------------------------------------


def nan_in_item_2(x: Tensor) -> Tensor:
    out = torch.stack([x.sum(1), x.prod(1)], 1)
    return torch.where(torch.arange(len(x))[:, None] == 2, torch.nan, out)


@pytest.mark.parametrize("output", ["predicted", "class:1", "cross_entropy"])
def test_nan_in_the_models_output_is_refused_with_its_item(output: str, work: Work) -> None:
    refused(
        lambda: salience.explain(nan_in_item_2, ROWS, Tensors(), output=output),
        "model's output of item 2",
        "NaN",
    )


def test_nan_in_a_later_batch_names_the_position_in_the_data() -> None:
    def model(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0.5, torch.nan, x.sum(1))

    refused(lambda: salience.explain(model, ROWS, Tensors(), output="value", max_rows=2), "item 4")


def test_nan_in_the_saliency_is_refused_with_its_item_and_the_variable() -> None:
    def model(x: Tensor) -> Tensor:  # 0 · ∞ in the gradient at 0, a finite value
        return x[:, 0].sqrt() * 0 + x.sum(1)

    rows = torch.ones(3, 3)
    rows[1, 0] = 0
    refused(
        lambda: salience.explain(model, rows, Tensors(), output="value"),
        "saliency for 'input' of item 1",
    )


OUTPUTS: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    # name: (model, output, parts of the message)
    "a mean over the batch": (
        lambda x: x.mean(0),
        "predicted",
        ("(B, K)", "(3,)", "output='value'"),
    ),
    "a scalar": (lambda x: x.mean(), "value", ("(B,)", "shape ()")),
    "a function that loses the item axis": (
        lambda x: x,
        lambda out: out.sum(),
        ("shape ()", "one scalar an item", "(5,)"),
    ),
    "a function that keeps too much": (lambda x: x, lambda out: out, ("shape (5, 3)", "(5,)")),
    "a function that returns no tensor": (lambda x: x, lambda out: 3, ("int", "(5,)")),
    "predicted of one value": (lambda x: x[:, :1], "predicted", ("(5, 1)", "output='value'")),
    "predicted of a tuple": (lambda x: (x, x), "predicted", ("tuple", "function of the output")),
    "value of many": (lambda x: x, "value", ("3", "Value(index)", "0 to 2")),
    "value out of range": (lambda x: x, Value(3), ("value index 3", "0 to 2")),
    "class out of range": (lambda x: x, "class:3", ("class index 3", "3 classes", "0 to 2")),
    "negative class": (lambda x: x, ClassScore(-1), ("class index -1", "0 to 2")),
    "too few labels": (lambda x: x, CrossEntropy([0, 1]), ("2 labels", "5 items")),
    "labels of another shape": (
        lambda x: x,
        CrossEntropy(torch.zeros(5, 1, dtype=torch.int64)),
        ("labels", "(5, 1)", "(5,)"),
    ),
    "labels that are no whole numbers": (
        lambda x: x,
        CrossEntropy([0.5] * 5),
        ("labels", "float", "whole numbers"),
    ),
    "labels that are words": (lambda x: x, CrossEntropy(["a"] * 5), ("labels", "whole numbers")),
    "label out of range": (
        lambda x: x,
        CrossEntropy([0, 1, 2, 3, 0]),
        ("label 3 of item 3", "3 classes", "0 to 2"),
    ),
    "negative label": (lambda x: x, CrossEntropy([0, 1, -1, 2, 0]), ("label -1 of item 2",)),
    "unknown output": (lambda x: x, "predictd", ("unknown output 'predictd'", "'predicted'")),
    "unknown parameter": (lambda x: x, "value:place=1", ("output 'value'", "'place'")),
    "a class of outputs": (lambda x: x, Value, ("Value is a class", "Value(...)")),
    "a number as output": (lambda x: x, 3, ("output is 3", "name", "ClassScore(3)")),
    "mapping without a name": (lambda x: x, {"index": 3}, ("output", "name")),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_bad_output_variable_is_refused(name: str, work: Work) -> None:
    model, output, parts = OUTPUTS[name]
    refused(lambda: salience.explain(model, ROWS, Tensors(), output=output), *parts)


def test_a_label_out_of_range_is_seen_in_the_first_batch(model: Net, work: Work) -> None:
    refused(
        lambda: salience.explain(
            model, ROWS, Tensors(), output=CrossEntropy([0, 1, 0, 1, 2]), max_rows=1
        ),
        "label 2 of item 4",
    )
    assert work.forwards == 1


def test_an_output_that_is_cut_off_from_the_input_is_refused(model: Net, work: Work) -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.inner(x).detach()
            return out

    refused(
        lambda: salience.explain(Detached(), ROWS, Tensors()),
        "does not depend on the target variable 'input' by autograd",
        "detach",
        "occlusion",
    )
    assert work.forwards <= 2
    salience.explain(Detached(), ROWS, Tensors(), "occlusion")


# --- Target variables ----------------------------------------------------------------------------

TARGETS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "a number": (3, ("target=3", "output=ClassScore(3)")),
    "unknown module": ("hiden", ("no module 'hiden'", "did you mean 'hidden'")),
    "unknown module far from all": ("qqqq", ("no module 'qqqq'", "hidden", "scores")),
    "a module itself": (nn.Linear(1, 1), ("Linear", "module path")),
    "the class Target": (Target, ("Target is a class", "Target(...)")),
    "nothing": ([], ("at least one",)),
    "the same twice": (["input", "input"], ("twice", "each once")),
    "never called": ("unused", ("'unused'", "not called", "the forward")),
    "call too high": (Target("hidden", call=2), ("'hidden#2'", "call 2", "1 time")),
    "axes of another number": (
        Target("hidden", axes=("item", "time", "channel")),
        ("(5, 4)", "('item', 'time', 'channel')", "axes="),
    ),
    "axes without items": (Target("hidden", axes=("a", "b")), ("('a', 'b')", "'item'", "axes=")),
    "item axis in the wrong place": (
        Target("hidden", axes=("feature", "item")),
        ("(5, 4)", "expected 5 along 'item'"),
    ),
    "unknown place": (lambda: Target("hidden", at="middle"), ("'middle'", "'output'", "'input'")),
    "negative call": (lambda: Target("hidden", call=-1), ("call=-1", "from 0")),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_bad_target_is_refused(name: str, model: Net, work: Work) -> None:
    target, parts = TARGETS[name]

    def call() -> None:
        made = target() if callable(target) and not isinstance(target, type | nn.Module) else target
        salience.explain(model, ROWS, INNER, target=made)

    refused(call, *parts)
    assert work.forwards <= 1


class Words(nn.Module):
    """Reads integers through an embedding and returns several things at once."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.pair = nn.LSTM(3, 2, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.pair(self.embed(tokens))[0][:, -1]
        return out


TOKENS = torch.tensor([[0, 1, 2], [3, 4, 0]])
WORDS = Tensors({"tokens": ("item", "position")}, inner=("item", "position", "channel"))


@pytest.mark.parametrize("target", ["input", "tokens", Target("embed", at="input")])
def test_an_integer_target_is_pointed_to_the_embedding(target: Any, work: Work) -> None:
    if isinstance(target, Target):
        target = Target("embed", at="input", axes=("item", "position"))
    refused(
        lambda: salience.explain(Words(), TOKENS_DATA, WORDS, target=target),
        "integers (torch.int64)",
        "output of the embedding",
    )


TOKENS_DATA = {"tokens": TOKENS}


def test_a_module_that_returns_several_needs_an_index(work: Work) -> None:
    refused(
        lambda: salience.explain(
            Words(), TOKENS_DATA, WORDS, target=Target("pair", index=1, axes=("item", "channel"))
        ),
        "tuple",
        "expected a tensor",
        "index=",
    )
    refused(
        lambda: salience.explain(Words(), TOKENS_DATA, WORDS, target=Target("pair", index=7)),
        "no output 7",
        "index=",
    )


def test_a_module_target_of_a_function_is_refused() -> None:
    refused(
        lambda: salience.explain(lambda x: x, ROWS, INNER, target="hidden"),
        "'hidden'",
        "no torch.nn.Module",
        "target='input'",
    )


def test_a_tap_of_an_unknown_or_unused_module_is_refused(model: Net, work: Work) -> None:
    refused(
        lambda: salience.explain(model, ROWS, Tensors(), output=Tap("hiden")),
        "no module 'hiden'",
        "'hidden'",
    )
    refused(
        lambda: salience.explain(model, ROWS, Tensors(), output=Tap("unused")),
        "Tap('unused')",
        "not called",
    )
    refused(
        lambda: salience.explain(model, ROWS, Tensors(), output=Tap("hidden", call=1)),
        "Tap('hidden')",
        "call 1",
        "1 time",
    )


def test_a_long_list_of_modules_is_cut() -> None:
    model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(500)))
    refused(lambda: Explainer(model, INNER, target="qqqq"), "no module 'qqqq'", "more")


def test_neither_a_module_nor_a_function_is_refused() -> None:
    refused(lambda: salience.explain(3, ROWS, Tensors()), "int", "torch.nn.Module or a function")
    refused(
        lambda: salience.explain(nn.Linear, ROWS, Tensors()), "Linear is a class", "Linear(...)"
    )


# --- Parts and settings --------------------------------------------------------------------------


@dataclass(frozen=True)
class Pencil(Visualizer):
    """Draws nothing; writes one format only."""

    width: int = 1

    def item(self, explanation: Explanation, item: int) -> Any:
        return self

    def savefig(self, fname: Any, *, format: str) -> None:
        if format != "png":
            raise ValueError(f"Format {format!r} is not supported")
        fname.write(b"picture")


SETTINGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown calculator": (
        {"calculator": "integrated"},
        ("unknown calculator 'integrated'", "integrated_gradients", "did you mean"),
    ),
    "calculator with an unknown parameter": (
        {"calculator": "integrated_gradients:step=3"},
        ("'integrated_gradients'", "no parameter 'step'", "'steps'"),
    ),
    "calculator with a bad value": (
        {"calculator": {"name": "integrated_gradients", "steps": 0}},
        ("steps=0", "from 1"),
    ),
    "calculator class": ({"calculator": Gradient}, ("Gradient is a class", "Gradient(...)")),
    "calculator of another kind": (
        {"calculator": GaussianNoise()},
        ("calculator is GaussianNoise", "name or object"),
    ),
    "calculator number": ({"calculator": 3}, ("calculator is 3",)),
    "calculator that cannot be read": (
        {"calculator": "integrated_gradients(steps=3)"},
        ("cannot read", "name and parameters"),
    ),
    "calculator mapping without a name": ({"calculator": {"steps": 3}}, ("name",)),
    "unknown sampler": ({"samplers": ["gauss"]}, ("unknown sampler 'gauss'", "'gaussian'")),
    "sampler with an unknown parameter": (
        {"samplers": ["gaussian:sigma=0.1"]},
        ("no parameter 'sigma'", "scale"),
    ),
    "sampler with a negative scale": ({"samplers": ["gaussian:scale=-1"]}, ("scale=-1", "from 0")),
    "sampler with a word for a scale": (
        {"samplers": ["gaussian:scale=large"]},
        ("scale", "'large'"),
    ),
    "sampler with an unknown mode": (
        {"samplers": ["gaussian:mode=free"]},
        ("mode='free'", "'relative'", "'absolute'"),
    ),
    "sampler class": ({"samplers": [MCDropout]}, ("MCDropout is a class", "MCDropout(...)")),
    "sampler of another kind": ({"samplers": [Gradient()]}, ("samplers", "Gradient")),
    "string for samplers": ({"samplers": "gaussian"}, ("samplers", "['gaussian']")),
    "object for samplers": ({"samplers": GaussianNoise()}, ("samplers", "sequence")),
    "None for samplers": ({"samplers": None}, ("samplers", "sequence")),
    "n_samples without a sampler": (
        {"n_samples": 5},
        ("n_samples=5 without a sampler", 'samplers=["gaussian"]'),
    ),
    "n_samples of none": ({"n_samples": 0}, ("n_samples=0", "from 1")),
    "n_samples of a half": ({"n_samples": 2.5}, ("n_samples=2.5", "whole number")),
    "seed of a word": ({"seed": "one"}, ("seed='one'", "whole number")),
    "unknown aggregator": ({"aggregator": "sqare"}, ("unknown aggregator 'sqare'", "'square'")),
    "aggregator class": ({"aggregator": Raw}, ("Raw is a class", "Raw(...)")),
    "aggregator of another kind": (
        {"aggregator": Gradient()},
        ("aggregator is Gradient", "name or object"),
    ),
    "ids of another number": ({"ids": [1, 2]}, ("2 ids for 5 items", "one an item")),
    "the same id twice": ({"ids": [1, 2, 3, 4, 1]}, ("share an id", "unique")),
    "an empty id": ({"ids": ["a", "", "c", "d", "e"]}, ("an id is an empty string", "another")),
    "baseline of another shape": (
        {"calculator": IntegratedGradients(baseline=torch.ones(2))},
        ("baseline", "(2,)", "(3,)"),
    ),
    "baseline that is a word": (
        {"calculator": IntegratedGradients(baseline="mean")},
        ("baseline", "'mean'", "number or a tensor"),
    ),
    "baseline for another variable": (
        {"calculator": IntegratedGradients(baseline={"x": 0.0})},
        ("['x']", "['input']"),
    ),
    "baselines of too few items": (
        {"calculator": IntegratedGradients(baseline=PerItem(torch.ones(2, 3)))},
        ("PerItem", "2 baselines for 5 items", "one an item"),
    ),
    "baselines of another shape": (
        {"calculator": IntegratedGradients(baseline=PerItem(torch.ones(5, 2)))},
        ("baseline of item 0", "(2,)", "(3,)"),
    ),
    "replacements of too few items": (
        {"calculator": Occlusion(value={"input": PerItem(torch.ones(2, 3))})},
        ("PerItem", "2 baselines for 5 items"),
    ),
    "groups of too few items": (
        {"calculator": Occlusion(groups=[[0, 0, 1]])},
        ("groups for 1 items", "holds 5"),
    ),
    "mean of no data": (
        {"calculator": IntegratedGradients(baseline=Mean(ROWS[:0]))},
        ("empty", "at least one item"),
    ),
    "window longer than the variable": (
        {"calculator": Occlusion(window=4)},
        ("window of 4", "'feature'", "1 to 3"),
    ),
    "window along an unknown axis": (
        {"calculator": Occlusion(window={"height": 1})},
        ("no axis 'height'", "'feature'"),
    ),
    "groups of dense data": (
        {"calculator": Occlusion(groups=[[0, 0, 1]] * 5)},
        ("groups are for ragged data", "window"),
    ),
    "dropout of a model without dropout": (
        {"samplers": ["mc_dropout"]},
        ("mc_dropout", "calls none", "add dropout"),
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_bad_setting_is_refused(name: str, model: Net, work: Work) -> None:
    settings, parts = SETTINGS[name]
    refused(lambda: Explainer(model, Tensors(), max_rows=3).explain(ROWS, **settings), *parts)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Occlusion(window=0),
        lambda: Occlusion(stride=0),
        lambda: IntegratedGradients(steps=0),
        lambda: IntegratedGradients(steps=1, rule="trapezoid"),
        lambda: IntegratedGradients(steps=2.5),  # type: ignore[arg-type]
        lambda: IntegratedGradients(rule="simpson"),
        lambda: GaussianNoise(scale=-0.1),
        lambda: GaussianNoise(scale=float("nan")),
        lambda: GaussianNoise(mode="none"),
    ],
)
def test_a_part_refuses_its_own_parameters_when_it_is_made(make: Callable[[], Any]) -> None:
    refused(make)


@pytest.mark.parametrize("max_rows", [0, -1, 1.5, "all", True, None])
def test_a_bad_budget_is_refused(max_rows: Any, model: Net, work: Work) -> None:
    refused(
        lambda: Explainer(model, Tensors(), max_rows=max_rows),
        f"max_rows={max_rows!r}",
        "'auto'",
        "from 1",
    )
    assert work.forwards == 0


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(device: str, model: Net, work: Work) -> None:
    refused(lambda: Explainer(model, Tensors(), device=device), f"device {device!r}", "'cpu'")
    assert work.forwards == 0


@pytest.mark.parametrize("aggregator", ["sqare", Raw, Gradient(), 3])
def test_a_bad_aggregator_of_kept_draws_is_refused(aggregator: Any) -> None:
    explainer = Explainer(lambda x: x, Tensors())
    samples = explainer.compute(ROWS)
    refused(lambda: explainer.aggregate(samples, aggregator))


@pytest.mark.parametrize("domain", [3, None, Tensors, Gradient()])
def test_a_domain_of_another_kind_is_refused(domain: Any, model: Net) -> None:
    refused(lambda: Explainer(model, domain), "domain" if domain is not Tensors else "Tensors(...)")


# --- Domains and plugins -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tabular", "vision", "molgraph"])
def test_a_domain_whose_plugin_is_missing_names_the_package_to_install(name: str) -> None:
    refused(
        lambda: PluginHost([]).get("domains", name),
        f"unknown domain {name!r}",
        "installed are: tensor",
        f"pip install salience-{name}",
    )


def test_an_unknown_domain_lists_those_that_are_known() -> None:
    refused(
        lambda: PluginHost([]).get("domains", "visoin"),
        "unknown domain 'visoin'",
        "installed are: tensor",
        "did you mean 'vision'",
    )
    refused(lambda: Explainer(lambda x: x, "visoin"), "unknown domain 'visoin'", "tensor")


@pytest.mark.parametrize("kind", ["domains", "calculators", "samplers", "aggregators"])
def test_an_unknown_part_lists_those_that_are_known(kind: str) -> None:
    host = PluginHost([])
    refused(lambda: host.get(kind, "zzz"), f"unknown {kind[:-1]} 'zzz'", *host.names(kind))


# --- Results -------------------------------------------------------------------------------------


@pytest.fixture
def explanation() -> Explanation:
    return salience.explain(lambda x: x.square(), ROWS, Tensors(), output="class:1")


@pytest.mark.parametrize("item", [5, -6, 100])
def test_a_missing_item_is_refused(item: int, explanation: Explanation) -> None:
    refused(lambda: explanation.visualize(item, visualizer=Pencil()), f"no item {item}", "0 to 4")


def test_a_visualizer_that_draws_no_mean_or_grid_says_so(explanation: Explanation) -> None:
    refused(lambda: explanation.visualize(visualizer=Pencil()), "Pencil", "visualize(0)")
    refused(lambda: salience.grid({"one": explanation}, visualizer=Pencil()), "Pencil", "no grids")


BAD_VISUALIZERS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown": ({"visualizer": "piechart"}, ("unknown visualizer 'piechart'",)),
    "class": ({"visualizer": Pencil}, ("Pencil is a class", "Pencil(...)")),
    "another kind": ({"visualizer": Gradient()}, ("visualizer is Gradient", "name or object")),
    "options beside an object": (
        {"visualizer": Pencil(), "width": 2},
        ("['width']", "Pencil", "put them into the object"),
    ),
    "none of the domain's own": ({}, ("domain", "no visualizer", "visualizer=")),
}


@pytest.mark.parametrize("name", BAD_VISUALIZERS)
def test_a_bad_visualizer_is_refused(name: str, explanation: Explanation) -> None:
    settings, parts = BAD_VISUALIZERS[name]
    refused(lambda: explanation.visualize(0, **settings), *parts)


def test_a_picture_needs_a_path_with_a_suffix_that_can_be_written(
    explanation: Explanation, tmp_path: Path
) -> None:
    def draw(name: str) -> None:
        explanation.visualize(0, path=tmp_path / name, visualizer=Pencil())

    refused(lambda: draw("p"), "no suffix", ".png or .svg")
    refused(lambda: draw("picture.bmp"), "'bmp'", "not supported")
    assert list(tmp_path.iterdir()) == []
    draw("picture.PNG")
    assert (tmp_path / "picture.PNG").read_bytes() == b"picture"


def test_an_unknown_scaler_is_refused() -> None:
    from salience.scalers import get_scaler

    refused(lambda: get_scaler("abs-max"), "unknown scaler 'abs-max'", "'abs_max'")
    refused(lambda: get_scaler(3), "scaler", "3")  # type: ignore[arg-type]


def test_a_variable_that_was_not_explained_is_refused(explanation: Explanation) -> None:
    refused(lambda: explanation["hidden"], "'hidden'", "input")


class Marker:
    """Would write a file if it were unpickled."""

    path: ClassVar[Path]

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_file_that_is_not_ours_is_refused_and_not_executed(tmp_path: Path) -> None:
    Marker.path = tmp_path / "executed"
    (tmp_path / "text.salience").write_text("hello")
    (tmp_path / "empty.salience").write_bytes(b"")
    (tmp_path / "pickle.salience").write_bytes(pickle.dumps(Marker()))
    torch.save({"weights": ROWS}, tmp_path / "torch.salience")
    save_file({"weights": ROWS}, tmp_path / "tensors.salience")
    save_file({"weights": ROWS}, tmp_path / "broken.salience", {"salience": "{"})
    save_file({"weights": ROWS}, tmp_path / "strange.salience", {"salience": '{"format": 1}'})
    for path in sorted(tmp_path.glob("*.salience")):
        refused(lambda path=path: Explanation.load(path), "is no explanation of salience")
    refused(lambda: Explanation.load(tmp_path / "none.salience"), "no file", "Explanation.save")
    refused(lambda: Explanation.load(tmp_path), "is a folder", "broken.salience")
    assert not Marker.path.exists()


def test_a_file_of_a_later_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "later.salience"
    save_file({"score": ROWS}, path, {"salience": '{"format": 99}'})
    refused(lambda: Explanation.load(path), "format 99", "upgrade salience")
