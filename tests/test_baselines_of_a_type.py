"""A baseline becomes the type of the data only where that changes no number."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import salience
from salience import ClassScore, InputError, Mean, Occlusion, PerItem, Tensors

WEIGHT = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
WHOLE = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool)


def drops(dtype: torch.dtype, value: Any) -> torch.Tensor:
    x = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 1]]).to(dtype)
    return salience.explain(
        lambda rows: rows.float() @ WEIGHT,
        x,
        Tensors(),
        Occlusion(value=value),
        output=ClassScore(1),
    ).values


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize(
    "value",
    [0.5, torch.full((4,), 0.5), PerItem(torch.full((2, 4), 0.5)), Mean(torch.eye(4).long())],
    ids=["number", "tensor", "per item", "mean"],
)
def test_a_half_among_whole_numbers_is_refused(dtype: torch.dtype, value: Any) -> None:
    if isinstance(value, Mean):
        value = Mean(value.data.to(dtype))
    with pytest.raises(InputError):
        drops(dtype, value)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool])
def test_a_number_below_those_of_a_type_is_refused(dtype: torch.dtype) -> None:
    with pytest.raises(InputError, match="none of"):
        drops(dtype, -1)


@pytest.mark.parametrize("dtype", [*WHOLE, torch.float32])
def test_whole_numbers_are_served(dtype: torch.dtype) -> None:
    x = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 1]])
    truth = (x - 1) * WEIGHT[:, 1]
    torch.testing.assert_close(drops(dtype, 1).float(), truth, rtol=1e-4, atol=1e-6)


def test_a_truth_value_is_no_number() -> None:
    with pytest.raises(InputError, match="truth values"):
        drops(torch.float32, True)
