"""Nothing handed in is changed: after success, after an exception, after an interrupt."""

from __future__ import annotations

import itertools
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import (
    Aggregator,
    Attribution,
    Calculator,
    Explainer,
    GaussianNoise,
    InputError,
    IntegratedGradients,
    MCDropout,
    Mean,
    NoiseSampler,
    Occlusion,
    ParameterSampler,
    Score,
    Tap,
    Target,
    Tensors,
    VariableDraw,
    Visualizer,
)

# --- What the user holds, in a form that can be compared -----------------------------------------


def looks(value: Any, seen: set[int] | None = None) -> Any:
    """What can be told of a value from outside: contents, identity, version, autograd's flags.

    Two of these are equal only if nothing was written to the value in between, not even to be
    written back: torch counts the writes to a tensor.
    """
    seen = set() if seen is None else seen
    if isinstance(value, Tensor):
        about = (id(value), value.data_ptr(), value.requires_grad, value.is_leaf)
        contents = value.detach().cpu().numpy().tobytes()
        grad = looks(value.grad) if value.is_leaf else None
        version = 0 if value.is_inference() else value._version
        return (*about, version, tuple(value.shape), str(value.dtype), contents, grad)
    if isinstance(value, np.ndarray):
        return id(value), value.dtype.str, value.tobytes()
    if id(value) in seen:
        return id(value)
    seen.add(id(value))
    if isinstance(value, dict):
        return [(key, looks(part, seen)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [looks(part, seen) for part in value]
    if isinstance(value, nn.Module):
        # Flags, hooks, parameters, buffers and attributes all live in here.
        return id(value), type(value), looks(vars(value), seen)
    if isinstance(value, int | float | str | bool | None):
        return value
    return id(value)


def random_states() -> Any:
    kind, keys, *rest = np.random.get_state()
    return random.getstate(), kind, keys.tobytes(), rest, torch.get_rng_state().numpy().tobytes()


class CustomError(Exception):
    """An exception that no library knows."""


class Fuse:
    """Raises at the n-th call; never where ``at`` is 0."""

    def __init__(self, error: type[BaseException], at: int) -> None:
        self._error, self._left = error, at

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise self._error("by the test")

    def __deepcopy__(self, memo: Any) -> Fuse:
        return self  # one fuse, however often the model is copied


def unlit() -> None:
    """The fuse of a place where nothing happens."""


class Spark(torch.autograd.Function):
    """The identity, whose backward calls a function."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, fuse: Callable[[], None]) -> Tensor:
        ctx.fuse = fuse
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.fuse()
        return gradients[0], None


class Messy(nn.Module):
    """Does everything in its forward that a forward should not do."""

    def __init__(self, **fuses: Callable[[], None]) -> None:
        super().__init__()
        self.first = nn.Linear(3, 6)
        self.norm = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(6, 2)
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("scratch", torch.ones(6), persistent=False)
        self.calls = 0
        self.history: list[Tensor] = []
        self.cache: dict[str, Any] = {"kept": np.arange(3.0)}
        self.fuses = fuses
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        self.fuses.get("forward", unlit)()
        self.calls += 1
        self.seen += 1
        x.relu_()
        torch.rand(2), np.random.rand(2), random.random()
        hidden = self.drop(self.norm(self.first(x))).tanh()
        self.scratch.copy_(hidden.detach().mean(0))
        self.activation = hidden
        self.history.append(hidden)
        self.cache["hidden"] = (hidden,)
        self.cache["kept"][0] += 1
        return self.last(Spark.apply(hidden, self.fuses.get("backward", unlit)))


def messy(**fuses: Callable[[], None]) -> Messy:
    """A model in use: half of it in training, gradients kept, one layer frozen, hooks in place."""
    torch.manual_seed(0)
    model = Messy()
    model.train()
    model.drop.eval()
    model.norm.eval()
    model(torch.randn(4, 3, dtype=torch.float64)).sum().backward()
    model.first.weight.requires_grad_(False)
    model.norm.train()
    model.last.register_forward_hook(lambda *_: fuses.get("hook", unlit)())
    model.first.register_forward_pre_hook(lambda *_: fuses.get("pre_hook", unlit)())
    model.last.register_full_backward_hook(lambda *_: fuses.get("backward_hook", unlit)())
    model.register_state_dict_pre_hook(lambda *_: None)
    model.fuses = fuses
    return model


# --- Parts that stop at a fuse -------------------------------------------------------------------


@dataclass(frozen=True)
class Noisy(NoiseSampler):
    fuse: Callable[[], None]

    def __call__(self, x: Tensor, draw: Any) -> Tensor:
        torch.rand(3)
        self.fuse()
        return x + 0.1


@dataclass(frozen=True)
class Moving(ParameterSampler):
    fuse: Callable[[], None]

    def active(self, draw: Any) -> Any:
        self.fuse()
        return nullcontext()


@dataclass(frozen=True)
class Calculating(Calculator):
    fuse: Callable[[], None]

    def __call__(self, score: Any, x: Any) -> Any:
        result = IntegratedGradients(steps=2)(score, x)
        self.fuse()
        return result


@dataclass(frozen=True)
class Aggregating(Aggregator):
    fuse: Callable[[], None]

    def transform(self, draws: Tensor) -> Tensor:
        self.fuse()
        return draws


@dataclass(frozen=True)
class Fused(Tensors):
    """Plain tensors whose reading or collating stops at a fuse."""

    on_read: Callable[[], None] = unlit
    on_collate: Callable[[], None] = unlit
    visualizer: ClassVar[str] = ""

    def read(self, data: Any) -> Any:
        samples = super().read(data)
        self.on_read()
        return samples

    def collate(self, samples: Sequence[Any]) -> Any:
        batch = super().collate(samples)
        self.on_collate()
        return batch


@dataclass(frozen=True)
class Drawing(Visualizer):
    fuse: Callable[[], None]

    def item(self, explanation: Any, item: int) -> Any:
        self.fuse()
        return self

    def savefig(self, fname: Any, *, format: str) -> None:
        fname.write(b"picture")


def outputting(fuse: Callable[[], None]) -> Callable[[Tensor], Tensor]:
    def output(scores: Tensor) -> Tensor:
        fuse()
        return scores[:, 0]

    return output


def use(model: Any, data: Any, **fuses: Callable[[], None]) -> Any:
    """Explain and draw with every kind of part, each with its fuse."""
    explainer = Explainer(
        model,
        Fused(on_read=fuses.get("read", unlit), on_collate=fuses.get("collate", unlit)),
        output=outputting(fuses.get("output", unlit)),
        max_rows=4,
    )
    explanation = explainer.explain(
        data,
        Calculating(fuses.get("calculator", unlit)),
        samplers=[
            GaussianNoise(),
            Noisy(fuses.get("noise", unlit)),
            MCDropout(),
            Moving(fuses.get("parameters", unlit)),
        ],
        n_samples=2,
        aggregator=Aggregating(fuses.get("aggregator", unlit)),
    )
    explanation.visualize(0, visualizer=Drawing(fuses.get("visualizer", unlit)))
    return explanation


PLACES = [
    "forward#1",
    "forward#3",
    "forward#5",
    "backward#1",
    "backward#3",
    "hook#1",
    "hook#4",
    "pre_hook#4",
    "backward_hook#2",
    "noise#2",
    "parameters#1",
    "parameters#3",
    "calculator#2",
    "aggregator#2",
    "read#1",
    "collate#1",
    "collate#2",
    "output#3",
    "visualizer#1",
]


@pytest.fixture
def data() -> Tensor:
    """Five rows that take part in a graph of the user's."""
    leaf = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(5, 3).requires_grad_()
    (leaf * 2).sum().backward()
    return leaf


@pytest.mark.parametrize("error", [RuntimeError, CustomError, KeyboardInterrupt])
@pytest.mark.parametrize("place", PLACES)
def test_an_exception_anywhere_leaves_everything_as_it_was(
    place: str, error: type[BaseException], data: Tensor
) -> None:
    name, _, count = place.partition("#")
    fuses = {name: Fuse(error, int(count))}
    model = messy(**fuses)
    before = looks(model), looks(data), random_states()
    with pytest.raises(BaseException) as caught:
        use(model, data, **fuses)
    # A model that cannot run the first batch is the user's mistake, told in a sentence.
    told = isinstance(caught.value, InputError)
    raised = caught.value.__cause__ if told else caught.value
    assert type(raised) is error
    assert (looks(model), looks(data), random_states()) == before


def test_success_leaves_everything_as_it_was(data: Tensor) -> None:
    model = messy()
    before = looks(model), looks(data), random_states()
    explanation = use(model, data)
    assert explanation.values.abs().sum() > 0
    assert (looks(model), looks(data), random_states()) == before


def test_looking_sees_what_is_written_and_written_back() -> None:
    # The tests of this file are only as good as this function.
    model = messy()
    before = looks(model)
    assert looks(model) == before
    handle = model.last.register_forward_hook(lambda *_: None)
    assert looks(model) != before
    handle.remove()
    assert looks(model) == before
    model.history[0].detach().add_(0)
    assert looks(model) != before


@pytest.mark.parametrize(
    "make",
    [
        lambda leaf: leaf,
        lambda leaf: leaf * 2,
        lambda leaf: leaf.detach(),
        lambda leaf: leaf.detach().numpy(),
        lambda leaf: leaf.detach()[::2],
        lambda leaf: leaf.detach().T.contiguous().T,
    ],
    ids=["leaf", "inside a graph", "detached", "numpy", "strided", "transposed"],
)
@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=3", "occlusion"])
def test_an_in_place_model_does_not_reach_the_users_data(
    calculator: str, make: Callable[[Tensor], Any], data: Tensor
) -> None:
    given = make(data)
    before = looks(given), looks(data)
    salience.explain(messy(), given, Tensors(), calculator, max_rows=64)
    assert (looks(given), looks(data)) == before


@dataclass(frozen=True)
class CarelessNoise(NoiseSampler):
    """Writes into what it is given."""

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return x.add_(1)


@dataclass(frozen=True)
class CarelessGradient(Calculator):
    """Writes into the point that it is given."""

    def __call__(self, score: Score, x: dict[str, Tensor]) -> Attribution:
        value, gradient = score.gradient(x)
        for values in x.values():
            values.zero_()
        return Attribution(gradient, value)


@pytest.mark.parametrize("max_rows", [1, 3, 64])
@pytest.mark.parametrize(("samplers", "moved"), [([], 0), ([CarelessNoise()], 1)])
def test_careless_parts_do_not_reach_the_users_data(
    samplers: list[Any], moved: int, max_rows: int
) -> None:
    x = torch.randn(4, 3)
    before = looks(x)
    found = salience.explain(
        lambda x: x.square().sum(1), x, Tensors(output="value"), CarelessGradient(),
        samplers=samplers, n_samples=1 + 2 * moved, max_rows=max_rows,
    )  # fmt: skip
    assert looks(x) == before
    torch.testing.assert_close(found.values, 2 * (x + moved))


@pytest.mark.parametrize("extra", [torch.ones(3), np.ones(3), [], [1.0], {"a": 1}, None])
def test_layers_may_hold_anything_of_the_users(extra: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    model[0].extra = extra
    found = salience.explain(model, torch.randn(4, 3), Tensors())
    assert found.values.isfinite().all()
    assert model[0].extra is extra


class Shared(nn.Module):
    """Writes into an argument that all the rows share."""

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        weight *= 2
        return (x * weight).sum(1)


@pytest.mark.parametrize("max_rows", [1, 3, 64])
def test_a_shared_argument_that_the_model_writes_into_stays(max_rows: int) -> None:
    weight = torch.tensor([1.0, -2.0, 3.0])
    before = looks(weight)
    data = {"x": torch.randn(4, 3), "weight": weight}
    domain = Tensors({"x": ("item", "feature"), "weight": ("feature",)}, output="value")
    values = salience.explain(Shared(), data, domain, "occlusion", max_rows=max_rows).values
    assert looks(weight) == before
    # Doubled once in each pass, not again and again.
    torch.testing.assert_close(values, data["x"] * weight * 2)


# --- In-place operations do not falsify the numbers ----------------------------------------------


class InPlace(nn.Module):
    """A map that is not its own square, in place or not, on the input and inside."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 1)
        self.in_place = in_place
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = x.mul_(0.5).add_(1) if self.in_place else x * 0.5 + 1
        hidden = self.first(x)
        hidden = hidden.mul_(0.5).add_(1) if self.in_place else hidden * 0.5 + 1
        return self.last(hidden.tanh() * 2)


@pytest.mark.parametrize(
    ("target", "output"),
    [
        ("input", "value"),
        ("input", Tap("first", reduce=lambda hidden: hidden.square().sum(1))),
        ("first", "value"),
        (Target("last", at="input"), "value"),
    ],
)
@pytest.mark.parametrize(
    "calculator", ["gradient:multiply_by_target=True", "integrated_gradients", "occlusion"]
)
def test_in_place_operations_give_the_same_numbers(
    calculator: str, target: Any, output: Any
) -> None:
    torch.manual_seed(0)
    one = InPlace(in_place=True)
    other = InPlace(in_place=False)
    other.load_state_dict(one.state_dict())
    rows = torch.randn(4, 3, dtype=torch.float64)
    domain = Tensors(inner=("item", "feature"))
    got, expected = (
        salience.explain(model, rows, domain, calculator, target=target, output=output).values
        for model in (one, other)
    )
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


# --- Models of many kinds ------------------------------------------------------------------------


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x[:, None])[0][:, -1])


class Remembering(nn.Module):
    """Keeps an activation inside its graph in a list, a dictionary and an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.list: list[Tensor] = []
        self.nested: dict[str, tuple[Tensor, ...]] = {}

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x).tanh()
        self.list.append(out)
        self.nested["out"] = (out, out * 2)
        self.last = out
        return out


class Watcher:
    """Keeps what a hook sees, as Grad-CAM code does."""

    def __init__(self, module: nn.Module) -> None:
        self.seen: Tensor | None = None
        module.register_forward_hook(self.keep)

    def keep(self, module: nn.Module, args: Any, output: Tensor) -> None:
        self.seen = output


def perceptron() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def sharing() -> nn.Module:
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), layer, nn.Linear(3, 1))


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Linear(3, 1))
    model[2].weight = model[0].weight
    return model


def remembering() -> nn.Module:
    model = Remembering()
    model(torch.randn(2, 3))
    return model


def watched() -> nn.Module:
    model = perceptron()
    Watcher(model[1])
    model(torch.randn(2, 3))
    return model


def old_norm(norm: Callable[[nn.Module], nn.Module]) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        model = nn.Sequential(norm(nn.Linear(3, 4)), nn.Tanh(), nn.Linear(4, 1))
        model(torch.randn(2, 3))  # leaves a weight inside a graph on the module
        return model

    return make


def made_in_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))


CONTEXTS: dict[Callable[[], Any], str] = {
    nullcontext: "nothing",
    torch.no_grad: "no_grad",
    torch.inference_mode: "inference_mode",
}

PARAMETRIZATIONS = nn.utils.parametrizations

MODELS: dict[str, Callable[[], Any]] = {
    "perceptron": perceptron,
    "lstm": Recurrent,
    "weight norm": lambda: nn.Sequential(
        PARAMETRIZATIONS.weight_norm(nn.Linear(3, 4)), nn.Tanh(), nn.Linear(4, 1)
    ),
    "spectral norm": lambda: nn.Sequential(
        PARAMETRIZATIONS.spectral_norm(nn.Linear(3, 4)), nn.Tanh(), nn.Linear(4, 1)
    ),
    "weight norm by hooks": old_norm(nn.utils.weight_norm),
    "spectral norm by hooks": old_norm(nn.utils.spectral_norm),
    "shared module": sharing,
    "tied weights": tied,
    "remembering": remembering,
    "watched by a hook": watched,
    "scripted": lambda: torch.jit.script(perceptron()),
    "traced": lambda: torch.jit.trace(perceptron(), torch.randn(2, 3)),
    "symbolic": lambda: torch.fx.symbolic_trace(perceptron()),
    "float64": lambda: perceptron().double(),
    "frozen": lambda: perceptron().requires_grad_(False),
    "made in inference mode": made_in_inference_mode,
    "function": lambda: lambda x: (x**3).sum(1),
    "function around a model in training": lambda: perceptron().train().__call__,
}


def visible(model: Any) -> Any:
    if isinstance(model, torch.jit.ScriptModule):  # keeps its state in C++
        return [(module.training, looks([*module.parameters()])) for module in model.modules()]
    return looks(model)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("context", CONTEXTS, ids=CONTEXTS.get)
def test_models_of_many_kinds_are_explained_in_eval_mode_and_left_alone(
    name: str, context: Callable[[], Any]
) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    if isinstance(model, nn.Module):
        model.train()
    rows = torch.randn(4, 3)
    before = visible(model), looks(rows)
    with context():
        result = salience.explain(model, rows, Tensors(), "integrated_gradients", output="value")
    assert (visible(model), looks(rows)) == before
    if isinstance(model, nn.Module):
        model.eval()
    like = rows.to(result.score.dtype)
    with torch.no_grad():
        clean, zero = model(like).reshape(4), model(torch.zeros_like(like)).reshape(4)
    torch.testing.assert_close(result.score, clean)
    # Completeness ties the saliency to the model.
    torch.testing.assert_close(result.values.sum(1), clean - zero, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_training_mode_is_neither_used_nor_left(training: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    model.train(training)
    rows = torch.randn(4, 3)
    got = salience.explain(model, rows, Tensors(), output="value").values
    assert all(module.training is training for module in model.modules())
    model.eval()
    leaf = rows.clone().requires_grad_()
    torch.testing.assert_close(got, torch.autograd.grad(model(leaf).sum(), leaf)[0])


def test_a_model_with_an_overridden_train_method_keeps_its_meaning() -> None:
    class Frozen(nn.Sequential):
        def train(self, mode: bool = True) -> Frozen:
            super().train(mode)
            for module in self.modules():
                if isinstance(module, nn.BatchNorm1d):
                    module.training = False
            return self

    model = Frozen(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).train()
    before = looks(model)
    salience.explain(model, torch.randn(4, 3), Tensors(), output="value")
    assert looks(model) == before


def test_a_model_that_cannot_be_copied_is_refused_with_the_mend() -> None:
    model = perceptron()
    model.lock = threading.Lock()
    with pytest.raises(InputError, match=r"Sequential cannot be copied .*__deepcopy__"):
        salience.explain(model, torch.randn(2, 3), Tensors(), output="value")


def test_a_lazy_model_is_refused_before_it_is_made_up() -> None:
    model = nn.Sequential(nn.LazyLinear(1))
    with pytest.raises(InputError, match=r"'0\.weight' of the model is lazy; run the model once"):
        salience.explain(model, torch.randn(2, 3), Tensors(), output="value")
    assert isinstance(model[0].weight, nn.UninitializedParameter)


# --- Global random states ------------------------------------------------------------------------


def drawing(x: Tensor) -> Tensor:
    noise = torch.rand(()) + np.random.rand() + random.random()
    return x.sum(1) * float(noise)


@pytest.mark.parametrize(
    "calculator", ["gradient", "occlusion", IntegratedGradients(2, baseline=Mean(torch.ones(4, 3)))]
)
@pytest.mark.parametrize("method", ["explain", "compute"])
def test_a_model_that_draws_leaves_the_global_random_states(method: str, calculator: Any) -> None:
    explainer = Explainer(drawing, Tensors(), output="value", max_rows=2)
    before = random_states()
    with pytest.raises(InputError, match="draws random numbers in eval mode"):
        getattr(explainer, method)(
            torch.randn(5, 3, generator=torch.Generator().manual_seed(0)),
            calculator,
            samplers=["gaussian"],
            n_samples=3,
        )
    assert random_states() == before


def test_overlapping_threads_leave_the_global_random_states() -> None:
    # One begins after the other has drawn and ends after it: restoring what each of them found
    # would bring back a state from the middle.
    second_inside, first_done = threading.Event(), threading.Event()

    def first(x: Tensor) -> Tensor:
        torch.rand(3), random.random(), np.random.rand()
        assert second_inside.wait(10)
        return x.sum(1)

    def second(x: Tensor) -> Tensor:
        second_inside.set()
        torch.rand(3)
        assert first_done.wait(10)
        return x.sum(1)

    before = random_states()
    rows = torch.ones(1, 3)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(salience.explain, first, rows, Tensors(), output="value")
        one.add_done_callback(lambda _: first_done.set())
        two = pool.submit(salience.explain, second, rows, Tensors(), output="value")
        assert one.result(10) and two.result(10)
    assert random_states() == before


# --- Threads -------------------------------------------------------------------------------------


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_threads_that_explain_one_model_get_the_numbers_of_one_thread() -> None:
    model = messy()
    rows = torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(6, 3)
    work = list(
        itertools.product(
            ["gradient", "integrated_gradients:steps=3", "occlusion"],
            [(), ("gaussian",), ("mc_dropout",)],
            ["input", "first"],
        )
    )

    def one(task: tuple[str, Sequence[str], str]) -> tuple[Tensor, Tensor]:
        calculator, samplers, target = task
        result = salience.explain(
            model,
            rows,
            Tensors(inner=("item", "feature")),
            calculator,
            target=target,
            output="class:1",
            samplers=samplers,
            n_samples=3 if samplers else 1,
            max_rows=4,
        )
        return result.values, result.std_error

    before = looks(model)
    alone = [one(task) for task in work]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(one, work))
    assert looks(model) == before
    for expected, got in zip(alone, together, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.usefixtures("restless")
def test_threads_may_share_one_explainer() -> None:
    model = messy()
    explainer = Explainer(model, Tensors(), output="class:0", max_rows=2)
    tables = [torch.full((3, 3), float(i), dtype=torch.float64) for i in range(1, 7)]
    alone = [explainer.explain(table, "integrated_gradients").values for table in tables]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda t: explainer.explain(t, "integrated_gradients"), tables))
    for expected, got in zip(alone, together, strict=True):
        assert torch.equal(got.values, expected)


def test_two_threads_find_no_difference_in_200_rounds() -> None:
    model = messy()
    rows = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)

    def one(seed: int) -> Tensor:
        found = salience.explain(
            model, rows, "tensor", output="class:1", samplers=["mc_dropout"], n_samples=2, seed=seed
        )
        values: Tensor = found.values
        return values

    alone = [one(seed) for seed in range(5)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(one, [i % 5 for i in range(400)]))
    assert all(torch.equal(got, alone[i % 5]) for i, got in enumerate(together))


# --- Parts and settings --------------------------------------------------------------------------


def test_baselines_and_mappings_that_are_handed_in_stay(data: Tensor) -> None:
    baseline = {"input": torch.full((3,), 0.5, dtype=torch.float64, requires_grad=True)}
    window = {"feature": 2}
    samplers = [{"name": "gaussian", "scale": 0.1}]
    before = looks([baseline, window, samplers])
    for calculator in (IntegratedGradients(2, baseline), Occlusion(window, value=baseline)):
        salience.explain(messy(), data, Tensors(), calculator, samplers=samplers, n_samples=2)
    assert looks([baseline, window, samplers]) == before


def test_aggregating_and_saving_leave_the_draws_as_they_were(data: Tensor, tmp_path: Path) -> None:
    explainer = Explainer(messy(), Tensors())
    samples = explainer.compute(data, samplers=["gaussian"], n_samples=3)
    before = looks(samples.draws["input"])
    for aggregator in ("raw", "abs", "square"):
        explainer.aggregate(samples, aggregator).save(tmp_path / "run.salience")
    assert looks(samples.draws["input"]) == before
