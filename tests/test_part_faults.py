"""A fault inside a part, at any stage, names the part, where it is from, and the broken promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import (
    Aggregator,
    Attribution,
    Calculator,
    Executor,
    InputError,
    NoiseSampler,
    ParameterSampler,
    Tensors,
    Visualizer,
    WeightSampler,
)
from salience.plugins import host
from tests.distributions import distribution, hook, python

ROWS = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
MODEL = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Linear(3, 2))
#: What a method does in place of its work: it returns what this makes of the right answer.
Change = Callable[[Any], Any]


def raising(_: Any) -> Any:
    return {}["missing"]


@dataclass(frozen=True)
class Student(NoiseSampler):
    change: Any = None

    def __call__(self, x: Tensor, draw: Any) -> Tensor:
        return self.change(x + 1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Lesson(Calculator):
    change: Any = None

    def __call__(self, score: Any, x: Any) -> Attribution:
        value, gradient = score.gradient(x)
        return self.change(Attribution(gradient, value))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Settling(salience.Gradient):
    change: Any = None

    def settle(self, clean: Any) -> Calculator:
        return self.change(self)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Typical(Aggregator):
    change: Any = None

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        return self.change(super().finalize(state))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Doubled(Aggregator):
    change: Any = None

    def transform(self, draws: Tensor) -> Tensor:
        return self.change(draws)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Loose(ParameterSampler):
    change: Any = None

    def prepare(self, draw: Any, forward: Any) -> ParameterSampler:
        return self.change(self)  # type: ignore[no-any-return]

    @contextmanager
    def active(self, draw: Any) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class Shaky(WeightSampler):
    change: Any = None

    def draw(self, state: Any, draw: Any) -> Any:
        return self.change({"0.bias": state["0.bias"] + 1})


@dataclass(frozen=True)
class Columns(Tensors):
    """A domain of the test's, whose methods answer wrongly by their names."""

    method: str = ""
    change: Any = None

    def _answer(self, method: str, answer: Any) -> Any:
        return self.change(answer) if method == self.method else answer

    @property
    def layout(self) -> Any:
        return self._answer("layout", super().layout)

    def read(self, data: Any) -> Any:
        return self._answer("read", super().read(data))

    def ids(self, samples: Any) -> Any:
        return self._answer("ids", None)

    def fitted(self, samples: Any) -> Any:
        return self._answer("fitted", self)

    def collate(self, samples: Any) -> Any:
        return self._answer("collate", super().collate(samples))

    def arguments(self, values: Any) -> Any:
        return self._answer("arguments", super().arguments(values))

    def by_item(self, output: Any, values: Any) -> Any:
        return self._answer("by_item", output)

    def dataset_info(self, samples: Any) -> Any:
        return self._answer("dataset_info", {})

    def join(self, saliency: Any, dataset_info: Any) -> Any:
        return self._answer("join", saliency)

    def default_target(self, model: Any) -> Any:
        return self._answer("default_target", "input")


class Lazy(Executor):
    n_units = 3

    def __init__(self, change: Change) -> None:
        self.change = change

    def run(self, worker: Any, units: Any) -> Any:
        return self.change([worker.explain(unit) for unit in units])


def with_saliency(change: Change) -> Change:
    return lambda made: replace(made, saliency={n: change(v) for n, v in made.saliency.items()})


#: Arguments of ``explain`` → words of the sentence.
BROKEN: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "noise raises": (
        {"samplers": [Student(raising)]},
        (
            "sampler 'Student' of the module tests.test_part_faults raised KeyError",
            "Student.",
        ),
    ),
    "noise of a shape": (
        {"samplers": [Student(lambda x: x[:, :3])]},
        ("sampler 'Student'", "returned shape (6, 3), expected (6, 4); mend Student.__call__"),
    ),
    "noise of a dtype": ({"samplers": [Student(Tensor.double)]}, ("torch.float64, expected",)),
    "noise of a type": ({"samplers": [Student(Tensor.numpy)]}, ("ndarray of shape", "a tensor")),
    "noise of NaN": ({"samplers": [Student(lambda x: x / 0 * 0)]}, ("with NaN or infinity",)),
    "dropout raises": ({"samplers": [Loose(raising)]}, ("sampler 'Loose'", "KeyError", "prepare")),
    "dropout is none": ({"samplers": [Loose(lambda _: None)]}, ("returned None", "takes part")),
    "weights raise": ({"samplers": [Shaky(raising)]}, ("sampler 'Shaky'", "KeyError", "draw")),
    "weights of a type": ({"samplers": [Shaky(list)]}, ("returned ['0.bias']", "a mapping")),
    "weights of a shape": (
        {"samplers": [Shaky(lambda w: {n: v[:2] for n, v in w.items()})]},
        ("returned '0.bias' of shape (2,), expected (3,)",),
    ),
    "saliency raises": ({"calculator": Lesson(raising)}, ("calculator 'Lesson'", "KeyError")),
    "saliency of a type": ({"calculator": Lesson(lambda a: a.score)}, ("salience.Attribution",)),
    "saliency of nothing": (
        {"calculator": Lesson(lambda a: replace(a, saliency={}))},
        ("saliency of [], expected of ['input']",),
    ),
    "saliency of a shape": (
        {"calculator": Lesson(with_saliency(lambda v: v[:, :3]))},
        ("returned saliency of 'input' of shape (3, 3), expected (3, 4)",),
    ),
    "saliency without an axis": (
        {"calculator": Lesson(with_saliency(lambda v: v.sum(1)))},
        ("saliency of 'input' of shape (3,), expected (3, 4)",),
    ),
    "saliency of integers": (
        {"calculator": Lesson(with_saliency(Tensor.long))},
        ("torch.int64", "floating-point numbers"),
    ),
    "saliency of NaN": (
        {"calculator": Lesson(with_saliency(lambda v: v / 0 * 0))},
        ("the saliency for 'input' by the calculator 'Lesson'", "item 0", "NaN"),
    ),
    "a score of a shape": (
        {"calculator": Lesson(lambda a: replace(a, score=a.score.sum()))},
        ("returned score of shape (), expected (3,)",),
    ),
    "settling": (
        {"calculator": Settling(change=lambda _: 3), "samplers": ["gaussian"]},
        ("calculator 'Settling'", "returned 3, expected a salience.Calculator", "settle"),
    ),
    "an aggregate raises": ({"aggregator": Typical(raising)}, ("aggregator 'Typical'", "KeyError")),
    "an aggregate of a type": (
        {"aggregator": Typical(lambda pair: pair[0])},
        ("returned Tensor of shape (3, 4), expected a pair, values and standard errors",),
    ),
    "an aggregate of NaN": (
        {"aggregator": Typical(lambda pair: (pair[0] / 0 * 0, pair[1]))},
        ("returned values with NaN or infinity",),
    ),
    "errors of a shape": (
        {"aggregator": Typical(lambda pair: (pair[0], pair[1][:2]))},
        ("errors of shape (2, 4), expected that of the values, (3, 4)",),
    ),
    "a transform raises": ({"aggregator": Doubled(raising)}, ("aggregator 'Doubled'", "KeyError")),
    "a unit is lost": ({"executor": Lazy(lambda r: r[:-1])}, ("executor 'Lazy'", "fewer results")),
    "units change places": ({"executor": Lazy(lambda r: r[::-1])}, ("in another order",)),
    "results of a type": ({"executor": Lazy(lambda r: [*r[:-1], 3])}, ("returned 3",)),
    "an executor raises": ({"executor": Lazy(raising)}, ("executor 'Lazy'", "KeyError", "run")),
}
for method, change, words in (
    ("layout", lambda layout: lambda: layout, "expected a salience.Layout, as a property"),
    ("fitted", lambda _: None, "returned None, expected a domain"),
    ("read", iter, "a sequence of samples"),
    ("ids", lambda _: ["a"], "returned 1 names, expected 3, one an item"),
    ("collate", lambda batch: batch.arguments, "expected a salience.Batch"),
    ("collate", lambda batch: replace(batch, annotations=({},)), "1 annotations, expected 3"),
    ("collate", lambda batch: batch.select(torch.arange(2)).batch(), "2 items, expected 3"),
    ("arguments", lambda found: found[0], "arguments by position and by name"),
    ("dataset_info", lambda _: [], "returned [], expected a mapping"),
    ("join", lambda found: list(found), "expected a mapping"),
    ("join", lambda found: {n: v[:1] for n, v in found.items()}, "along its first axis"),
):
    said = ("domain 'Columns'", words, f"Columns.{method}")
    BROKEN[f"domain: {method}, {words}"] = ({"domain": Columns(method=method, change=change)}, said)
RAISING = (
    "layout",
    "read",
    "ids",
    "fitted",
    "collate",
    "arguments",
    "by_item",
    "dataset_info",
    "join",
)
for method in RAISING:
    said = (
        "domain 'Columns'",
        "raised KeyError: 'missing'",
        "Columns.",
        "test_part_faults.py, line",
    )
    BROKEN[f"domain: {method} raises"] = ({"domain": Columns(method=method, change=raising)}, said)
BROKEN["domain: default_target raises"] = (
    {"domain": Columns(method="default_target", change=raising)},
    ("domain 'Columns'", "Columns.default_target"),
)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_promise_names_the_part_and_where_it_is_from(case: str) -> None:
    arguments, words = BROKEN[case]
    settings = {"domain": Tensors(), "max_rows": 12} | arguments
    if "samplers" in settings or "aggregator" in settings:
        settings = {"samplers": ["gaussian"], "n_samples": 2} | settings
    if "executor" in settings:
        settings["max_rows"] = 1
    with pytest.raises(InputError) as caught:
        salience.explain(MODEL, ROWS, **settings)
    text = str(caught.value)
    assert len(text) <= 300 and "\n" not in text
    assert "of the module tests.test_part_faults" in text
    for said in words:
        assert said in text, text
    if "raises" in case:
        assert isinstance(caught.value.__cause__, KeyError)


class Nameless(Tensors):
    """A domain whose author forgot the name of a visualizer."""

    def __getattribute__(self, name: str) -> Any:
        if name == "visualizer":
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_a_domain_that_names_no_visualizer_is_told_as_that() -> None:
    made = salience.explain(MODEL, ROWS, Nameless())
    with pytest.raises(InputError, match="Nameless has no visualizer of its own; pass visualizer="):
        made.visualize(0)


# --- What is raised as it is ----------------------------------------------------------------------


class OwnError(Exception):
    """An error of the author's own."""


def own(_: Any) -> Any:
    raise OwnError("mine")


def test_an_error_of_the_authors_own_class_is_raised_as_it_is_with_a_note() -> None:
    with pytest.raises(OwnError) as caught:
        salience.explain(MODEL, ROWS, Tensors(), Lesson(own))
    (note,) = caught.value.__notes__
    assert "calculator 'Lesson' of the module tests.test_part_faults" in note


def test_an_error_of_the_model_is_not_that_of_the_part_that_called_it() -> None:
    class Failing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.requires_grad:
                raise OwnError("mine")
            return x.sum(1)

    with pytest.raises(OwnError) as caught:
        salience.explain(Failing(), ROWS, Tensors(), Lesson(lambda made: made), output="value")
    assert not hasattr(caught.value, "__notes__")


def test_a_sentence_of_a_part_is_told_as_it_is() -> None:
    def refuse(_: Any) -> Any:
        raise InputError("too few columns; pass more")

    with pytest.raises(InputError, match=r"^too few columns; pass more$"):
        salience.explain(MODEL, ROWS, Columns(method="read", change=refuse))


# --- Visualizers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sketch(Visualizer):
    change: Any = None
    reason: str = ""

    def refusal(self, explanation: Any) -> str | None:
        return self.reason or None

    def item(self, explanation: Any, item: int) -> Any:
        return self.change(explanation)

    grid = item


def test_a_visualizer_that_draws_no_figure_is_named() -> None:
    made = salience.explain(MODEL, ROWS, Tensors())
    with pytest.raises(InputError, match=r"visualizer 'Sketch' .* returned None, expected a f"):
        made.visualize(0, visualizer=Sketch(lambda _: None))
    with pytest.raises(InputError, match=r"visualizer 'Sketch' .* raised KeyError.*Sketch\.item"):
        made.visualize(0, visualizer=Sketch(raising))


def test_a_visualizer_refuses_what_it_cannot_draw_before_it_draws() -> None:
    made = salience.explain(MODEL, ROWS, Tensors())
    sketch = Sketch(raising, reason="a sketch is of one line; pass another visualizer")
    for draw in (
        lambda: made.visualize(0, visualizer=sketch),
        lambda: salience.grid({"one": made}, [0], visualizer=sketch),
    ):
        with pytest.raises(InputError, match=r"^a sketch is of one line; pass another visualizer$"):
            draw()


@pytest.mark.parametrize("name", host().names("visualizers"))
def test_our_visualizers_refuse_what_they_cannot_draw_in_a_sentence(name: str) -> None:
    axes = ("item", "a", "b", "c", "d")
    made = salience.explain(
        lambda x: x.flatten(1).sum(1), torch.ones(2, 1, 2, 1, 2), Tensors(axes=axes), output="value"
    )
    chosen = host().get("visualizers", name)()
    reason = chosen.refusal(made)
    assert reason
    for draw in (
        lambda: made.visualize(0, visualizer=name),
        lambda: salience.grid({"one": made}, visualizer=name),
    ):
        with pytest.raises(InputError) as caught:
            draw()
        assert str(caught.value) == str(InputError(reason))


# --- Installed parts ------------------------------------------------------------------------------


def test_an_installed_part_is_called_by_its_name_and_its_distribution(tmp_path: Path) -> None:
    distribution(
        tmp_path, "salience-extras", hook("samplers", "{'student': 'salience_extras.t:T'}")
    )
    (tmp_path / "salience_extras" / "t.py").write_text(
        dedent("""
            from dataclasses import dataclass
            import salience

            @dataclass(frozen=True)
            class T(salience.NoiseSampler):
                def __call__(self, x, draw):
                    return x[:, 1:]
        """)
    )
    code = """
        import salience, torch
        from salience_extras.t import T
        for sampler in ("student", T()):
            try:
                salience.explain(
                    torch.nn.Linear(400, 2), torch.ones(1, 400), "tensor", samplers=[sampler]
                )
            except salience.InputError as error:
                print(error)
    """
    result = python(tmp_path, "-c", dedent(code))
    said = "sampler 'student' of salience-extras returned shape (1, 399), expected (1, 400); "
    one, other = result.stdout.splitlines()
    assert one == other and one.startswith(said), result.stderr
