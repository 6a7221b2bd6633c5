"""Data that comes in pieces, and work that is broken off."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import salience


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, 3)).double()


ROWS = torch.linspace(-1, 1, 80, dtype=torch.float64).reshape(20, 4)
SETTINGS: dict[str, Any] = {"samplers": ["gaussian", "mc_dropout"], "n_samples": 5, "seed": 3}


@pytest.mark.parametrize("size", [1, 7, 20])
def test_a_data_loader_gives_item_by_item_what_the_whole_data_give(size: int) -> None:
    explainer = salience.Explainer(model(), "tensor")
    whole = explainer.explain(ROWS, "integrated_gradients:steps=4", **SETTINGS)
    loader = DataLoader(TensorDataset(ROWS, torch.zeros(20)), batch_size=size)
    pieces = list(
        explainer.stream((x for x, _ in loader), "integrated_gradients:steps=4", **SETTINGS)
    )
    assert [list(piece.ids) for piece in pieces] == [[i] for i in range(20)]
    for i, piece in enumerate(pieces):
        for ours, all_of_them in (
            (piece.values, whole.values),
            (piece.std_error, whole.std_error),
            (piece.score, whole.score),
            (piece.completeness_gap, whole.completeness_gap),
        ):
            torch.testing.assert_close(ours[0], all_of_them[i], rtol=1e-12, atol=1e-14)


def test_ragged_items_are_streamed(graphs: Any) -> None:
    ragged, _ = graphs.models()
    explainer = salience.Explainer(ragged, graphs.ragged())
    whole = explainer.explain(graphs.data, samplers=["gaussian"], n_samples=4)
    chunks = [graphs.data[:2], graphs.data[2:]]
    pieces = list(explainer.stream(chunks, samplers=["gaussian"], n_samples=4))
    for ours, all_of_them in zip(pieces, whole.values, strict=True):
        torch.testing.assert_close(ours.values[0], all_of_them)


def test_labels_go_by_the_position_in_the_whole_stream() -> None:
    labels = torch.arange(20) % 3
    explainer = salience.Explainer(model(), "tensor", output=salience.CrossEntropy(labels))
    whole = explainer.explain(ROWS)
    pieces = list(explainer.stream(ROWS.split(6)))
    torch.testing.assert_close(torch.cat([piece.values for piece in pieces]), whole.values)


def test_a_stream_holds_one_chunk_at_a_time() -> None:
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def chunks() -> Iterator[Tensor]:
        nonlocal most
        for _ in range(6):
            chunk = torch.randn(5, 4, dtype=torch.float64)
            alive.append(weakref.ref(chunk))
            yield chunk
            del chunk
            gc.collect()
            most = max(most, sum(ref() is not None for ref in alive))

    for _ in salience.Explainer(model(), "tensor").stream(chunks()):
        pass
    assert most <= 1


def test_an_empty_chunk_is_refused_and_no_chunks_give_nothing() -> None:
    explainer = salience.Explainer(model(), "tensor")
    assert list(explainer.stream([])) == []
    with pytest.raises(salience.InputError, match="empty"):
        list(explainer.stream([ROWS[:0]]))


class Interrupted(nn.Module):
    """Is broken off in its n-th forward pass."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        self.n -= 1
        if self.n < 0:
            raise KeyboardInterrupt
        return x.square().sum(1)


def test_what_is_finished_is_returned_if_asked_for() -> None:
    # Two passes a batch: the prediction and the gradient at the noisy point.
    explainer = salience.Explainer(Interrupted(7), "tensor", output=lambda y: y, max_rows=4)
    found = explainer.explain(ROWS, samplers=["gaussian:scale=0"], partial=True)
    assert list(found.ids) == list(range(12))
    assert found.values.shape == (12, 4)
    torch.testing.assert_close(found.values, 2 * ROWS[:12])
    assert len(found) == len(found.score) == len(found.completeness_gap) == 12


@pytest.mark.parametrize(("n", "partial"), [(7, False), (1, True)])
def test_an_interruption_is_passed_on_otherwise(n: int, partial: bool) -> None:
    explainer = salience.Explainer(Interrupted(n), "tensor", output=lambda y: y, max_rows=4)
    with pytest.raises(KeyboardInterrupt):
        explainer.explain(ROWS, samplers=["gaussian"], partial=partial)


@pytest.mark.parametrize("what", ["labels", "baselines"])
def test_values_that_are_left_over_are_refused(what: str) -> None:
    torch.manual_seed(0)
    data, net = torch.randn(4, 2), torch.nn.Linear(2, 3)
    labels = what == "labels"
    output = salience.CrossEntropy([0, 1, 2, 1, 0]) if labels else "class:0"
    calculator = salience.IntegratedGradients(
        baseline=0.0 if labels else salience.PerItem(torch.zeros(5, 2))
    )
    explainer = salience.Explainer(net, salience.Tensors(), output=output)
    with pytest.raises(salience.InputError, match="for 4 items"):
        list(explainer.stream([data[:2], data[2:]], calculator))


@pytest.mark.parametrize("wrong", [None, 5, object()])
def test_a_stream_of_nothing_that_comes_in_pieces_is_refused(wrong: Any) -> None:
    with pytest.raises(salience.InputError, match="pass an iterable of pieces"):
        list(salience.Explainer(model(), "tensor").stream(wrong))


def test_a_later_piece_that_cannot_be_read_says_where_it_begins() -> None:
    pieces = [ROWS[:7], torch.cat([ROWS[7:9], ROWS[9:11] * torch.nan])]
    stream = salience.Explainer(model(), "tensor").stream(pieces)
    with pytest.raises(salience.InputError, match="begins with item 7: item 2 holds NaN"):
        list(stream)
