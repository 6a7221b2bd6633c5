"""Explanations made by hand, so that pictures are tested apart from the engine."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from salience import Design, Explanation, Saliency
from salience_tabular import Tabular


def explanation_of(
    values: Any,
    errors: Any = None,
    columns: Sequence[str] | None = None,
    ids: Sequence[int | str] | None = None,
) -> Explanation:
    values = torch.as_tensor(values, dtype=torch.float64)
    nan = torch.full(values.shape, float("nan"), dtype=torch.float64)
    n = len(values)
    names = columns or [f"feature {i}" for i in range(values.shape[1])]
    return Explanation(
        saliency={
            "input": Saliency(values, nan if errors is None else torch.as_tensor(errors).double())
        },
        prediction=torch.zeros(n, 3),
        score=torch.zeros(n),
        delta=nan[:, 0],
        completeness_gap=nan[:, 0],
        annotations=(),
        dataset_info={
            "columns": list(names),
            "numeric": list(range(len(names))),
            "categorical": [],
        },
        provenance={"n_samples": 1 if errors is None else 30},
        design=Design(signed=bool((values < 0).any())),
        domain=Tabular(),
        ids=list(range(n)) if ids is None else list(ids),
        drawn=torch.ones(n, dtype=torch.bool),
        converged=torch.ones(n, dtype=torch.bool),
        n_points=torch.zeros(n, dtype=torch.int64),
        n_independent=torch.full((n,), 1 if errors is None else 30),
    )


@pytest.fixture
def by_hand() -> Callable[..., Explanation]:
    return explanation_of
