"""No forward pass exceeds the budget, and running out of memory costs nothing but time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

import salience
from salience import InputError, IntegratedGradients, Mean, Occlusion, PerItem, Raw, Tensors
from salience.aggregators.moments import Moments
from salience.scoring.budget import Budget

SAMPLERS: list[list[str]] = [[], ["gaussian"], ["mc_dropout"], ["gaussian", "mc_dropout"]]


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        yield


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3)).double()


DATA = torch.linspace(-1, 2, 11 * 4).reshape(11, 4).double()


def calculators(n: int) -> dict[str, Any]:
    """Calculators whose passes pile up path points, windows and baselines."""
    return {
        "gradient": "gradient",
        "integrated gradients": IntegratedGradients(7, PerItem(torch.zeros(n, 1))),
        "integrated gradients from a mean": IntegratedGradients(7, Mean(DATA)),
        "occlusion": Occlusion(2, 1),
    }


# --- The largest pass -----------------------------------------------------------------------------


@pytest.mark.parametrize("samplers", SAMPLERS, ids="+".join)
@pytest.mark.parametrize("kind", calculators(11))
@pytest.mark.parametrize("max_rows", [1, 2, 5, 16, 40])
def test_no_pass_holds_more_than_max_rows(
    kind: str, samplers: Sequence[str], max_rows: int
) -> None:
    sizes: list[int] = []
    model = mlp()
    # A hook of the user's own, which counts what the model is given.
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    explainer = salience.Explainer(model, Tensors(), max_rows=max_rows)
    explainer.explain(
        DATA, calculators(11)[kind], samplers=samplers, n_samples=6 if samplers else 1
    )
    assert max(sizes) <= max_rows
    # The budget is used, too: what there is to run is packed until no further copy of it fits.
    assert max(sizes) > max_rows / 2 or (kind == "gradient" and not samplers)


@pytest.mark.parametrize("samplers", SAMPLERS, ids="+".join)
@pytest.mark.parametrize(
    "calculator", [IntegratedGradients(5), Occlusion()], ids=["ig", "occlusion"]
)
@pytest.mark.parametrize("max_rows", [1, 3, 8])
def test_no_pass_holds_more_where_several_variables_are_explained(
    calculator: Any, samplers: Sequence[str], max_rows: int, watched: Any
) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.dropout = nn.Dropout(0.3)
            self.double()

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a.sum(1).sin() + self.dropout(self.embed(b)).sum((1, 2)).cos()

    sizes: list[int] = []
    domain = Tensors(
        {"a": ("item", "feature"), "b": ("item", "column")}, inner=("item", "column", "channel")
    )
    explainer = salience.Explainer(
        watched(Two(), sizes), domain, ["a", "model.embed"], output="value", max_rows=max_rows
    )
    data = {"a": DATA, "b": torch.arange(22).reshape(11, 2) % 5}
    explainer.explain(data, calculator, samplers=samplers, n_samples=4 if samplers else 1)
    assert max(sizes) == max_rows


@pytest.mark.parametrize("samplers", SAMPLERS, ids="+".join)
@pytest.mark.parametrize("calculator", ["gradient", IntegratedGradients(5), Occlusion()])
@pytest.mark.parametrize("max_rows", [5, 6, 11, 30])
def test_passes_over_graphs_are_counted_in_elements(
    graphs: Any, watched: Any, calculator: Any, samplers: Sequence[str], max_rows: int
) -> None:
    sizes: list[int] = []
    model = watched(graphs.models(p=0.3)[0], sizes)
    explainer = salience.Explainer(model, graphs.ragged(target="model.embed"), max_rows=max_rows)
    explainer.explain(graphs.data, calculator, samplers=samplers, n_samples=6 if samplers else 1)
    assert max(sizes) <= max_rows
    assert max(sizes) > max_rows - 5 or (calculator == "gradient" and not samplers)


@pytest.mark.parametrize(
    ("calculator", "samplers", "passes"),
    [
        # A row alone and two in another order are what each first pass is compared with, and
        # two rows alone what a prediction is that is no pass of the gradient.
        ("gradient", [], [11, 1, 2]),  # the pass that predicts
        ("gradient", ["gaussian"], [11, 1, 1, 11, 1, 2]),
        (
            IntegratedGradients(7),
            [],
            [11, 1, 1, 77, 1, 2, 11],
        ),  # the prediction, the path, f(baseline)
        (Occlusion(2, 1), [], [11, 1, 1, 33, 1, 2]),  # f(x) is known
    ],
    ids=["gradient", "smoothgrad", "integrated gradients", "occlusion"],
)
def test_the_pass_that_predicts_serves_for_more(
    calculator: Any, samplers: list[str], passes: list[int]
) -> None:
    sizes: list[int] = []
    model = mlp()
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    salience.explain(model, DATA, Tensors(), calculator, samplers=samplers, max_rows=100)
    assert sizes == passes


def test_the_number_of_passes_does_not_grow_when_draws_and_path_points_fill_them() -> None:
    # 11 items × 6 draws × 7 path points = 462 rows of gradients; values at the ends 66 and 11.
    sizes: list[int] = []
    model = mlp()
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    explainer = salience.Explainer(model, Tensors(), max_rows=66)
    explainer.explain(DATA, IntegratedGradients(7), samplers=["gaussian"], n_samples=6)
    assert sizes == [11, 1, 1, 66, 1, 2, *[66] * 6, 66, 11]


def test_an_item_that_no_pass_can_hold_is_refused_before_computing(
    graphs: Any, watched: Any
) -> None:
    sizes: list[int] = []
    model = watched(graphs.models()[0], sizes)
    explainer = salience.Explainer(model, graphs.ragged(target="model.embed"), max_rows=4)
    message = "item 2 has 5 elements, more than max_rows=4 allows in one forward pass"
    with pytest.raises(InputError, match=message):
        explainer.explain(graphs.data)
    assert not sizes


@pytest.mark.parametrize("max_rows", [0, -3, 2.5, "many", None, True])
def test_a_budget_that_is_no_number_is_refused(max_rows: Any) -> None:
    with pytest.raises(InputError, match="pass 'auto' or a whole number from 1"):
        salience.Explainer(mlp(), Tensors(), max_rows=max_rows)


# --- Memory ---------------------------------------------------------------------------------------


def cpu_error(message: str) -> Exception:
    """What the CPU allocator raises."""
    return RuntimeError(f"DefaultCPUAllocator: can't allocate memory: {message}")


@pytest.mark.parametrize("samplers", SAMPLERS, ids="+".join)
@pytest.mark.parametrize("kind", calculators(11))
@pytest.mark.parametrize(
    ("max_rows", "error"),
    [(16, torch.OutOfMemoryError), (50, cpu_error), ("auto", torch.OutOfMemoryError)],
)
def test_running_out_of_memory_halves_the_passes_and_loses_nothing(
    watched: Any,
    kind: str,
    samplers: Sequence[str],
    max_rows: int | str,
    error: Callable[[str], Exception],
) -> None:
    model, sizes = mlp(), []
    calculator = calculators(11)[kind]
    settings: dict[str, Any] = {"samplers": samplers, "n_samples": 6 if samplers else 1}
    expected = salience.Explainer(model, Tensors(), max_rows=3).explain(
        DATA, calculator, **settings
    )
    tight = watched(model, sizes, most=5, error=error)
    found = salience.Explainer(tight, Tensors(), max_rows=max_rows).explain(
        DATA, calculator, **settings
    )
    assert max(sizes) > 5  # memory did run out
    for name in ("values", "std_error", "score", "delta", "completeness_gap", "prediction"):
        torch.testing.assert_close(
            getattr(found, name), getattr(expected, name), rtol=1e-12, atol=1e-12, equal_nan=True
        )


def test_after_running_out_of_memory_passes_stay_small(watched: Any) -> None:
    sizes: list[int] = []
    model = watched(mlp(), sizes, most=5)
    explainer = salience.Explainer(model, Tensors(), max_rows=16)
    explainer.explain(DATA, IntegratedGradients(7), samplers=["gaussian"], n_samples=20)
    failed = [i for i, size in enumerate(sizes) if size > 5]
    # 11, then 8, then nothing that does not fit: what is learnt is not forgotten.
    assert [sizes[i] for i in failed] == [11, 8]
    assert max(failed) < 3
    assert set(sizes[5:-5]) <= {1, 2, 3, 4}


def test_memory_may_run_out_in_the_backward_pass() -> None:
    class Heavy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            if len(gradient) > 3:
                raise torch.OutOfMemoryError("out of memory")
            return gradient

    model = mlp().eval()
    found = salience.explain(lambda x: model(Heavy.apply(x)), DATA, Tensors(), max_rows=16)
    torch.testing.assert_close(found.values, salience.explain(model, DATA, Tensors()).values)


def test_graphs_run_out_of_memory_and_go_on(graphs: Any, watched: Any) -> None:
    ragged, _ = graphs.models(p=0.3)
    settings: dict[str, Any] = {"samplers": ["gaussian", "mc_dropout"], "n_samples": 6}
    expected = salience.Explainer(ragged, graphs.ragged(), max_rows=5).explain(
        graphs.data, IntegratedGradients(5), **settings
    )
    sizes: list[int] = []
    explainer = salience.Explainer(
        watched(ragged, sizes, most=7), graphs.ragged(target="model.embed"), max_rows=60
    )
    found = explainer.explain(graphs.data, IntegratedGradients(5), **settings)
    assert max(sizes) > 7
    for a, b in zip(found.values, expected.values, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("calculator", ["gradient", IntegratedGradients(3), Occlusion()])
def test_a_single_item_that_does_not_fit_is_named_as_such(watched: Any, calculator: Any) -> None:
    model = watched(mlp(), [], most=0)
    with pytest.raises(InputError, match="a single item of size 1 does not fit into memory"):
        salience.explain(model, DATA, Tensors(), calculator)


def test_other_errors_of_the_model_are_not_taken_for_want_of_memory(watched: Any) -> None:
    sizes: list[int] = []
    model = watched(mlp(), sizes, most=5, error=RuntimeError)
    with pytest.warns(salience.Notice, match="each row runs in a pass of its own"):
        salience.explain(model, DATA, Tensors(), max_rows=16)
    assert sizes[0] == 11
    assert sizes[-11:] == [1] * 11


# --- "auto" ---------------------------------------------------------------------------------------


def searched(throughput: Callable[[int], float], passes: int = 200) -> tuple[int, list[int]]:
    """Where the search ends if a pass of n rows takes n / throughput(n) seconds, and its sizes."""
    budget, sizes = Budget("auto"), []
    for _ in range(passes):
        sizes.append(budget.current)
        budget.record("gradient", budget.current, budget.current / throughput(budget.current))
    return budget.current, sizes


@pytest.mark.parametrize("best", [16, 64, 256])
def test_auto_doubles_while_throughput_grows_and_stays_at_the_best(best: int) -> None:
    # Throughput grows with the rows up to `best`, and not beyond; passes take 0.05 s up to there.
    end, sizes = searched(lambda n: 20 * min(n, best))
    assert end == best
    assert max(sizes) == 2 * best
    assert set(sizes[-50:]) == {best}


def test_auto_stays_small_where_larger_passes_are_slower() -> None:
    end, _ = searched(lambda n: 1 / n)
    assert end == 8


def test_auto_does_not_spend_memory_on_passes_that_are_long_already() -> None:
    end, sizes = searched(lambda n: 50 * n**0.5)
    assert end / (50 * end**0.5) > 0.1
    assert end // 2 / (50 * (end // 2) ** 0.5) < 0.1
    assert max(sizes) == end


def test_auto_looks_between_where_a_long_step_went_past_the_fastest() -> None:
    # Passes of 8 rows take 4 ms, so that the next step goes far, to where rows are half as fast.
    def throughput(n: int) -> float:
        return 4000.0 if 16 <= n <= 64 else 2000.0

    end, tried = searched(throughput)
    assert max(tried) > 64
    assert 16 <= end <= 64


def test_auto_does_not_grow_without_bound() -> None:
    end, _ = searched(lambda n: n * 1e3)
    assert end == 2**16


def test_auto_does_not_grow_after_running_out_of_memory() -> None:
    budget = Budget("auto")
    budget.record("gradient", 8, 1e-4)
    before = budget.current
    assert before > 8
    budget.halve()
    for _ in range(10):
        budget.record("gradient", budget.current, 1e-4)
    assert budget.current == before // 2


@pytest.mark.parametrize("max_rows", [1, 12])
def test_a_budget_that_is_given_does_not_move_but_for_memory(max_rows: int) -> None:
    budget = Budget(max_rows)
    for _ in range(10):
        budget.record("gradient", max_rows, 1e-4)
    assert budget.current == max_rows
    budget.halve()
    assert budget.current == max(1, max_rows // 2)


def test_auto_packs_several_graphs_into_the_first_passes(graphs: Any, watched: Any) -> None:
    # Graphs of 23 atoms would each be alone if the search began with 8 atoms.
    chain = graphs.graph((1,) * 23, tuple((i, i + 1) for i in range(22)))
    sizes: list[int] = []
    explainer = salience.Explainer(
        watched(graphs.models()[0], sizes), graphs.ragged(target="model.embed")
    )
    explainer.explain([chain] * 40)
    # The pass that predicts gives the gradient as well; the first is compared with three rows.
    assert sizes[1:3] == [23, 46]
    assert sum(sizes) == (40 + 3) * 23
    assert min(sizes[:1] + sizes[3:]) >= 4 * 23


def test_auto_fills_larger_passes_as_it_goes() -> None:
    sizes: list[int] = []
    model = mlp()
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    salience.explain(model, DATA, Tensors(), samplers=["gaussian"], n_samples=500)
    assert max(sizes) > 64


# --- Moments --------------------------------------------------------------------------------------


def moments(draws: Tensor) -> Moments:
    """Moments of draws that came one by one."""
    made = Moments.none().add(draws[0])
    for draw in draws[1:]:
        made = made.add(draw)
    return made


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(blocks=st.lists(st.integers(1, 7), min_size=1, max_size=6), seed=st.integers(0, 999))
def test_moments_of_any_blocks_are_those_of_all_draws(blocks: list[int], seed: int) -> None:
    draws = np.random.default_rng(seed).normal(3, 2, (sum(blocks), 2, 3))
    parts = [moments(part) for part in torch.from_numpy(draws).split(blocks)]
    # As a chain and as a tree, as parts come in order or from workers.
    chain = parts[0]
    for part in parts[1:]:
        chain = chain.merge(part)
    while len(parts) > 1:
        pairs = [a.merge(b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + ([parts[-1]] if len(parts) % 2 else [])
    for made in (chain, parts[0]):
        assert made.count == len(draws)
        np.testing.assert_allclose(made.mean, draws.mean(0), rtol=1e-12)
        if len(draws) > 1:
            np.testing.assert_allclose(made.variance(), draws.var(0, ddof=1), rtol=1e-11)
            error = draws.std(0, ddof=1) / len(draws) ** 0.5
            np.testing.assert_allclose(made.std_error(), error, rtol=1e-11)
        else:
            assert made.std_error().isnan().all()


@pytest.mark.parametrize("block", [1, 2, 3, 50, 1000])
@pytest.mark.parametrize("spread", [0.0, 1e-3, 1.0])
def test_variance_near_1e4_in_single_precision_is_right_and_never_negative(
    block: int, spread: float
) -> None:
    # The difference of mean square and squared mean would lose all its digits here.
    generator = np.random.default_rng(1)
    draws = torch.from_numpy(1e4 + spread * generator.standard_normal((1000, 200))).float()
    total: Moments | None = None
    for part in draws.split(block):
        made = moments(part)
        total = made if total is None else total.merge(made)
    assert total is not None
    variance = total.variance()
    assert (variance >= 0).all()
    torch.testing.assert_close(variance, draws.double().var(0), rtol=1e-8, atol=0)
    torch.testing.assert_close(total.mean, draws.double().mean(0), rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_many_draws_of_low_precision_keep_the_precision_of_one(dtype: torch.dtype) -> None:
    # Kept in bfloat16, the mean of 2000 draws would have stood still after some hundred.
    draws = (torch.arange(2000) % 5 + 1).to(dtype)[:, None, None]
    raw = Raw()
    mean, error = raw.finalize(raw.update(raw.init(), draws, ()))
    assert mean.dtype == error.dtype == dtype
    assert mean.item() == pytest.approx(3, rel=1e-14)
    assert error.item() == pytest.approx(
        (2 * 2000 / 1999 / 2000) ** 0.5, rel=2 * torch.finfo(dtype).eps
    )


def test_adding_and_merging_leave_the_parts_as_they_are() -> None:
    one, other = moments(torch.rand(3, 2)), moments(torch.rand(4, 2))
    parts = (one.mean, one.squares, other.mean, other.squares)
    before = [part.clone() for part in parts]
    one.merge(other)
    one.add(torch.rand(2))
    assert all(torch.equal(a, b) for a, b in zip(before, parts, strict=True))


def test_aggregators_merge_as_if_all_draws_had_come_at_once() -> None:
    draws = torch.rand(9, 4, 3).double()
    raw = Raw()
    whole = raw.finalize(raw.update(raw.init(), draws, (2,)))
    one = raw.update(raw.update(raw.init(), draws[:2], (2,)), draws[2:5], (2,))
    other = raw.update(raw.init(), draws[5:], (2,))
    for a, b in zip(raw.finalize(raw.merge(one, other)), whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    # In the same order the packing into blocks does not show at all.
    packed = raw.update(raw.update(raw.init(), draws[:4], (2,)), draws[4:], (2,))
    for a, b in zip(raw.finalize(packed), whole, strict=True):
        assert torch.equal(a, b)
