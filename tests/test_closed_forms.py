"""Calculators against closed forms, on linear, quadratic and polynomial models in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import salience
from salience import (
    ClassScore,
    CrossEntropy,
    GaussianNoise,
    Gradient,
    InputError,
    IntegratedGradients,
    Mean,
    Occlusion,
    PerItem,
    Predicted,
    Tap,
    Target,
    Tensors,
    Value,
)

RULES = ("gauss_legendre", "trapezoid", "midpoint")


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def close(got: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


# --- Models whose saliency is known ---------------------------------------------------------------


class Quadratic(NamedTuple):
    """f(x) = ½ xᵀ A x + bᵀ x with a symmetric A."""

    a: Tensor
    b: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return (x @ self.a * x).sum(1) / 2 + x @ self.b

    def gradient(self, x: Tensor) -> Tensor:
        return x @ self.a + self.b


def quadratic(n: int = 4) -> Quadratic:
    a = normal(n, n, seed=1)
    return Quadratic(a + a.T, normal(n, seed=2))


class LinearGraph(nn.Module):
    """f = Σ over atoms of w·h + Σ over arrows of v·h at their source; h is an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 2)
        self.w = nn.Parameter(torch.randn(2))
        self.v = nn.Parameter(torch.randn(2))
        self.double()

    def forward(self, labels: Tensor, edge_index: Tensor, owner: Tensor, n_graphs: int) -> Tensor:
        h = self.embed(labels)
        own = h.new_zeros(n_graphs).index_add(0, owner, h @ self.w)
        source, sink = edge_index
        return own.index_add(0, owner[sink], h[source] @ self.v)

    def gradient(self, graph: Any) -> Tensor:
        degree = torch.bincount(graph.arrows()[0], minlength=len(graph.labels))
        return (self.w + degree[:, None] * self.v).detach()

    def embedded(self, graph: Any) -> Tensor:
        return self.embed(torch.tensor(graph.labels)).detach()


class LinearPadded(LinearGraph):
    """The same of padded graphs; padding is multiplied by zero."""

    def forward(self, labels: Tensor, adjacency: Tensor, real: Tensor) -> Tensor:  # type: ignore[override]
        h = self.embed(labels) * real[..., None]
        return (h @ self.w).sum(1) + (adjacency.sum(1) * (h @ self.v)).sum(1)


class Doubled(nn.Module):
    """2 x, worked out in place."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(2)


GRAPH_FORMS = ["ragged", "padded"]


def linear_graphs(graphs: Any, form: str) -> tuple[LinearGraph, Any]:
    model = LinearGraph() if form == "ragged" else LinearPadded()
    return model, graphs.ragged() if form == "ragged" else graphs.padded()


# --- Gradient -------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 2])
def test_gradient_of_a_linear_model_is_its_weights(k: int) -> None:
    model = nn.Linear(4, 3).double()
    found = salience.explain(model, normal(5, 4), Tensors(), "gradient", output=ClassScore(k))
    close(found.values, model.weight[k].detach().expand(5, 4))


def test_gradient_times_input_of_a_linear_model_is_input_times_weights() -> None:
    model, x = nn.Linear(4, 3).double(), normal(5, 4)
    found = salience.explain(model, x, Tensors(), Gradient(True), output="class:1")
    close(found.values, x * model.weight[1].detach())


def test_gradient_of_a_quadratic_model_is_linear_in_the_input() -> None:
    model, x = quadratic(), normal(5, 4)
    found = salience.explain(model, x, Tensors(), output="value")
    close(found.values, model.gradient(x))
    close(found.score, model(x))
    assert found.delta.isnan().all()
    assert found.completeness_gap.isnan().all()


@pytest.mark.parametrize("form", GRAPH_FORMS)
def test_gradient_of_a_linear_graph_model_counts_the_arrows_of_each_atom(
    graphs: Any, form: str
) -> None:
    model, domain = linear_graphs(graphs, form)
    found = salience.explain(model, graphs.data, domain)
    assert len(found.values) == len(graphs.data)
    for value, graph in zip(found.values, graphs.data, strict=True):
        close(value, model.gradient(graph))


def test_the_item_axis_need_not_come_first() -> None:
    w = normal(3, 2)
    domain = Tensors(("time", "item", "channel"), output="value")
    x = normal(3, 5, 2, seed=1)

    def model(x: Tensor) -> Tensor:
        return (x.square() * w[:, None]).sum((0, 2))

    found = salience.explain(model, x, domain)
    close(found.values, (2 * x * w[:, None]).movedim(1, 0))


# --- Integrated gradients -------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("steps", [2, 3, 8])
def test_integrated_gradients_of_quadratic_models_are_exact_under_every_rule(
    rule: str, steps: int
) -> None:
    # Along the path the gradient is linear in α, which each rule integrates without error.
    model, x, b = quadratic(), normal(5, 4), 0.7
    found = salience.explain(
        model, x, Tensors(), IntegratedGradients(steps, b, rule), output="value"
    )
    close(found.values, (x - b) * model.gradient((x + b) / 2))
    close(found.delta, model(x) - model(torch.full_like(x, b)))
    close(found.completeness_gap, torch.zeros(5, dtype=torch.float64))


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_gauss_legendre_is_exact_up_to_degree_2s_minus_1_in_the_gradient(steps: int) -> None:
    n, b = 2 * steps, -0.4
    x = normal(6, 3)
    found = salience.explain(
        lambda x: (x**n).sum(1), x, Tensors(), IntegratedGradients(steps, b), output="value"
    )
    close(found.values, x**n - b**n)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_gauss_legendre_errs_by_its_remainder_one_degree_higher(steps: int) -> None:
    # ∫ α^(2S) dα is missed by (S!)⁴ / ((2S + 1) ((2S)!)²).
    n = 2 * steps + 1
    missed = math.factorial(steps) ** 4 / (n * math.factorial(2 * steps) ** 2)
    x = normal(6, 3)
    found = salience.explain(
        lambda x: (x**n).sum(1), x, Tensors(), IntegratedGradients(steps), output="value"
    )
    close(found.values, x**n * (1 - n * missed))
    close(found.completeness_gap, (x**n).sum(1).abs() * n * missed)


@pytest.mark.parametrize("steps", [2, 5, 11])
@pytest.mark.parametrize(
    ("rule", "relative_error"),
    [("trapezoid", lambda s: 1 / (2 * (s - 1) ** 2)), ("midpoint", lambda s: -1 / (4 * s**2))],
)
def test_trapezoid_and_midpoint_err_on_cubes_by_their_known_remainders(
    steps: int, rule: str, relative_error: Callable[[int], float]
) -> None:
    x = normal(6, 3)
    found = salience.explain(
        lambda x: (x**3).sum(1), x, Tensors(), IntegratedGradients(steps, rule=rule), output="value"
    )
    close(found.values, x**3 * (1 + relative_error(steps)))


# --- Baselines ------------------------------------------------------------------------------------

TRUE_BASELINES: Mapping[str, tuple[Any, Tensor]] = {
    "zero": (0.0, torch.zeros(5, 4, dtype=torch.float64)),
    "int": (2, torch.full((5, 4), 2.0, dtype=torch.float64)),
    "float": (-0.5, torch.full((5, 4), -0.5, dtype=torch.float64)),
    "tensor": (normal(4, seed=3), normal(4, seed=3).expand(5, 4)),
    "one value": (torch.tensor([0.25]), torch.full((5, 4), 0.25, dtype=torch.float64)),
    "array": (np.arange(4.0), torch.arange(4.0, dtype=torch.float64).expand(5, 4)),
    "per item": (PerItem(normal(5, 4, seed=3)), normal(5, 4, seed=3)),
    "per item, broadcast": (PerItem(normal(5, 1, seed=3)), normal(5, 1, seed=3).expand(5, 4)),
    "per item, listed": (PerItem(list(normal(5, 4, seed=3))), normal(5, 4, seed=3)),
    "mean": (Mean(normal(7, 4, seed=4)), normal(7, 4, seed=4).mean(0).expand(5, 4)),
    "mapping": ({"input": 3.0}, torch.full((5, 4), 3.0, dtype=torch.float64)),
    "mapping to a mean": (
        {"input": Mean(normal(7, 4, seed=4))},
        normal(7, 4, seed=4).mean(0).expand(5, 4),
    ),
    "mapping to one per item": (
        {"input": PerItem(normal(5, 4, seed=3))},
        normal(5, 4, seed=3),
    ),
}


@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
@pytest.mark.parametrize("kind", TRUE_BASELINES)
def test_integrated_gradients_start_at_the_baseline(kind: str, max_rows: int | str) -> None:
    given, true = TRUE_BASELINES[kind]
    model, x = quadratic(), normal(5, 4)
    explainer = salience.Explainer(model, Tensors(), output="value", max_rows=max_rows)
    found = explainer.explain(x, IntegratedGradients(4, given))
    close(found.values, (x - true) * model.gradient((x + true) / 2))
    close(found.delta, model(x) - model(true))


@pytest.mark.parametrize("kind", TRUE_BASELINES)
def test_occlusion_puts_the_baseline_into_the_window(kind: str) -> None:
    given, true = TRUE_BASELINES[kind]
    model, x = quadratic(), normal(5, 4)
    found = salience.explain(model, x, Tensors(), Occlusion(value=given), output="value")
    for i in range(4):
        at = x.clone()
        at[:, i] = true[:, i]
        close(found.values[:, i], model(x) - model(at))


@pytest.mark.parametrize("max_rows", [5, 7, "auto"])
@pytest.mark.parametrize("form", GRAPH_FORMS)
@pytest.mark.parametrize("kind", ["number", "channel", "per item", "mean"])
def test_baselines_of_graphs_are_those_of_their_atoms(
    graphs: Any, form: str, kind: str, max_rows: int | str
) -> None:
    model, domain = linear_graphs(graphs, form)
    h = [model.embedded(graph) for graph in graphs.data]
    own = [normal(len(v), 2, seed=i) for i, v in enumerate(h)]
    channel = normal(2, seed=9)
    some = [graphs.data[2], graphs.data[4], graphs.data[1]]
    mean = torch.cat([model.embedded(graph) for graph in some]).mean(0)
    given, true = {
        "number": (0.5, [torch.full_like(v, 0.5) for v in h]),
        "channel": (channel, [channel.expand_as(v) for v in h]),
        "per item": (PerItem(own), own),
        "mean": (Mean(some), [mean.expand_as(v) for v in h]),
    }[kind]
    explainer = salience.Explainer(model, domain, max_rows=max_rows)
    found = explainer.explain(graphs.data, IntegratedGradients(2, given))
    for i, graph in enumerate(graphs.data):
        expected = (h[i] - true[i]) * model.gradient(graph)
        close(found.values[i], expected)
        close(found.delta[i], expected.sum())


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (PerItem(torch.zeros(4, 4)), "holds 4 baselines for 5 items; pass one an item"),
        (PerItem(torch.zeros(5, 3)), r"the baseline of item 0 .* has shape \(3,\), expected one"),
        (torch.zeros(5), r"is of shape \(5,\), expected a number or a tensor that broadcasts"),
        (torch.zeros(5, 4), r"is of shape \(5, 4\).*for one baseline an item pass PerItem"),
        ("blur", "is 'blur'"),
    ],
)
@pytest.mark.parametrize(
    "make", [lambda b: IntegratedGradients(2, b), lambda b: Occlusion(value=b)]
)
def test_a_baseline_that_does_not_fit_is_refused(
    make: Callable[[Any], Any], baseline: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        salience.explain(quadratic(), normal(5, 4), Tensors(), make(baseline), output="value")


def test_the_mean_of_a_background_may_hold_more_items_than_there_are_labels() -> None:
    model = nn.Linear(4, 3).double()
    x, background = normal(2, 4), normal(9, 4, seed=1)
    found = salience.explain(
        model, x, Tensors(), IntegratedGradients(24, Mean(background)), output=CrossEntropy([2, 0])
    )
    loss = nn.functional.cross_entropy
    labels = torch.tensor([2, 0])
    start = model(background.mean(0).expand(2, 4))
    delta = loss(model(x), labels, reduction="none") - loss(start, labels, reduction="none")
    close(found.delta, delta.detach())


# --- Occlusion ------------------------------------------------------------------------------------


def occluded(
    f: Callable[[Tensor], Tensor],
    x: Tensor,
    window: Mapping[int, int],
    stride: Mapping[int, int],
    value: float,
) -> Tensor:
    """The definition, position by position, for items along the first axis.

    Window and stride are of axes of ``x``; other axes are spanned.
    """
    starts = [
        [*range(0, x.shape[a] - window[a], stride[a]), x.shape[a] - window[a]] for a in window
    ]
    total, cover = torch.zeros_like(x), torch.zeros_like(x)
    for corner in itertools.product(*starts):
        hole = [slice(None)] * x.ndim
        for axis, start in zip(window, corner, strict=True):
            hole[axis] = slice(start, start + window[axis])
        at = x.clone()
        at[tuple(hole)] = value
        drop = f(x) - f(at)
        total[tuple(hole)] += drop.reshape(-1, *[1] * (x.ndim - 1))
        cover[tuple(hole)] += 1
    return total / cover


def bumpy(x: Tensor) -> Tensor:
    """A model in which positions interact."""
    weights = torch.linspace(-1, 1, x[0].numel(), dtype=x.dtype)
    flat = x.flatten(1)
    return (flat * weights).sum(1).sin() + (flat[:, 1:] * flat[:, :-1]).sum(1)


@pytest.mark.parametrize("max_rows", [1, 4, "auto"])
@pytest.mark.parametrize("value", [0.0, -1.5])
@pytest.mark.parametrize(
    ("length", "window", "stride"),
    [(6, 1, 1), (6, 2, 1), (6, 3, 1), (7, 3, 2), (7, 2, 2), (7, 3, 3), (5, 5, 1), (5, 4, 4)],
)
def test_occlusion_is_the_mean_drop_over_the_windows_that_cover_a_position(
    length: int, window: int, stride: int, value: float, max_rows: int | str
) -> None:
    x = normal(3, length)
    explainer = salience.Explainer(bumpy, Tensors(), output="value", max_rows=max_rows)
    found = explainer.explain(x, Occlusion(window, stride, value))
    close(found.values, occluded(bumpy, x, {1: window}, {1: stride}, value))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Occlusion(2, 3),
        lambda: Occlusion({"a": 3, "b": 2}, 3),
        lambda: Occlusion(2, {"b": 3}),
        lambda: Occlusion({"a": 3, "b": 2}, {"b": 3}),
    ],
)
def test_strides_that_would_leave_positions_without_saliency_are_refused(
    make: Callable[[], Occlusion],
) -> None:
    with pytest.raises(InputError, match=r"a stride of 3.* is longer than the window of 2"):
        make()


@pytest.mark.parametrize("window", [2, {"feature": 2}])
def test_a_stride_along_an_axis_without_windows_is_refused(window: Any) -> None:
    with pytest.raises(InputError, match="stride names the axis 'faeture'"):
        salience.explain(
            bumpy, normal(3, 4), Tensors(), Occlusion(window, {"faeture": 1}), output="value"
        )


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5])
def test_windows_step_by_half_their_length_where_no_stride_is_given(window: int) -> None:
    x = normal(3, 7)
    found = salience.explain(bumpy, x, Tensors(), Occlusion(window), output="value")
    close(found.values, occluded(bumpy, x, {1: window}, {1: max(1, window // 2)}, 0.0))


@pytest.mark.parametrize(
    ("window", "stride"), [((2, 2), (1, 1)), ((2, 3), (2, 1)), ((4, 1), (1, 1)), ((3, 3), (2, 2))]
)
def test_windows_slide_along_several_axes_and_span_the_others(
    window: tuple[int, int], stride: tuple[int, int]
) -> None:
    x = normal(2, 3, 4, 5)
    domain = Tensors(("item", "channel", "height", "width"), output="value")
    calculator = Occlusion(
        {"height": window[0], "width": window[1]}, {"height": stride[0], "width": stride[1]}, 0.3
    )
    found = salience.explain(bumpy, x, domain, calculator)
    assert found.values.shape == (2, 1, 4, 5)
    expected = occluded(
        bumpy, x, {2: window[0], 3: window[1]}, {2: stride[0], 3: stride[1]}, value=0.3
    )
    close(found.values.expand(2, 3, 4, 5), expected)


def test_summed_over_the_channels_that_it_spans_occlusion_is_the_drop_itself() -> None:
    x = normal(2, 3, 4)
    domain = Tensors(("item", "channel", "width"), reduce=("channel",), output="value")
    found = salience.explain(bumpy, x, domain, Occlusion(1))
    close(found.values, occluded(bumpy, x, {2: 1}, {2: 1}, 0.0)[:, 0])


def test_occlusion_of_one_value_an_item_replaces_it() -> None:
    x = normal(4)
    found = salience.explain(lambda x: x**3, x, Tensors(("item",)), Occlusion(), output="value")
    close(found.values, x**3)


@pytest.mark.parametrize("max_rows", [2, "auto"])
def test_occlusion_finds_the_item_axis_wherever_it_is(max_rows: int | str) -> None:
    x = normal(5, 3, 2)
    domain = Tensors(("time", "item", "channel"), output="value")

    def model(x: Tensor) -> Tensor:
        return bumpy(x.movedim(1, 0))

    explainer = salience.Explainer(model, domain, max_rows=max_rows)
    found = explainer.explain(x, Occlusion({"time": 3}, {"time": 2}, -1.0))
    assert found.values.shape == (3, 5, 1)
    expected = occluded(bumpy, x.movedim(1, 0), {1: 3}, {1: 2}, -1.0)
    close(found.values.expand(3, 5, 2), expected)


def test_what_a_model_does_in_place_does_not_reach_the_next_window() -> None:
    model = nn.Sequential(Doubled(), nn.Linear(4, 1)).double()
    x, w = normal(5, 4), model[1].weight.detach()[0]
    for calculator in (Occlusion(), IntegratedGradients(3), Gradient(True)):
        before = x.clone()
        found = salience.explain(model, x, Tensors(), calculator, output="value")
        assert torch.equal(x, before)
        close(found.values, 2 * x * w)


@pytest.mark.parametrize("max_rows", [5, 9, "auto"])
def test_ragged_occlusion_replaces_one_element_at_a_time(graphs: Any, max_rows: int | str) -> None:
    ragged, _ = graphs.models()
    explainer = salience.Explainer(ragged, graphs.ragged(), max_rows=max_rows)
    found = explainer.explain(graphs.data, Occlusion(value=0.5))
    for graph, values in zip(graphs.data, found.values, strict=True):
        assert values.shape == (len(graph.labels), 1)
        for atom in range(len(graph.labels)):
            close(values[atom, 0], drop_of(ragged, graph, [atom], 0.5))


@pytest.mark.parametrize("max_rows", [5, 9, "auto"])
def test_the_elements_of_a_group_are_replaced_together(graphs: Any, max_rows: int | str) -> None:
    ragged, _ = graphs.models()
    groups = [[0, 1, 0], [0], [2, 0, 0, 1, 2], torch.tensor([1, 1]), [0, 0, 0, 0]]
    explainer = salience.Explainer(ragged, graphs.ragged(), max_rows=max_rows)
    found = explainer.explain(graphs.data, Occlusion(groups=groups))
    for graph, own, values in zip(graphs.data, groups, found.values, strict=True):
        own = torch.as_tensor(own)
        for atom in range(len(graph.labels)):
            together = (own == own[atom]).nonzero()[:, 0].tolist()
            close(values[atom, 0], drop_of(ragged, graph, together, 0.0))


@pytest.mark.parametrize("setting", [{"window": 2}, {"window": {"atom": 1}}, {"stride": 1}])
def test_windows_do_not_slide_along_elements(graphs: Any, setting: Any) -> None:
    ragged, _ = graphs.models()
    with pytest.raises(InputError, match=r"pass groups=\.\.\. instead of window and stride"):
        salience.explain(ragged, graphs.data, graphs.ragged(), Occlusion(**setting))


def drop_of(model: Any, graph: Any, atoms: Sequence[int], value: float) -> Tensor:
    """f − f with the embedding of some atoms of one graph replaced."""

    def replaced(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        output = output.clone()
        output[list(atoms)] = value
        return output

    arguments = (
        torch.tensor(graph.labels),
        graph.arrows(),
        torch.zeros(len(graph.labels), dtype=torch.int64),
        1,
    )
    with torch.no_grad():
        whole = model(*arguments)
        handle = model.embed.register_forward_hook(replaced)
        try:
            return (whole - model(*arguments))[0, 0]
        finally:
            handle.remove()


@pytest.mark.parametrize("least", [0, 8])
def test_padded_and_ragged_graphs_have_the_same_occlusion(graphs: Any, least: int) -> None:
    ragged, padded = graphs.models()
    one = salience.explain(ragged, graphs.data, graphs.ragged(reduce=("channel",)), Occlusion())
    domain = graphs.padded(reduce=("channel",), least=least)
    other = salience.explain(padded, graphs.data, domain, Occlusion())
    for a, b in zip(one.values, other.values, strict=True):
        close(b, a)


@pytest.mark.parametrize(("window", "stride"), [(2, 1), (3, 2), (2, 2)])
def test_windows_over_padded_items_do_not_depend_on_the_padding(
    graphs: Any, window: int, stride: int
) -> None:
    _, padded = graphs.models()
    calculator = Occlusion({"atom": window}, {"atom": stride})
    together = salience.explain(padded, graphs.data, graphs.padded(), calculator)
    wider = salience.explain(padded, graphs.data, graphs.padded(least=9), calculator)
    for i, graph in enumerate(graphs.data):
        alone = salience.explain(padded, [graph], graphs.padded(), calculator)
        close(together.values[i], alone.values[0])
        close(wider.values[i], alone.values[0])


# --- Several target variables ---------------------------------------------------------------------


class Mixed(nn.Module):
    """f = wᵀ num + Σ over columns of u·embed(cat) + (first number) · (first column's embedding)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 2)
        self.w = nn.Parameter(torch.randn(3))
        self.u = nn.Parameter(torch.randn(2))
        self.double()

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        h = self.embed(cat)
        return num @ self.w + (h @ self.u).sum(1) + num[:, 0] * h[:, 0].sum(1)


MIXED = Tensors(
    {"num": ("item", "feature"), "cat": ("item", "column")},
    inner=("item", "column", "channel"),
    output="value",
)


def mixed() -> tuple[Mixed, dict[str, Tensor], Tensor, Tensor]:
    model = Mixed()
    cat = torch.tensor([[0, 1], [4, 4], [2, 0], [3, 1]])
    num = normal(4, 3)
    return model, {"num": num, "cat": cat}, num, model.embed(cat).detach()


@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
def test_several_target_variables_each_get_their_own_gradient(max_rows: int | str) -> None:
    model, data, num, h = mixed()
    explainer = salience.Explainer(model, MIXED, ["num", "embed"], max_rows=max_rows)
    found = explainer.explain(data)
    w = model.w.detach().repeat(4, 1)
    w[:, 0] += h[:, 0].sum(1)
    u = model.u.detach().repeat(4, 2, 1)
    u[:, 0] += num[:, :1]
    close(found["num"].values, w)
    close(found["embed"].values, u)


@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
def test_completeness_holds_over_several_target_variables_together(max_rows: int | str) -> None:
    model, data, num, h = mixed()
    explainer = salience.Explainer(model, MIXED, ["num", "embed"], max_rows=max_rows)
    base = {"num": 0.5, "embed": torch.tensor([1.0, -1.0])}
    found = explainer.explain(data, IntegratedGradients(2, base))
    # Along the path both the number and the embedding move, so the product's share is half each.
    n0, h0 = torch.full_like(num, 0.5), torch.tensor([1.0, -1.0]).double().expand_as(h)
    w = model.w.detach().repeat(4, 1)
    w[:, 0] += (h + h0)[:, 0].sum(1) / 2
    u = model.u.detach().repeat(4, 2, 1)
    u[:, 0] += (num + n0)[:, :1] / 2
    close(found["num"].values, (num - n0) * w)
    close(found["embed"].values, (h - h0) * u)
    total = found["num"].values.sum(1) + found["embed"].values.sum((1, 2))
    close(total, found.delta)
    close(found.completeness_gap, torch.zeros(4, dtype=torch.float64))


def test_means_over_many_draws_keep_the_digits_of_models_of_low_precision() -> None:
    model = nn.Linear(4, 1, bias=False).bfloat16()
    with torch.no_grad():
        model.weight.fill_(0.25)
    found = salience.explain(
        model, torch.ones(2, 4), Tensors(output="value"), IntegratedGradients(2), max_rows=2,
        samplers=[GaussianNoise(1e-4, "absolute")], n_samples=700,
    )  # fmt: skip
    # A sum of ones in bfloat16 comes to rest at 256.
    torch.testing.assert_close(found.delta.float(), torch.ones(2), rtol=0.01, atol=0)


@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
def test_occlusion_replaces_one_target_variable_and_keeps_the_others(max_rows: int | str) -> None:
    model, data, num, h = mixed()
    explainer = salience.Explainer(model, MIXED, ["num", "embed"], max_rows=max_rows)
    found = explainer.explain(data, Occlusion(value={"num": 0.0, "embed": 1.0}))
    w = model.w.detach().repeat(4, 1)
    w[:, 0] += h[:, 0].sum(1)
    close(found["num"].values, num * w)
    u = model.u.detach().repeat(4, 2, 1)
    u[:, 0] += num[:, :1]
    # One position of the embedding at a time: column and channel both slide.
    close(found["embed"].values, (h - 1) * u)


def test_a_baseline_that_names_other_variables_is_refused() -> None:
    model, data, _, _ = mixed()
    with pytest.raises(InputError, match=r"names the target variables \['num'\]"):
        salience.explain(
            model, data, MIXED, IntegratedGradients(2, {"num": 0.0}), target=["num", "embed"]
        )


# --- Variables inside the model -------------------------------------------------------------------


class Chain(nn.Module):
    """h₁ = W x, h₂ = W h₁, h₃ = W h₂ by one module called three times; f = vᵀ h₃."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(3, 3, bias=False)
        self.v = nn.Parameter(torch.randn(3))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.step(x)
        return x @ self.v


INNER = Tensors(inner=("item", "unit"), output="value")


@pytest.mark.parametrize("call", [0, 1, 2])
@pytest.mark.parametrize("at", ["output", "input"])
def test_each_call_of_a_module_is_a_target_of_its_own(call: int, at: str) -> None:
    model, x = Chain(), normal(4, 3)
    w, v = model.step.weight.detach(), model.v.detach()
    found = salience.explain(model, x, INNER, Gradient(True), target=Target("step", at, call))
    done = call + (at == "output")
    h = x @ torch.linalg.matrix_power(w.T, done)
    gradient = v @ torch.linalg.matrix_power(w, 3 - done)
    close(found.values, h * gradient)
    assert list(found.saliency) == [("step" + ("@input" if at == "input" else "")) + tail(call)]


def tail(call: int) -> str:
    return f"#{call}" if call else ""


def test_a_call_that_never_comes_is_refused() -> None:
    with pytest.raises(InputError, match="its module is called 3 times in a forward pass"):
        salience.explain(Chain(), normal(4, 3), INNER, target=Target("step", call=3))


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


class Parts(nn.Module):
    """Returns two tensors in one of several kinds of holder."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor, *, gain: Tensor) -> Any:
        parts = (x * gain, x.square())
        return {
            "tuple": lambda: parts,
            "list": lambda: list(parts),
            "named": lambda: Pair(*parts),
            "dict": lambda: {"first": parts[0], "second": parts[1]},
        }[self.kind]()


class Holder(nn.Module):
    """f = aᵀ (x · gain) + bᵀ x², put together from what ``parts`` returns."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.parts = Parts(kind)
        self.a, self.b = nn.Parameter(torch.randn(3)), nn.Parameter(torch.randn(3))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        found = self.parts(x, gain=x + 1)
        if isinstance(found, dict):
            found = found["first"], found["second"]
        if self.parts.kind == "named":
            assert isinstance(found, Pair)
        return found[0] @ self.a + found[1] @ self.b


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", ["tuple", "list", "named", "dict"])
def test_one_of_several_outputs_is_picked_by_position_or_key(kind: str, which: int) -> None:
    model, x = Holder(kind), normal(4, 3)
    index = ("first", "second")[which] if kind == "dict" else which
    found = salience.explain(model, x, INNER, Gradient(True), target=Target("parts", index=index))
    held = (x * (x + 1), x.square())[which]
    close(found.values, held * (model.a, model.b)[which].detach())


@pytest.mark.parametrize(("index", "part"), [(0, "position"), ("gain", "keyword")])
def test_the_input_of_a_module_is_found_by_position_or_keyword(index: Any, part: str) -> None:
    model, x = Holder("tuple"), normal(4, 3)
    target = Target("parts", at="input", index=index)
    found = salience.explain(model, x, INNER, target=target)
    a, b = model.a.detach(), model.b.detach()
    # Only what goes in there moves: the other argument stays as the clean input made it.
    expected = a * (x + 1) + 2 * b * x if part == "position" else a * x
    close(found.values, expected)


def test_an_index_that_the_module_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match="has no output 5 at call 0"):
        salience.explain(Holder("tuple"), normal(4, 3), INNER, target=Target("parts", index=5))


def test_integrated_gradients_of_an_inner_variable_start_at_its_own_baseline() -> None:
    model, x = Chain(), normal(4, 3)
    w, v = model.step.weight.detach(), model.v.detach()
    found = salience.explain(model, x, INNER, IntegratedGradients(2, 0.5), target="step")
    close(found.values, (x @ w.T - 0.5) * (v @ w @ w))


def test_a_module_that_works_in_place_leaves_the_target_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 3), Doubled(), nn.Linear(3, 1)).double()
    x = normal(4, 3)
    h, w = model[0](x).detach(), model[2].weight.detach()[0]
    for calculator in (Occlusion(), IntegratedGradients(3), Gradient(True)):
        found = salience.explain(model, x, INNER, calculator, target="0")
        close(found.values, 2 * h * w)


# --- Output variables -----------------------------------------------------------------------------


def test_predicted_is_the_score_of_the_class_that_wins() -> None:
    model, x = nn.Linear(4, 3).double(), normal(9, 4)
    scores = model(x).detach()
    found = salience.explain(model, x, Tensors(), output=Predicted())
    assert scores.argmax(1).unique().numel() > 1
    close(found.score, scores.amax(1))
    close(found.values, model.weight.detach()[scores.argmax(1)])
    close(found.prediction, scores)


@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=3"])
def test_the_predicted_class_stays_that_of_the_clean_item_under_noise(calculator: str) -> None:
    model, x = nn.Linear(4, 3).double(), normal(9, 4)
    explainer = salience.Explainer(model, Tensors())
    draws = explainer.compute(
        x, calculator, samplers=[GaussianNoise(5.0, "absolute")], n_samples=8
    ).values
    w = model.weight.detach()[model(x).argmax(1)]
    if calculator == "gradient":
        close(draws, w.expand(8, 9, 4))
    else:
        # Saliency over weight is the noisy input, whose first draw is that of the plain function.
        noisy = salience.Explainer(lambda x: x.sum(1), Tensors(), output="value").compute(
            x, calculator, samplers=[GaussianNoise(5.0, "absolute")], n_samples=8
        )
        close(draws, noisy.values * w)


@pytest.mark.parametrize("labels", [[0, 2, 1, 1, 0, 2], torch.tensor([2, 2, 2, 0, 0, 1]), None])
@pytest.mark.parametrize("max_rows", [1, 4, "auto"])
def test_gradient_of_cross_entropy_is_probability_minus_one_hot(
    labels: Any, max_rows: int | str
) -> None:
    model, x = nn.Linear(4, 3).double(), normal(6, 4)
    explainer = salience.Explainer(model, Tensors(), output=CrossEntropy(labels), max_rows=max_rows)
    found = explainer.explain(x)
    scores = model(x).detach()
    true = scores.argmax(1) if labels is None else torch.as_tensor(labels)
    off = scores.softmax(1) - nn.functional.one_hot(true, 3)
    close(found.values, off @ model.weight.detach())
    close(found.score, -scores.log_softmax(1)[torch.arange(6), true])


def test_cross_entropy_without_labels_keeps_the_clean_class_under_noise() -> None:
    # With two classes the gradient is a negative multiple of w_class − w_other, for that class.
    model, x = nn.Linear(4, 2).double(), normal(9, 4)
    draws = (
        salience.Explainer(model, Tensors(), output="cross_entropy")
        .compute(x, samplers=["gaussian:scale=3.0,mode=absolute"], n_samples=8)
        .values
    )
    best = model(x).argmax(1)
    direction = (model.weight[best] - model.weight[1 - best]).detach()
    along = (draws * direction).sum(-1) / direction.square().sum(-1)
    assert (along < 0).all()
    close(draws, along[..., None] * direction)
    # Noise of this size does turn over predictions, or the test would say nothing.
    assert (along < -0.5).any()
    assert (along > -0.5).any()


@pytest.mark.parametrize("shape", ["(B,)", "(B, 1)", "(B, K)"])
def test_value_reads_a_regression_output_of_any_shape(shape: str) -> None:
    w = normal(4)

    def model(x: Tensor) -> Tensor:
        out = x.square() @ w
        return {"(B,)": out, "(B, 1)": out[:, None], "(B, K)": torch.stack([0 * out, out], 1)}[
            shape
        ]

    x = normal(5, 4, seed=1)
    output = Value(1) if shape == "(B, K)" else Value()
    found = salience.explain(model, x, Tensors(), output=output)
    close(found.values, 2 * x * w)


def test_a_function_of_the_output_is_an_output_variable() -> None:
    model, x = nn.Linear(4, 3).double(), normal(5, 4)
    found = salience.explain(model, x, Tensors(), output=lambda out: out[:, 2] - out[:, 0])
    w = model.weight.detach()
    close(found.values, (w[2] - w[0]).expand(5, 4))


@pytest.mark.parametrize("call", [0, 1, 2])
def test_tap_reads_one_call_of_an_inner_module(call: int) -> None:
    model, x = Chain(), normal(4, 3)
    w = model.step.weight.detach()
    power = torch.linalg.matrix_power(w, call + 1)
    found = salience.explain(model, x, INNER, output=Tap("step", call))
    close(found.values, power.sum(0).expand(4, 3))
    picked = Tap("step", call, reduce=lambda h: h[:, 1].square())
    found = salience.explain(model, x, INNER, output=picked)
    h = x @ power.T
    close(found.values, 2 * h[:, 1:2] * power[1])


def test_tap_reads_the_module_before_the_next_works_in_place() -> None:
    model = nn.Sequential(nn.Linear(3, 3), Doubled(), nn.Linear(3, 2)).double()
    found = salience.explain(model, normal(4, 3), Tensors(), output=Tap("0"))
    close(found.values, model[0].weight.detach().sum(0).expand(4, 3))


# --- Precision ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "calculator",
    [
        Gradient(),
        Gradient(True),
        IntegratedGradients(4, 0.5),
        IntegratedGradients(4, PerItem(normal(5, 4))),
        IntegratedGradients(4, Mean(np.ones((3, 4)))),
        IntegratedGradients(4, rule="trapezoid"),
        Occlusion(2, value=0.25),
    ],
    ids=repr,
)
def test_saliency_has_the_precision_of_the_model(calculator: Any, dtype: torch.dtype) -> None:
    model = nn.Linear(4, 3).to(dtype)
    found = salience.explain(
        model,
        normal(5, 4).to(dtype),
        Tensors(),
        calculator,
        samplers=["gaussian"],
        n_samples=3,
        output="class:0",
    )
    for tensor in (found.values, found.std_error, found.score, found.delta, found.prediction):
        assert tensor.dtype == dtype


def test_inputs_are_cast_to_the_precision_of_the_model() -> None:
    model = nn.Linear(4, 3).double()
    found = salience.explain(model, np.ones((2, 4), np.float32), Tensors(), output="class:0")
    assert found.values.dtype == torch.float64


# --- SmoothGrad -----------------------------------------------------------------------------------


def smooth(model: Any, x: Tensor, noise: GaussianNoise, aggregator: str = "raw") -> Any:
    explainer = salience.Explainer(model, Tensors(), output="value", max_rows=4096)
    return explainer.explain(x, samplers=[noise], n_samples=64, aggregator=aggregator, seed=5)


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_smoothgrad_of_a_quadratic_model_is_its_gradient_within_the_99_percent_interval(
    mode: str,
) -> None:
    model, x = quadratic(), normal(1000, 4)
    found = smooth(model, x, GaussianNoise(0.3, mode))
    wide = stats.t.ppf(0.995, 63) * found.std_error
    outside = ((found.values - model.gradient(x)).abs() > wide).any(1).sum()
    # Each of the four components leaves its interval for 1 item in 100, the union for 1 to 4.
    assert 2 <= int(outside) <= 60


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_std_error_of_smoothgrad_follows_the_noise(mode: str) -> None:
    # Draws are A (x + σ ε) + b, so (M − 1) s² / (σ² Σ_j A_ij²) is χ² with M − 1 degrees of freedom.
    model, x = quadratic(), normal(1000, 4)
    found = smooth(model, x, GaussianNoise(0.3, mode))
    sigma = 0.3 * (x.amax(1) - x.amin(1) if mode == "relative" else torch.ones(len(x)))
    true = sigma[:, None] * model.a.norm(dim=1)
    ratio = 63 * (found.std_error * math.sqrt(64) / true).square()
    for component in ratio.T.numpy():
        assert stats.kstest(component, stats.chi2(63).cdf).pvalue > 1e-3


def test_squared_smoothgrad_adds_the_variance_of_the_noise() -> None:
    model, x = quadratic(), normal(1000, 4)
    found = smooth(model, x, GaussianNoise(0.3, "absolute"), "square")
    true = model.gradient(x).square() + 0.09 * model.a.square().sum(1)
    z = (found.values - true).mean(0) / (found.std_error.square().mean(0) / 1000).sqrt()
    assert (z.abs() < 4).all()


def test_smoothgrad_of_cubes_is_moved_by_the_variance_of_the_noise() -> None:
    # E[3 (x + σ ε)²] = 3 (x² + σ²): curvature beyond the quadratic shows.
    x = normal(1000, 4)
    found = smooth(lambda x: (x**3).sum(1), x, GaussianNoise(0.5, "absolute"))
    error = (found.values - 3 * (x.square() + 0.25)).mean()
    assert error.abs() < 4 * (found.std_error.square().mean() / 4000).sqrt()
