"""What users of other tools write: it works, or the error says what to write."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import InputError, Tensors
from salience.scalers import Scaling, abs_max, get_scaler, min_max

MODEL = nn.Linear(3, 2)
DATA = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))

WRITTEN = {
    "saliency": '"gradient"',
    "ig": '"integrated_gradients"',
    "IntegratedGradients": "'integrated_gradients'",
    "smoothgrad": 'samplers=["gaussian"]',
    "SmoothGrad": 'samplers=["gaussian"]',
    "vargrad": 'aggregator="variance"',
    "bayesgrad": 'samplers=["mc_dropout"]',
}


@pytest.mark.parametrize("name", WRITTEN)
def test_calculators_by_names_of_the_field_work_or_say_what_to_write(name: str) -> None:
    with pytest.raises(InputError) as caught:
        salience.explain(MODEL, DATA, Tensors(), calculator=name)
    assert WRITTEN[name] in str(caught.value)
    assert len(str(caught.value)) <= 300


def test_what_the_sentence_says_runs() -> None:
    for calculator in ("gradient", "integrated_gradients"):
        salience.explain(
            MODEL,
            DATA,
            Tensors(),
            calculator,
            samplers=["gaussian"],
            n_samples=3,
            aggregator="variance",
        )


def test_a_device_by_its_number_is_that_of_torch() -> None:
    try:
        known = torch.empty(0, device=0).device
    except (RuntimeError, AssertionError):
        with pytest.raises(InputError, match="device 0 cannot be used"):
            salience.Explainer(MODEL, Tensors(), device=0)
        return
    assert salience.Explainer(MODEL, Tensors(), device=0).devices == (known,)


@pytest.mark.parametrize("device", [10**100, -3, 99, True, 1.5], ids=repr)
def test_numbers_that_name_no_device_are_refused(device: object) -> None:
    with pytest.raises(InputError, match="device"):
        salience.Explainer(MODEL, Tensors(), device=device)  # type: ignore[arg-type]


@pytest.mark.parametrize("named", [abs_max, min_max])
def test_a_scaler_may_return_scaled_values(named: salience.scalers.Scaler) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5))
    expected = named(values)
    found = get_scaler(lambda v: named(v)(v))(values)  # type: ignore[arg-type, return-value]
    assert found.factor == pytest.approx(expected.factor, rel=1e-12)
    assert found.offset == pytest.approx(expected.offset, abs=1e-12)


def test_a_scaler_of_equal_values_shifts_them() -> None:
    found = get_scaler(lambda v: v * 0 + 7.0)(np.full(3, 2.0))  # type: ignore[arg-type]
    assert found(np.full(3, 2.0)).tolist() == [7.0] * 3


@pytest.mark.parametrize(
    "scaler",
    [np.exp, lambda v: v[:2], lambda v: v * np.nan, lambda v: np.abs(v)],
    ids=["exponential", "fewer", "nan", "magnitudes"],
)
def test_a_scaler_that_is_not_affine_is_refused(scaler: object) -> None:
    with pytest.raises(InputError, match="scaler"):
        get_scaler(scaler)(np.array([-1.0, 0.5, 4.0]))  # type: ignore[arg-type]


def test_a_scaling_stays_as_it_is() -> None:
    assert get_scaler(lambda _: Scaling(2.0, 1.0))(np.ones(3)) == Scaling(2.0, 1.0)
