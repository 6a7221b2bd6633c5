"""Executors: whoever explains the units, the numbers are the same to the last digit."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import Executor, Explanation, InputError, Target, Unit, UnitResult, Worker

# --- Executors of an outside author, by public names alone ----------------------------------------


class Backwards(Executor):
    """Explains the last unit first."""

    n_units = 3

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        return reversed([worker.explain(unit) for unit in reversed(list(units))])


@dataclass
class Processes(Executor):
    """Explains units in a pool of spawned processes, each of which builds a worker of its own.

    Args:
        pool: The pool.
        n_units: Number of units into which the items are cut.
    """

    pool: ProcessPoolExecutor
    n_units: int = 3

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        return self.pool.map(_explain, [worker] * self.n_units, units)


def _explain(worker: Worker, unit: Unit) -> UnitResult:
    return worker.explain(unit)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    # As many threads of torch as here (see conftest), since sums of several are rounded otherwise.
    with ProcessPoolExecutor(
        2, multiprocessing.get_context("spawn"), torch.set_num_threads, (torch.get_num_threads(),)
    ) as made:
        yield made


# --- What is explained ----------------------------------------------------------------------------


class Network(nn.Module):
    """A network with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


class Photos(nn.Module):
    """A convolution with a normalisation that can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.body[1].running_mean.uniform_()
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.drop(self.body(x)).mean((2, 3)))
        return out


class Molecules(nn.Module):
    """Two message steps over bonds, and a sum over the atoms of each molecule."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(119, 6)
        self.message = nn.Linear(6, 6)
        self.out = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        state = self.embed(atoms)
        start, end = edge_index
        for _ in range(2):
            sent = self.message(state)[start]
            state = torch.tanh(state + torch.zeros_like(state).index_add(0, end, sent))
        total = state.new_zeros(int(owner.max()) + 1, 6).index_add(0, owner, state)
        out: Tensor = self.out(total)
        return out


def table() -> tuple[nn.Module, Any, Any, dict[str, Any]]:
    return Network(), torch.randn(11, 4), salience.Tensors(), {}


def inner() -> tuple[nn.Module, Any, Any, dict[str, Any]]:
    return *table()[:3], {"target": Target("body.1", axes=("item", "unit"))}


def tabular() -> tuple[nn.Module, Any, Any, dict[str, Any]]:
    return Network(), torch.randn(11, 4).double().numpy(), "tabular", {"output": "class:0"}


def vision() -> tuple[nn.Module, Any, Any, dict[str, Any]]:
    photos = (torch.rand(5, 8, 6, 3) * 255).to(torch.uint8).numpy()
    return Photos(), list(photos), "vision", {"output": "class:1"}


def molecules() -> tuple[nn.Module, Any, Any, dict[str, Any]]:
    smiles = ["CCO", "c1ccccc1O", "CC(=O)O", "CN", "CCCCCl", "C#N", "OCC"]
    return Molecules(), smiles, "molgraph", {"target": "embed", "output": "value"}


class Spectrum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv1d(2, 4, 3), nn.Tanh(), nn.Dropout(0.3)),
            *(nn.Flatten(), nn.Linear(4 * 8, 2)),
        )

    def forward(self, intensity: Tensor) -> Tensor:
        out: Tensor = self.body(intensity)
        return out


def spectra() -> tuple[nn.Module, Any, Any, dict[str, Any]]:
    return Spectrum(), torch.rand(7, 2, 10), "spectra", {"output": "class:1"}


KINDS = {
    "table": table,
    "inner": inner,
    "tabular": tabular,
    "vision": vision,
    "molgraph": molecules,
    "spectra": spectra,
}
CALCULATORS: dict[str, Any] = {
    "gradient": "gradient",
    "integrated_gradients": "integrated_gradients:steps=5",
    "occlusion": "occlusion",
}
SAMPLERS: dict[str, Any] = {
    "nothing": ([], 1),
    "noise": (["gaussian", "uniform"], 3),
    "pairs": (["gaussian:antithetic=true"], 4),
    "dropout": (["mc_dropout"], 3),
    "dropout and noise": (["mc_dropout", "gaussian"], (2, 2)),
    "weights": (["weight_noise", "gaussian"], 3),
    "ensemble": ([], 3),
    "swag": ([], 3),
    "posterior": ([], 3),
    "until": (["gaussian"], salience.Until(0.3, 4, 9)),
}


class Scaled:
    """A posterior that scales all the weights of a model by a random number."""

    def __init__(self, model: nn.Module) -> None:
        self.state = {name: value.clone() for name, value in model.state_dict().items()}

    def sample(self) -> dict[str, Tensor]:
        factor = 1 + 0.1 * torch.randn(())
        return {n: v * factor if v.is_floating_point() else v for n, v in self.state.items()}


def of_weights(model: nn.Module) -> dict[str, Any]:
    """Samplers that hold weights of the model, or other models."""
    states = [Scaled(model).sample() for _ in range(3)]
    return {
        "ensemble": salience.Ensemble(states),
        "swag": salience.SWAG(states),
        "posterior": salience.Posterior(Scaled(model)),
    }


def same(one: Explanation, other: Explanation) -> None:
    for f in fields(Explanation):
        mine, its = getattr(one, f.name), getattr(other, f.name)
        if f.name == "saliency":
            for name, saliency in mine.items():
                for field in ("flat", "flat_error"):
                    a, b = getattr(saliency, field), getattr(its[name], field)
                    torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
        elif isinstance(mine, Tensor):
            torch.testing.assert_close(mine, its, rtol=0, atol=0, equal_nan=True)
        elif f.name in ("ids", "design"):
            assert mine == its


@pytest.mark.parametrize("samplers", SAMPLERS)
@pytest.mark.parametrize("calculator", CALCULATORS)
@pytest.mark.parametrize("kind", KINDS)
def test_processes_give_the_serial_numbers_exactly(
    kind: str, calculator: str, samplers: str, pool: ProcessPoolExecutor
) -> None:
    torch.manual_seed(3)
    model, data, domain, settings = KINDS[kind]()
    drawn, n_samples = SAMPLERS[samplers]
    if samplers in ("ensemble", "swag", "posterior"):
        drawn = [of_weights(model)[samplers]]
    rows = {"molgraph": 40, "vision": 2}.get(kind, 4)
    # Photos have a side of 224 pixels.
    by_photo = (kind, calculator) == ("vision", "occlusion")
    method = "occlusion:window=112" if by_photo else CALCULATORS[calculator]

    def explained(executor: Executor) -> Explanation:
        explainer = salience.Explainer(model, domain, max_rows=rows, executor=executor, **settings)
        return explainer.explain(data, method, drawn, n_samples)

    serial = explained(salience.Serial())
    for other in (Backwards(), Processes(pool), salience.Threads((None, None))):
        same(serial, explained(other))


@pytest.mark.parametrize("executor", ["backwards", "processes"])
def test_draws_that_are_kept_and_streams_go_the_same_way(
    executor: str, pool: ProcessPoolExecutor
) -> None:
    model, data, domain, _ = table()
    by: Executor = Backwards() if executor == "backwards" else Processes(pool)
    plain = salience.Explainer(model, domain, max_rows=4)
    other = salience.Explainer(model, domain, max_rows=4, executor=by)
    settings: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 3}
    one, two = plain.compute(data, **settings), other.compute(data, **settings)
    torch.testing.assert_close(one.values, two.values, rtol=0, atol=0)
    chunks = torch.split(data, 4)
    streamed = list(other.stream(chunks, **settings))
    for mine, its in zip(plain.stream(chunks, **settings), streamed, strict=True):
        same(mine, its)


def test_what_does_not_pickle_is_named(pool: ProcessPoolExecutor) -> None:
    executor = Processes(pool)
    with pytest.raises(InputError, match="the model cannot be sent to another process"):
        salience.explain(
            lambda x: x.sum(1), torch.ones(4, 2), "tensor", output="value", executor=executor
        )
    with pytest.raises(InputError, match="the output cannot be sent to another process"):
        salience.explain(
            Network(), torch.ones(4, 4), "tensor", output=lambda out: out[:, 0], executor=executor
        )


# --- What comes of a call in another process ------------------------------------------------------


class UnpicklableError(Exception):
    """An error that can be pickled, but not be made again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raising(error: BaseException) -> None:
    raise error


def test_a_result_of_another_process_is_what_it_was() -> None:
    assert salience.result_of(salience.outcome_of(divmod, 7, 2)) == (3, 1)
    assert salience.result_of(salience.outcome_of(lambda: None)) is None


@pytest.mark.parametrize("error", [ValueError("wrong"), InputError("a"), KeyboardInterrupt(3)])
def test_an_error_of_another_process_tells_where_it_arose(error: BaseException) -> None:
    with pytest.raises(type(error), match=str(error)) as caught:
        salience.result_of(salience.outcome_of(raising, error))
    assert "in raising" in str(caught.value.__cause__)


@pytest.mark.parametrize("call", [lambda: raising(UnpicklableError(1, 2)), lambda: lambda: 0])
def test_what_does_not_pickle_arrives_as_an_error_with_its_words(call: Any) -> None:
    with pytest.raises(Exception, match=r"1 and 2|pickle") as caught:
        salience.result_of(salience.outcome_of(call))
    assert caught.value.__cause__ is not None


class Fails(nn.Linear):
    """Fails at large values, which preflight does not see."""

    def forward(self, x: Tensor) -> Tensor:
        if bool((x > 40).any()):
            raise ValueError("too large")
        return super().forward(x)


def test_an_error_in_the_pool_shows_its_line() -> None:
    x = torch.randn(9, 4)
    x[6, 0] = 50
    settings: Any = {"executor": "pool:processes=1", "max_rows": 2, "output": "value"}
    explainer = salience.Explainer(Fails(4, 1), "tensor", **settings)
    with pytest.raises(ValueError, match="too large") as caught:
        explainer.explain(x)
    assert 'raise ValueError("too large")' in str(caught.value.__cause__)
