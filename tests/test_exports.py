"""Exports, traces and quantised models, and recurrent networks on CUDA."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import InputError, Notice, Tensors
from salience.support import cudnn

X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)).eval()


def explained(model: Any) -> Tensor:
    return salience.explain(
        model, X, Tensors(), output="value", samplers=["gaussian"], n_samples=2
    ).values


@pytest.mark.filterwarnings("ignore")
def test_static_exports_are_refused_with_the_reason() -> None:
    program = torch.export.export(network(), (X,))
    with pytest.raises(InputError, match="ExportedProgram"):
        explained(program)
    with pytest.raises(InputError, match=r"fixed shapes.*dynamic_shapes"):
        explained(program.module())


def test_hooks_of_a_graph_module_run_with_what_they_use() -> None:
    graph = torch.fx.symbolic_trace(network())
    graph.scale = 3.0
    graph.register_forward_pre_hook(lambda module, args: (args[0] * module.scale,))
    graph.register_forward_hook(lambda module, args, output: output * module.scale)
    plain = network()
    truth = explained(lambda x: 3 * plain(3 * x))
    torch.testing.assert_close(explained(graph), truth)
    torch.testing.assert_close(explained(nn.Sequential(graph, nn.Identity())), truth)


class Holding(nn.Module):
    """Calls a module that torch does not know to be one of its own."""

    def __init__(self, held: Any, found: Callable[[Any], nn.Module]) -> None:
        super().__init__()
        self.held, self.found = held, found

    def forward(self, x: Tensor) -> Any:
        return self.found(self.held)(x)


HELD: dict[str, Callable[[nn.Module], Holding]] = {
    "list": lambda module: Holding([module], lambda held: held[0]),
    "mapping": lambda module: Holding({"net": module}, lambda held: held["net"]),
    "tuple": lambda module: Holding((1, (module,)), lambda held: held[1][0]),
    "object": lambda module: Holding(SimpleNamespace(net=module), lambda held: held.net),
    "function": lambda module: Holding(lambda: module, lambda held: held()),
    "hook of another": lambda module: Holding([hooked(module)], lambda held: held[0]),
}


def hooked(module: nn.Module) -> nn.Module:
    """A graph module with a hook that runs another."""
    graph = torch.fx.symbolic_trace(nn.Sequential(nn.Identity()))
    graph.register_forward_hook(lambda _, args, output, nets=[module]: nets[0](output))
    return graph


@pytest.mark.parametrize("place", HELD)
def test_hooks_of_a_graph_module_run_wherever_it_is_held(place: str) -> None:
    graph = torch.fx.symbolic_trace(network())
    graph.register_forward_hook(lambda module, args, output: 3 * output)
    plain = network()
    torch.testing.assert_close(explained(HELD[place](graph)), explained(lambda x: 3 * plain(x)))


@pytest.mark.filterwarnings("ignore")
def test_exports_and_traces_that_take_any_number_of_rows_are_served() -> None:
    rows = torch.export.Dim("rows", min=1, max=1000)
    exported = torch.export.export(network(), (X,), dynamic_shapes=({0: rows},)).module()
    truth = explained(network())
    for model in (exported, torch.jit.trace(network(), X), torch.jit.script(network())):
        torch.testing.assert_close(explained(model), truth)


@pytest.mark.filterwarnings("ignore")
def test_a_trace_of_fixed_shapes_is_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match="trace of fixed shapes"):
        explained(torch.jit.trace(lambda x: x.reshape(4, int(x.shape[1])).sum(1), X))


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_model_is_refused_with_the_reason() -> None:
    engines = torch.backends.quantized.supported_engines
    if set(engines) <= {"none"}:
        pytest.skip("torch has no engine for quantised models here")
    torch.backends.quantized.engine = next(e for e in engines if e != "none")
    model = torch.ao.quantization.quantize_dynamic(network(), {nn.Linear}, dtype=torch.qint8)
    for held in (model, lambda x: model(x)):
        with pytest.raises(InputError, match=r"quantised Linear.*before quantisation"):
            explained(held)


class Recurrent(nn.Module):
    """Scores from a recurrent layer."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = kind(8, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x[:, None])[0][:, 0]
        assert torch.backends.cudnn.enabled
        return out


SEEN: list[bool] = []


def _look(module: nn.Module, args: Any) -> None:
    SEEN.append(torch.backends.cudnn.enabled)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("held", [False, True])
def test_recurrent_layers_on_cuda_run_without_cudnn(
    kind: type[nn.RNNBase], held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Recurrent(kind).eval()
    model = (lambda x: net(x)) if held else net
    truth = salience.explain(model, X, Tensors()).values
    monkeypatch.setattr(cudnn, "on_cuda", lambda module: True)
    with pytest.warns(Notice, match="without cuDNN"):
        found = salience.explain(model, X, Tensors()).values
    torch.testing.assert_close(found, truth)
    assert torch.backends.cudnn.enabled


def test_cudnn_is_off_inside_recurrent_layers_alone_and_after_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cudnn, "on_cuda", lambda module: True)
    layer = nn.LSTM(8, 3)
    with pytest.warns(Notice):
        cudnn.run_without_cudnn(layer)
    layer.register_forward_pre_hook(_look)
    SEEN.clear()
    layer(X)
    with pytest.raises(RuntimeError):
        layer(X[:, :2])
    assert SEEN == [False, False]
    assert torch.backends.cudnn.enabled
