"""Modules that functions, objects and containers hold: in eval mode, and none of them changed."""

from __future__ import annotations

import functools
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import InputError, Tensors

X = torch.randn(5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Function = Callable[[Tensor], Any]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    return net.double()


class Holder:
    def __init__(self, net: Any) -> None:
        self.net = net
        self.again = self

    def predict(self, x: Tensor) -> Any:
        return self.step(x)

    def step(self, x: Tensor) -> Any:
        return self.net(x)

    def __call__(self, x: Tensor) -> Any:
        return self.step(x)

    @property
    def as_property(self) -> Any:
        return self.net


@dataclass(frozen=True, slots=True)
class Slotted:
    net: Any

    def __call__(self, x: Tensor) -> Any:
        return self.net(x)


class Pair(NamedTuple):
    scale: float
    net: Any


class Table(dict[str, Any]):
    def __call__(self, x: Tensor) -> Any:
        return self["net"](x)


def of_a_class(net: nn.Module) -> Function:
    class Classed:
        model: ClassVar[nn.Module] = net

        def __call__(self, x: Tensor) -> Any:
            return self.model(x)

    return Classed()


def decorated(net: nn.Module) -> Function:
    def twice(function: Function) -> Function:
        @functools.wraps(function)
        def inner(x: Tensor) -> Any:
            return function(x)

        return inner

    return twice(lambda x: net(x))


def of_defaults(net: nn.Module) -> Function:
    def predict(x: Tensor, model: nn.Module = net, *, nets: Any = (net,)) -> Any:
        return (model(x) + nets[0](x)) / 2

    return predict


def nested_function(net: nn.Module) -> Function:
    def outer(x: Tensor) -> Any:
        def inner(x: Tensor) -> Any:
            return net(x)

        return inner(x)

    return outer


def partial(net: nn.Module) -> Function:
    def predict(net: nn.Module, x: Tensor, *, other: dict[str, nn.Module]) -> Any:
        return (net(x) + other["net"](x)) / 2

    return functools.partial(predict, net, other={"net": net})


class InList(nn.Module):
    """A module that keeps others where torch does not see them."""

    def __init__(self, held: Any, get: Callable[[Any], Any]) -> None:
        super().__init__()
        self.held, self.get = held, get

    def forward(self, x: Tensor) -> Any:
        return self.get(self.held)(x)


REACH: dict[str, Callable[[nn.Module], Function]] = {
    "bound": lambda net: Holder(net).predict,
    "called": Holder,
    "object in object": lambda net: Holder(Holder(net)),
    "bound in object": lambda net: Holder(Holder(net).predict).predict,
    "slots": Slotted,
    "dict": lambda net: (lambda nets: lambda x: nets["a"]["b"](x))({"a": OrderedDict(b=net)}),
    "list": lambda net: (lambda nets: lambda x: nets[0][0](x))([[net]]),
    "tuple": lambda net: (lambda nets: lambda x: nets.net(x))(Pair(1.0, net)),
    "set": lambda net: (lambda nets: lambda x: next(iter(nets))(x))({net}),
    "deque": lambda net: (lambda nets: lambda x: nets[0](x))(deque([net])),
    "namespace": lambda net: (lambda space: lambda x: space.net(x))(types.SimpleNamespace(net=net)),
    "dict that is called": lambda net: Table(net=net),
    "attribute": lambda net: (lambda holder: lambda x: holder.as_property(x))(Holder(net)),
    "forward": lambda net: net.forward,
    "child": lambda net: (lambda wrapped: lambda x: wrapped[0](x))(nn.Sequential(net)),
    "class": of_a_class,
    "decorator": decorated,
    "defaults": of_defaults,
    "nested": nested_function,
    "partial": partial,
    "module with list": lambda net: InList([net], lambda held: held[0]).eval(),
    "module with dict": lambda net: InList({"a": (net,)}, lambda held: held["a"][0]),
    "module with object": lambda net: InList(Holder(net), lambda held: held),
    "module with function": lambda net: InList([lambda x: net(x)], lambda held: held[0]),
    "module with method": lambda net: InList(Holder(net).predict, lambda held: held),
}


def explained(reach: Callable[[nn.Module], Function], net: nn.Sequential) -> Tensor:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = None
    try:
        found = salience.explain(reach(net), X, Tensors(), output="value")
    finally:
        after = net.state_dict()
        assert all(torch.equal(after[name], value) for name, value in before.items())
        assert net.training
        assert all(p.requires_grad and p.grad is None for p in net.parameters())
    return found.values


def truth(net: nn.Sequential) -> Tensor:
    x = X.clone().requires_grad_()
    return torch.autograd.grad(net.eval()(x).sum(), x)[0]


@pytest.mark.parametrize("way", REACH)
def test_a_module_that_is_held_runs_in_eval_mode(way: str) -> None:
    net = network().train()
    found = explained(REACH[way], net)
    torch.testing.assert_close(found, truth(net))


MODELS: dict[str, nn.Module] = {}


def by_global_helper(x: Tensor) -> Any:
    return helper(x)


def helper(x: Tensor) -> Any:
    return MODELS["net"](x)


def test_a_module_behind_global_names_runs_in_eval_mode() -> None:
    net = network().train()
    MODELS["net"] = net
    torch.testing.assert_close(explained(lambda net: by_global_helper, net), truth(net))


def imported(net: nn.Module) -> Function:
    there = types.ModuleType("there")
    there.net = net  # type: ignore[attr-defined]
    sys.modules["there"] = there
    return lambda x: sys.modules["there"].net(x)


class ReadsGlobal:
    def __call__(self, x: Tensor) -> Any:
        return MODELS["net"](x)


class ModuleReadsGlobal(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return MODELS["net"](x)


@pytest.mark.parametrize("model", [ReadsGlobal, ModuleReadsGlobal, None])
def test_a_module_that_cannot_be_found_is_refused_in_train_mode_alone(model: Any) -> None:
    net = network().train()
    MODELS["net"] = net

    def reach(net: nn.Module) -> Function:
        return imported(net) if model is None else model()

    with pytest.raises(InputError, match=r"train mode that is not part of it.*call eval\(\)"):
        explained(reach, net)
    net.eval()
    found = salience.explain(reach(net), X, Tensors(), output="value").values
    torch.testing.assert_close(found, truth(net))


def test_a_stateless_module_that_a_forward_makes_is_no_stranger() -> None:
    weight = torch.randn(8, 1, dtype=torch.float64)
    found = salience.explain(lambda x: nn.Tanh()(x) @ weight, X, Tensors(), output="value")
    torch.testing.assert_close(found.values, (1 - torch.tanh(X) ** 2) * weight.T)


def test_what_reaches_no_module_stays_shared() -> None:
    seen: list[int] = []

    def model(x: Tensor) -> Tensor:
        seen.append(len(x))
        return x[:, :1]

    salience.explain(model, X, Tensors(), output="value")
    assert seen
