"""Whether all numbers are finite is found by their sum, and is right all the same."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from salience.support.numerics import all_finite

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_finite_numbers_whose_sum_overflows_are_finite(dtype: torch.dtype) -> None:
    largest = torch.full((3, 5), torch.finfo(dtype).max, dtype=dtype)
    assert all_finite(largest)
    assert all_finite(-largest)
    assert all_finite(largest[:, ::2].T)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
def test_a_single_number_that_is_not_finite_is_found(dtype: torch.dtype, fault: float) -> None:
    for position in range(15):
        values = torch.randn(3, 5).to(dtype)
        values.view(-1)[position] = fault
        assert not all_finite(values)
        values = torch.full((3, 5), torch.finfo(dtype).max, dtype=dtype)
        values.view(-1)[position] = fault
        assert not all_finite(values)


def test_opposite_infinities_do_not_cancel() -> None:
    assert not all_finite(torch.tensor([math.inf, -math.inf]))


@pytest.mark.parametrize("values", [torch.zeros(0), torch.arange(3), torch.tensor([True])])
def test_what_holds_no_real_numbers_is_finite(values: Tensor) -> None:
    assert all_finite(values)
