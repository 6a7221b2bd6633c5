"""Models of every form that people bring: served exactly, or refused with the reason."""

from __future__ import annotations

import copy
import functools
import pickle
import types
from collections import deque, namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import (
    ClassScore,
    Ensemble,
    Explainer,
    InputError,
    IntegratedGradients,
    Output,
    Predicted,
    Tap,
    Target,
    Tensors,
    Value,
)

X = torch.randn(5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network(n_outputs: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, n_outputs)
    return nn.Sequential(*layers).double()


def gradient(function: Callable[[Tensor], Tensor], x: Tensor = X) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


# --- Functions, containers and objects over modules ----------------------------------------------

NET = network()
NETS = {"of": [NET]}


class Holder:
    """No module, but it has one."""

    shared: Any = None

    def __init__(self, net: Any) -> None:
        self.net = net
        self.calls = 0

    def predict(self, x: Tensor) -> Tensor:
        self.calls += 1
        out: Tensor = self.net(x)
        return out

    __call__ = predict


class Slots:
    __slots__ = ("__net", "net")

    def __init__(self, net: nn.Module) -> None:
        self.__net = self.net = net

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self.__net(x)
        return out


@dataclass(frozen=True)
class Frozen:
    nets: tuple[nn.Module, ...]

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self.nets[0](x)
        return out


class OfTheClass:
    net = NET

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class MyDict(dict[str, Any]):
    pass


Pair = namedtuple("Pair", ["first", "second"])


def by_global(x: Tensor) -> Tensor:
    out: Tensor = NET(x)
    return out


def by_nested_globals(x: Tensor) -> Tensor:
    return sum(by_global(part) for part in [x])  # type: ignore[return-value]


def by_global_containers(x: Tensor) -> Tensor:
    return (lambda y: NETS["of"][0](y))(x)  # type: ignore[no-any-return]


def by_default(x: Tensor, net: nn.Module = NET, *, other: nn.Module = NET) -> Tensor:
    return (net(x) + other(x)) / 2  # type: ignore[no-any-return]


def call(net: Any, x: Tensor) -> Tensor:
    out: Tensor = net(x)
    return out


def round_about(net: nn.Module) -> Any:
    """A holder and a function that refer to each other."""
    holder = Holder(None)
    holder.net = lambda x: net(x) if holder.calls else holder.net(x)
    return holder.predict


def shared_state(net: nn.Module) -> Any:
    """Two functions that write to one variable of a closure."""
    n_calls = 0

    def count(x: Tensor) -> Tensor:
        nonlocal n_calls
        n_calls += 1
        return x if isinstance(net, nn.Module) else -x

    def model(x: Tensor) -> Tensor:
        before, x = n_calls, count(x)
        assert n_calls == before + 1
        out: Tensor = net(x)
        return out

    return model


class Unregistered(nn.Module):
    """Holds layers in a list or object, where torch does not register them."""

    def __init__(self, held: Any, get: Callable[[Any], Any]) -> None:
        super().__init__()
        self.held = held
        self.get = get

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.get(self.held)(x)
        return out


def attribute_of_function(net: nn.Module) -> Any:
    def model(x: Tensor) -> Tensor:
        out: Tensor = model.net(x)  # type: ignore[attr-defined]
        return out

    model.net = net  # type: ignore[attr-defined]
    return model


WAYS: dict[str, Callable[[nn.Module], Any]] = {
    "the module": lambda net: net,
    "closure": lambda net: lambda x: net(x),
    "bound method": lambda net: Holder(net).predict,
    "callable object": Holder,
    "bound forward": lambda net: net.forward,
    "attribute in a closure": lambda net: (lambda holder: lambda x: holder.net(x))(Holder(net)),
    "object in an object": lambda net: Holder(Holder(Holder(net))),
    "slots": Slots,
    "frozen dataclass": lambda net: Frozen((net,)),
    "list": lambda net: (lambda nets: lambda x: nets[0](x))([net]),
    "dict": lambda net: (lambda nets: lambda x: nets["a"]["b"](x))({"a": {"b": net}}),
    "dict of a class": lambda net: (lambda nets: lambda x: nets["a"](x))(MyDict(a=net)),
    "tuple in a list": lambda net: (lambda nets: lambda x: nets[0][1](x))([(None, net)]),
    "namedtuple": lambda net: (lambda nets: lambda x: nets.second(x))(Pair(1, net)),
    "set": lambda net: (lambda nets: lambda x: next(iter(nets))(x))({net}),
    "deque": lambda net: (lambda nets: lambda x: nets[0](x))(deque([net])),
    "read-only dict": lambda net: (lambda nets: lambda x: nets["a"](x))(
        types.MappingProxyType({"a": net})
    ),
    "partial": lambda net: functools.partial(call, net),
    "partial of a bound method": lambda net: functools.partial(Holder(net).predict),
    "keyword of a partial": lambda net: functools.partial(
        lambda x, nets: nets["a"](x), nets={"a": net}
    ),
    "cached": lambda net: functools.cache(lambda x: net(x)),
    "wrapped": lambda net: functools.wraps(call)(lambda x: net(x)),
    "a circle": round_about,
    "a shared variable": shared_state,
    "attribute of a function": attribute_of_function,
    "method as attribute": lambda net: Holder(Holder(net).predict),
    "list in a module": lambda net: Unregistered([net], lambda held: held[0]),
    "object in a module": lambda net: Unregistered(Holder(net), lambda held: held.net),
    "function in an object in a module": lambda net: Unregistered(
        Holder(lambda x: net(x)), lambda held: held
    ),
}
GLOBALS = {
    "global": by_global,
    "globals of a function in a comprehension": by_nested_globals,
    "containers in globals": by_global_containers,
    "defaults": by_default,
    "attribute of the class": OfTheClass(),
}


def check_in_eval_mode(model: Any, net: nn.Module, **settings: Any) -> None:
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    flags = {name: p.requires_grad for name, p in net.named_parameters()}
    found = salience.explain(model, X, Tensors(), output="value", **settings)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    assert {name: p.requires_grad for name, p in net.named_parameters()} == flags
    assert all(module.training for module in net.modules())
    assert all(p.grad is None for p in net.parameters())
    alone = copy.deepcopy(net).eval()
    torch.testing.assert_close(found.values, gradient(alone), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("max_rows", [1, "auto"])
def test_a_model_behind_anything_is_in_eval_mode_and_left_alone(way: str, max_rows: Any) -> None:
    net = network()
    check_in_eval_mode(WAYS[way](net), net, max_rows=max_rows)


@pytest.mark.parametrize("way", GLOBALS)
def test_a_model_behind_a_global_is_in_eval_mode_and_left_alone(way: str) -> None:
    check_in_eval_mode(GLOBALS[way], NET)


class ReadsGlobal(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = NET(x)
        return out


class MethodReadsGlobal:
    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = NET(x)
        return out


class MakesItsOwn(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = nn.Linear(8, 1).double()(x)
        return out


@pytest.mark.parametrize("model", [ReadsGlobal(), MethodReadsGlobal(), MakesItsOwn()])
def test_a_module_that_cannot_be_reached_is_refused_before_it_runs(model: Any) -> None:
    before = {name: value.clone() for name, value in NET.state_dict().items()}
    with pytest.raises(InputError, match=r"salience cannot copy|draws random numbers"):
        salience.explain(model, X, Tensors(), output="value")
    assert all(torch.equal(NET.state_dict()[name], value) for name, value in before.items())
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_layers_without_weights_may_be_made_in_a_function() -> None:
    net = network(3)
    found = salience.explain(lambda x: nn.Softmax(1)(net(x)), X, Tensors(), output="class:1")
    alone = copy.deepcopy(net).eval()
    torch.testing.assert_close(found.values, gradient(lambda x: alone(x).softmax(1)[:, 1]))


def test_what_an_object_counts_is_counted_in_a_copy() -> None:
    holder = Holder(network())
    salience.explain(holder, X, Tensors(), output="value")
    assert holder.calls == 0


# --- One module under two names, tied weights ----------------------------------------------------


class Twins(nn.Module):
    """One block under several names: an attribute, a list and a dict."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.a = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
        self.b = self.a
        self.more = nn.ModuleList([self.a, self.a[0]])
        self.named = nn.ModuleDict({"c": self.a[1]})
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.b(torch.tanh(self.a(x))))
        out: Tensor = self.out(self.named["c"](self.more[1](x)))
        return out


class TiedWeights(nn.Module):
    """One parameter in two layers, in a list and in a dict beside them."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.a, self.b, self.out = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.b.weight = self.a.weight
        self.kept = [self.a.weight]
        self.named = {"w": self.out.weight}

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.b(torch.tanh(self.a(x)))) @ self.kept[0]
        return x @ self.named["w"].T


class Recurrent(nn.Module):
    """Recurrent layers, which hold their weights a second time, flat."""

    def __init__(self, seed: int = 0, kind: type[nn.RNNBase] = nn.LSTM) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.a = kind(4, 6, num_layers=2, batch_first=True, bidirectional=True)
        self.again, self.out = self.a, nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.again(x.reshape(len(x), 2, 4))[0][:, -1])
        return out


TIED = [Twins, TiedWeights, Recurrent]


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
def test_drawn_weights_are_in_all_the_places_of_a_weight(kind: Any, max_rows: Any) -> None:
    net, members = kind().double().eval(), [kind(seed).double().eval() for seed in (1, 2, 3)]
    explainer = Explainer(net, Tensors(), output=ClassScore(0), max_rows=max_rows)
    found = explainer.compute(X, samplers=[Ensemble(members)], n_samples=3)
    for draw, member in enumerate(members):
        truth = gradient(lambda x, member=member: member(x)[:, 0])
        torch.testing.assert_close(found.values[draw], truth, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
def test_the_models_own_weights_come_back_after_each_draw(kind: Any, max_rows: Any) -> None:
    net = kind().double().eval()
    found = salience.explain(
        net, X, Tensors(), samplers=["weight_noise:scale=1.0"], n_samples=4, max_rows=max_rows
    )
    torch.testing.assert_close(found.prediction, net(X).detach())
    torch.testing.assert_close(found.score, net(X).max(1).values.detach())


class InAClosure(nn.Module):
    """Uses a weight by a function that holds the tensor itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Linear(8, 1)
        weight = self.a.weight
        self.function = lambda x: x @ weight.T

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.function(x)
        return out


def test_a_weight_that_draws_do_not_reach_is_refused() -> None:
    net = InAClosure().double().eval()
    plain = salience.explain(net, X, Tensors(), output="value").values
    torch.testing.assert_close(plain, net.a.weight.detach().expand_as(X))
    with pytest.raises(InputError, match=r"parameter 'a\.weight' by a reference"):
        salience.explain(net, X, Tensors(), output="value", samplers=["weight_noise"], n_samples=3)


# --- The user's hooks under drawn weights --------------------------------------------------------


class Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.clamp(min=0)


class Hooked(nn.Module):
    """Positive gradients only, by a hook or a function of the user's."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.act, self.b = nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)
        self.way = way
        if way == "full backward hook":
            self.act.register_full_backward_hook(lambda m, into, out: (into[0].clamp(min=0),))
        elif way == "full backward pre-hook":
            self.act.register_full_backward_pre_hook(lambda m, out: (out[0].clamp(min=0),))
        elif way == "forward hook":
            self.act.register_forward_hook(lambda m, args, out: Clamp.apply(out))

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.a(x))
        if self.way == "hook on a tensor" and x.requires_grad:
            x.register_hook(lambda grad: grad.clamp(min=0))
        if self.way == "function":
            x = Clamp.apply(x)
        out: Tensor = self.b(x)
        return out


HOOKS = ["full backward hook", "full backward pre-hook", "forward hook", "hook on a tensor"]


@pytest.mark.parametrize("way", [*HOOKS, "function"])
def test_hooks_on_gradients_count_at_any_size_of_the_passes(way: str) -> None:
    def found(way: str, max_rows: Any) -> Tensor:
        values: Tensor = salience.explain(
            Hooked(way).double().eval(),
            X,
            Tensors(),
            output="value",
            samplers=["weight_noise:scale=0.5"],
            n_samples=3,
            max_rows=max_rows,
        ).values
        return values

    alone = found(way, 1)
    assert (alone - found("", 1)).abs().max() > 1e-3
    for max_rows in (5, 10, "auto"):
        torch.testing.assert_close(found(way, max_rows), alone, rtol=1e-10, atol=1e-12)


# --- A single row in a pass ----------------------------------------------------------------------


class Squeezed(nn.Module):
    """Takes off the axes of length 1 at its end."""

    def __init__(self, form: str, n_outputs: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.drop, self.b = nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, n_outputs)
        self.form = form

    def forward(self, x: Tensor) -> Any:
        y = self.b(self.drop(torch.tanh(self.a(x))))
        if self.form == "safe":
            return y.squeeze(1) if y.shape[1] == 1 else y
        if self.form == "dict":
            return {"scores": y.squeeze(), "hidden": x}
        if self.form == "tuple":
            return y.squeeze(), x.mean()
        return y.squeeze() if self.form == "squeeze" else y.squeeze(0)


def first_score(output: Any) -> Tensor:
    output = output["scores"] if isinstance(output, Mapping) else output
    output = output[0] if isinstance(output, tuple) else output
    return output if output.ndim == 1 else output[:, 0]


SETTINGS: dict[str, dict[str, Any]] = {
    "dropout": {"samplers": ["mc_dropout"], "n_samples": 9},
    "weights": {"samplers": ["weight_noise"], "n_samples": 9},
    "noise": {"samplers": ["gaussian:mode=absolute"], "n_samples": 9},
    "path": {"calculator": IntegratedGradients(steps=7)},
    "occlusion": {"calculator": "occlusion"},
    "plain": {},
}


@pytest.mark.parametrize("max_rows", [1, 2, 3, "auto"])
@pytest.mark.parametrize("n_items", [1, 3, 5])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", SETTINGS)
def test_a_squeezing_model_is_right_for_any_number_of_rows(
    kind: str, n_outputs: int, n_items: int, max_rows: Any
) -> None:
    found = {
        form: salience.explain(
            Squeezed(form, n_outputs).double().eval(),
            X[:n_items],
            Tensors(),
            output=first_score,
            max_rows=max_rows,
            **SETTINGS[kind],
        )
        for form in ("safe", "squeeze", "dict", "tuple")
    }
    truth = found.pop("safe")
    for one in found.values():
        torch.testing.assert_close(one.values, truth.values, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(one.score, truth.score, rtol=1e-10, atol=1e-12)


def test_a_single_item_of_a_squeezing_model_has_its_scores() -> None:
    net = Squeezed("squeeze", 3).double().eval()
    found = salience.explain(net, X[:1], Tensors())
    torch.testing.assert_close(found.prediction, net(X[:2])[:1].detach())


# --- Fixed sizes, exports, quantised models ------------------------------------------------------


class FixedBatch(nn.Module):
    """Runs a given number of rows only."""

    def __init__(self, n_rows: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.n_rows = nn.Linear(8, 1), n_rows

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.a(x).reshape(self.n_rows, 1)
        return out


def test_a_model_for_one_row_at_a_time_is_served_by_max_rows_1() -> None:
    net = FixedBatch(1).double().eval()
    found = salience.explain(net, X, Tensors(), output="value", max_rows=1).values
    torch.testing.assert_close(found, net.a.weight.detach().expand_as(X))
    found = salience.explain(net, X, Tensors(), output="value").values  # as it is told
    torch.testing.assert_close(found, net.a.weight.detach().expand_as(X))


def test_a_model_for_another_number_of_rows_is_refused() -> None:
    with pytest.raises(InputError, match=r"cannot be run on this data \(x \(5, 8\) float64\)"):
        salience.explain(FixedBatch(4).double().eval(), X, Tensors(), output="value")


def traced(net: nn.Module) -> Any:
    return torch.jit.trace(FixedBatch(5).double().eval(), X)


def exported(net: nn.Module) -> Any:
    return torch.export.export(net, (X,)).module()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [traced, exported])
def test_an_export_with_fixed_shapes_is_refused_with_the_reason(make: Any) -> None:
    net = network().eval()
    with pytest.raises(InputError, match=r"export or a trace of fixed shapes"):
        salience.explain(
            make(net), X, Tensors(), output="value", samplers=["gaussian"], n_samples=3
        )


@pytest.mark.filterwarnings("ignore")
def test_an_export_with_a_dynamic_batch_is_served() -> None:
    net = network().eval()
    dynamic = ({0: torch.export.Dim("batch")},)
    for model in (
        torch.export.export(net, (X,), dynamic_shapes=dynamic).module(),
        torch.jit.trace(net, X),
        torch.jit.script(net),
    ):
        found = salience.explain(
            model, X, Tensors(), output="value", samplers=["gaussian"], n_samples=3
        )
        truth = salience.explain(
            net, X, Tensors(), output="value", samplers=["gaussian"], n_samples=3
        )
        torch.testing.assert_close(found.values, truth.values, rtol=1e-8, atol=1e-10)


def test_an_exported_program_is_refused() -> None:
    with pytest.raises(InputError, match=r"ExportedProgram.*pass the model that was exported"):
        salience.explain(torch.export.export(network().eval(), (X,)), X, Tensors())


class BesideQuantised(nn.Module):
    """A path that is quantised beside one that is not, which alone would have a gradient."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.skip = net, nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x) + self.skip(x)
        return out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("settings", [{}, {"samplers": ["gaussian"], "n_samples": 3}])
def test_a_quantised_model_is_refused_with_the_reason(
    beside: bool, settings: dict[str, Any]
) -> None:
    net = network().float().eval()
    model: nn.Module = torch.ao.quantization.quantize_dynamic(net, {nn.Linear})
    model = BesideQuantised(model).eval() if beside else model
    with pytest.raises(InputError, match=r"quantised .* no gradient"):
        salience.explain(model, X.float(), Tensors(), output="value", **settings)


# --- Named arguments -----------------------------------------------------------------------------

A, B, C = (torch.randn(5, 3, dtype=torch.float64) for _ in range(3))
AXES = dict.fromkeys(("first", "second", "third"), ("item", "feature"))


def score(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    return (first * second.exp() + third**3).sum(1)


class Ordered(nn.Module):
    def forward(self, second: Tensor, third: Tensor, first: Tensor) -> Tensor:
        return score(first, second, third)


class KeywordsOnly(nn.Module):
    def forward(self, third: Tensor, *, first: Tensor, second: Tensor) -> Tensor:
        return score(first, second, third)


class AnyKeywords(nn.Module):
    def forward(self, **arguments: Tensor) -> Tensor:
        return score(**arguments)


class Wrapping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Ordered()

    def forward(self, *args: Any, **arguments: Any) -> Tensor:
        out: Tensor = self.inner(*args, **arguments)
        return out


class WithMore(nn.Module):
    def forward(
        self, third: Tensor, scale: float = 1.0, first: Any = None, second: Any = None
    ) -> Tensor:
        return score(first, second, third) * scale


class OtherNames(nn.Module):
    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return score(a, b, c)


BY_NAME = [
    Ordered(),
    KeywordsOnly(),
    AnyKeywords(),
    Wrapping(),
    WithMore(),
    OtherNames(),
    lambda third, first, second: score(first, second, third),
    functools.partial(lambda third, w, first, second: score(first, second, third), w=1),
    Ordered().forward,
]


@pytest.mark.parametrize("model", BY_NAME)
@pytest.mark.parametrize("target", ["first", "second", "third"])
def test_an_argument_reaches_the_parameter_of_its_name(model: Any, target: str) -> None:
    data = {"third": C, "first": A, "second": B}
    found = salience.explain(model, data, Tensors(axes=AXES), target=target, output="value").values
    at = {"first": A, "second": B, "third": C}
    truth = gradient(lambda x: score(**{**at, target: x}), at[target])
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-12)


def test_names_that_fit_only_in_part_and_elsewhere_are_refused() -> None:
    axes = dict.fromkeys(("x", "third"), ("item", "feature"))
    with pytest.raises(InputError, match="argument 'x' is no parameter of the model"):
        Explainer(lambda a, first, third=None: a, Tensors(axes=axes), output="value").explain(
            {"x": A, "third": C}
        )


# --- Errors of the model -------------------------------------------------------------------------


class Failing(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.error, AssertionError):
            assert x.ndim == 9, "the weights are not loaded"
        raise self.error


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    "kind", [RuntimeError, ValueError, KeyError, TypeError, AssertionError, NotImplementedError]
)
@pytest.mark.parametrize("sampler", [[], ["gaussian"], ["mc_dropout"], ["weight_noise"]])
def test_an_error_of_the_model_is_shown_and_chained(kind: Any, sampler: list[str]) -> None:
    net = nn.Sequential(nn.Dropout(), nn.Linear(8, 8), Failing(kind("the weights are not loaded")))
    with pytest.raises(InputError, match=f"{kind.__name__}: .*the weights are not loaded") as got:
        salience.explain(net, X.float(), Tensors(), samplers=sampler, n_samples=3 if sampler else 1)
    assert "shape" not in str(got.value)
    assert type(got.value.__cause__) is kind
    assert str(pickle.loads(pickle.dumps(got.value))) == str(got.value)


def test_an_error_of_the_users_own_class_is_raised_as_it_is() -> None:
    with pytest.raises(OwnError, match="not loaded"):
        salience.explain(Failing(OwnError("the weights are not loaded")), X, Tensors())


def test_an_error_of_shapes_is_said_to_be_one() -> None:
    with pytest.raises(InputError, match=r"shape that the model expects.*cannot be multiplied"):
        salience.explain(network(), X[:, :3], Tensors(), output="value")


class Two(nn.Module):
    def forward(self, rows: Tensor, scale: Tensor) -> Tensor:
        return rows.sum(1) * scale


def test_arguments_that_forward_does_not_take_are_named_first() -> None:
    with pytest.raises(InputError, match=r"does not take what the domain passes, x \(2, 3\)"):
        salience.explain(Two(), torch.ones(2, 3), "tensor", output="value")


def test_an_error_in_the_backward_pass_is_shown() -> None:
    net = network()
    net[0].register_full_backward_hook(lambda *_: [].pop())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="backward pass of the model failed, IndexError: pop"):
        salience.explain(net, X, Tensors(), output="value")


def test_a_model_that_takes_few_rows_is_right() -> None:
    class OnlyFew(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) > 5:
                raise ValueError("more than five")
            return x[:, 0]

    found = salience.explain(
        OnlyFew(), X, Tensors(), output="value", samplers=["gaussian"], n_samples=9
    )
    torch.testing.assert_close(found.values, gradient(lambda x: x[:, 0]))


# --- Output variables ----------------------------------------------------------------------------


class First(Output):
    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        first: Tensor = output[:, 0]
        return first


@dataclass(frozen=True)
class Negative(Output):
    inner: Output

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        return -self.inner(output, fixed)


@dataclass(frozen=True)
class Mean(Output):
    parts: tuple[Output, ...]

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        return torch.stack([part(output, fixed) for part in self.parts]).mean(0)


class Kept(Output):
    """Holds another output, and is no dataclass."""

    def __init__(self, inner: Output) -> None:
        self.inner = inner

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        return self.inner(output, fixed)


SMALL = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3)).double().eval()
OUTPUTS: list[tuple[Output, Callable[[Tensor], Tensor]]] = [
    (First(), lambda x: SMALL(x)[:, 0]),
    (Negative(ClassScore(1)), lambda x: -SMALL(x)[:, 1]),
    (Mean((ClassScore(0), ClassScore(2))), lambda x: SMALL(x)[:, ::2] / 2),
]


@pytest.mark.parametrize(("output", "truth"), OUTPUTS)
@pytest.mark.parametrize("target", ["input", "0"])
def test_an_output_of_the_users_reads_what_it_asks_for(
    output: Output, truth: Callable[[Tensor], Tensor], target: str
) -> None:
    domain = Tensors(inner=("item", "unit"))
    if target == "0" and not isinstance(output, First):
        return
    found = salience.explain(SMALL, X, domain, output=output, target=target)
    if target == "input":
        torch.testing.assert_close(found.values, gradient(truth))
    assert found.provenance["output"]["name"] == f"⟨{type(output).__qualname__}⟩"


@pytest.mark.parametrize(
    "output",
    [
        Negative(Tap("0")),
        Kept(Negative(Tap("1"))),
        Mean((Tap("0"), ClassScore(0))),
        Mean((ClassScore(0), Negative(Tap("1")))),
    ],
)
def test_outputs_around_taps_are_refused(output: Output) -> None:
    with pytest.raises(InputError, match="holds a Tap"):
        salience.explain(SMALL, X, Tensors(), output=output)


def test_an_output_around_one_that_keeps_something_must_pass_it_on() -> None:
    with pytest.raises(InputError, match=r"return self\.inner\.fix"):
        salience.explain(SMALL, X, Tensors(), output=Negative(Predicted()))


def test_an_error_of_an_output_is_shown() -> None:
    with pytest.raises(InputError, match=r"model's output \(shape \(5, 3\)\): IndexError"):
        salience.explain(SMALL, X, Tensors(), output=lambda out: out[:, 7])


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8).double()

    def forward(self, x: Tensor) -> Tensor:
        first = self.layer(x)
        out: Tensor = first + self.layer(torch.tanh(first))
        return out


@pytest.mark.parametrize(
    "settings",
    [{"target": "layer"}, {"output": Tap("layer")}, {"target": "layer", "output": ClassScore(2)}],
)
def test_it_is_told_that_a_module_runs_again(settings: dict[str, Any]) -> None:
    settings = {"output": ClassScore(0)} | settings
    with pytest.warns(salience.Notice, match="'layer' runs 2 times"):
        salience.explain(Twice().eval(), X, Tensors(inner=("item", "unit")), **settings)


def test_nothing_is_told_of_a_call_that_was_asked_for() -> None:
    domain = Tensors(inner=("item", "unit"))
    target = Target("layer", call=1)
    found = salience.explain(Twice().eval(), X, domain, target=target, output=ClassScore(0))
    assert "notices" not in found.provenance


@pytest.mark.parametrize("way", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_errors_are_copied(way: Callable[[Any], Any]) -> None:
    for model in (lambda x: x / 0, lambda x: x[:, :1], FixedBatch(4).double()):
        with pytest.raises(InputError) as caught:
            salience.explain(model, X, Tensors())
        again = way(caught.value)
        assert type(again) is type(caught.value)
        assert str(again) == str(caught.value)


def test_value_reads_a_lone_number() -> None:
    net = Squeezed("squeeze").double().eval()
    found = salience.explain(net, X[:1], Tensors(), output=Value())
    torch.testing.assert_close(found.values, gradient(lambda x: net(x), X[:1]))
