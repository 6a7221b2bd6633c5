"""The shortcuts explain and rerun: an explainer and its explanation in one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from salience.calculators.base import Calculator
from salience.data.domain import Domain
from salience.engine.executors.base import Executor
from salience.engine.record import settings as recorded_settings
from salience.explainer import Explainer
from salience.model.speedups import SPEEDUPS
from salience.results.explanation import Explanation


def explain(
    model: Any,
    data: Any,
    domain: str | Mapping[str, Any] | Domain,
    calculator: str | Mapping[str, Any] | Calculator = "gradient",
    *,
    target: Any = None,
    output: Any = None,
    max_rows: int | str = "auto",
    device: str | int | torch.device | Sequence[str | int | torch.device] | None = None,
    precision: str = "full",
    executor: str | Mapping[str, Any] | Executor | None = None,
    speedups: Collection[str] = SPEEDUPS,
    **settings: Any,
) -> Explanation:
    """Explain a model's predictions in one call: ``Explainer(...).explain(data, ...)``.

    Args:
        model: As for :class:`Explainer`.
        data: Items in any form that the domain reads.
        domain: As for :class:`Explainer`.
        calculator: As for :meth:`Explainer.explain`.
        target: As for :class:`Explainer`.
        output: As for :class:`Explainer`.
        max_rows: As for :class:`Explainer`.
        device: As for :class:`Explainer`.
        precision: As for :class:`Explainer`.
        executor: As for :class:`Explainer`.
        speedups: As for :class:`Explainer`.
        **settings: The other arguments of :meth:`Explainer.explain`.

    Raises:
        InputError: As for :class:`Explainer` and :meth:`Explainer.explain`.
    """
    explainer = Explainer(
        model,
        domain,
        target=target,
        output=output,
        max_rows=max_rows,
        device=device,
        precision=precision,
        executor=executor,
        speedups=speedups,
    )
    return explainer.explain(data, calculator, **settings)


def rerun(model: Any, data: Any, record: Mapping[str, Any], **settings: Any) -> Explanation:
    """Repeat the computation that an explanation's provenance records, on the given model and data.

    Args:
        model: The model.
        data: Items in any form that the domain reads.
        record: ``Explanation.provenance``.
        **settings: Arguments of :func:`explain` that are not recorded (``max_rows``, ``device``,
            ``progress``), or that replace recorded ones.

    Raises:
        InputError: The record holds a placeholder for a part that no plugin registers, or for an
            object that cannot be saved; or as for :func:`explain`.
    """
    return explain(model, data, **(recorded_settings(record) | settings))
