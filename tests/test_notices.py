"""Notices are shown once for each explainer, and are kept in the record of each explanation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import salience

SENTENCE = "the noise of this test is none"


@dataclass(frozen=True)
class Telling(salience.NoiseSampler):
    """A noise sampler without noise that tells something about each block of draws."""

    def __call__(self, x: Tensor, draw: Any) -> Tensor:
        salience.tell(SENTENCE)
        return x.clone()


def explainer(**settings: Any) -> salience.Explainer:
    return salience.Explainer(nn.Linear(3, 1), salience.Tensors(), output="value", **settings)


def test_a_sentence_is_shown_once_and_recorded_each_time(shown: Any) -> None:
    own, data = explainer(max_rows=4), torch.randn(5, 3)
    made: list[salience.Explanation] = []
    run = lambda: made.append(own.explain(data, "gradient", [Telling()], 6))  # noqa: E731
    assert shown(run) == [SENTENCE]
    assert shown(run) == []
    assert shown(lambda: explainer().explain(data, "gradient", [Telling()], 6)) == [SENTENCE]
    assert [one.provenance["notices"] for one in made] == [[SENTENCE], [SENTENCE]]
    assert "notices" not in own.explain(data).provenance


def test_threads_streams_and_kept_draws_tell_too(shown: Any) -> None:
    data = torch.randn(5, 3)
    two = explainer(device=["cpu", "cpu"], max_rows=4)
    assert shown(lambda: two.explain(data, "gradient", [Telling()], 6)) == [SENTENCE]
    kept: list[Any] = []
    own = explainer()
    assert shown(lambda: kept.extend(own.stream([data, data + 1], "gradient", [Telling()], 2))) == [
        SENTENCE
    ]
    assert all(one.provenance["notices"] == [SENTENCE] for one in kept)
    assert own.compute(data, "gradient", [Telling()], 2).provenance["notices"] == [SENTENCE]


def test_a_stream_hears_nothing_of_what_its_user_does_between_two_items(shown: Any) -> None:
    stream = explainer().stream([torch.randn(2, 3), torch.randn(1, 3)], "gradient")
    assert next(stream) is not None
    assert shown(lambda: salience.tell("something else")) == ["something else"]
    assert all("notices" not in one.provenance for one in stream)


def test_a_sentence_outside_a_computation_names_the_line_of_the_user() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        salience.tell("one")
    assert caught[0].filename == __file__


def test_an_explainer_with_notices_is_saved_and_repeated(tmp_path: Any) -> None:
    own, data = explainer(), torch.randn(2, 3)
    made = own.explain(data, "gradient", ["gaussian:scale=0.1"], 2)
    made = own.explain(data, "gradient", [Telling()], 2)
    made.save(tmp_path / "run.salience")
    assert salience.Explanation.load(tmp_path / "run.salience").provenance["notices"] == [SENTENCE]
