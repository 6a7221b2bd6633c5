"""What the engine asks of parts, and the promises that their answers must keep.

The answers of parts of other authors are looked at once a block of draws, or once a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.calculators.base import Attribution, Calculator
from salience.data.batch import Batch
from salience.data.domain import Domain, layout_of
from salience.model.probe import Values
from salience.plugins.faults import Asked
from salience.samplers.base import NoiseSampler, VariableDraw
from salience.scoring.score import Score


def collated(domain: Domain, samples: Sequence[Any]) -> Batch:
    """The batch that a domain makes of samples, which has an item for each.

    Raises:
        InputError: The domain raised an error, or did not return such a batch.
    """
    asked = Asked("domains", domain, "collate")
    batch: Batch = asked(samples)
    if asked.foreign:
        asked.expect(isinstance(batch, Batch), batch, "a salience.Batch")
        if batch.n_items != len(samples):
            raise asked.broken(f"a batch of {batch.n_items} items", f"{len(samples)}, one a sample")
        if len(batch.annotations) not in (0, len(samples)):
            raise asked.broken(
                f"{len(batch.annotations)} annotations", f"{len(samples)}, one a sample, or none"
            )
    return batch


def sizes_of(domain: Domain, samples: Sequence[Any]) -> list[int]:
    """The number of elements of each sample, as :meth:`Domain.size` gives it.

    Raises:
        InputError: The domain raised an error, or a size is no whole number from 0.
    """
    asked = Asked("domains", domain, "size")
    sizes: list[int] = asked.call(list, map(domain.size, samples))  # one call: there may be many
    for size in sizes if asked.foreign else ():
        counts = isinstance(size, Integral) and int(size) >= 0
        asked.expect(counts, size, "a whole number of elements")
    return sizes


def fitted_to(domain: Domain, samples: Sequence[Any]) -> Domain:
    """The domain with the layout of the samples, by :meth:`Domain.fitted`.

    Raises:
        InputError: The samples have no common layout, or the domain raised an error or returned
            something else.
    """
    asked = Asked("domains", domain, "fitted")
    fitted: Domain = asked(samples)
    asked.expect(isinstance(fitted, Domain), fitted, "a domain")
    layout_of(fitted)
    return fitted


def info_of(domain: Domain, samples: Sequence[Any]) -> dict[str, Any]:
    """What a domain knows of the data set, as :meth:`Domain.dataset_info` gives it."""
    asked = Asked("domains", domain, "dataset_info")
    info: dict[str, Any] = asked(samples)
    asked.expect(isinstance(info, Mapping), info, "a mapping")
    return info


def noised(sampler: NoiseSampler, x: Tensor, draw: VariableDraw) -> Tensor:
    """The values that a noise sampler moves x to, of its shape, dtype and device.

    Raises:
        InputError: The sampler raised an error, or did not return such values.
    """
    asked = Asked("samplers", sampler)
    moved: Tensor = asked(x, draw)
    if asked.foreign:
        asked.expect_tensor(moved, x.shape, x)
    return moved


def attributed(calculator: Calculator, score: Score, x: Values) -> Attribution:
    """The saliency that a calculator returns for the rows of a block.

    Raises:
        InputError: The calculator raised an error, or the attribution has other target variables,
            shapes or types than it must have.
    """
    asked = Asked("calculators", calculator)
    result: Attribution = asked(score, x)
    if not asked.foreign:
        return result
    asked.expect(isinstance(result, Attribution), result, "a salience.Attribution")
    asked.expect(isinstance(result.saliency, Mapping), result.saliency, "a mapping as saliency")
    if set(result.saliency) != set(x):
        raise asked.broken(f"saliency of {sorted(result.saliency)}", f"of {sorted(x)}")
    for name, value in x.items():
        _check_saliency(asked, name, result.saliency[name], value)
    rows = (len(score.rows),)
    asked.expect_tensor(result.score, rows, what="score", finite=False)
    if result.baseline_score is not None:
        asked.expect_tensor(result.baseline_score, rows, what="baseline_score", finite=False)
    for what, kind in (("converged", torch.bool), ("n_points", torch.int64)):
        if (found := getattr(result, what)) is not None:
            asked.expect_tensor(found, rows, torch.empty(0, dtype=kind, device=found.device), what)
    return result


def _check_saliency(asked: Asked, name: str, saliency: Any, x: Tensor) -> None:
    """Raise InputError unless saliency is broadcastable to x: an axis of it may have length 1."""
    what = f"saliency of {name!r}"
    ours = isinstance(saliency, Tensor) and saliency.ndim == x.ndim and saliency.ndim > 0
    shape = list(x.shape)
    if ours:
        pairs = zip(x.shape, saliency.shape, strict=True)
        shape = [1 if found == 1 else n for n, found in pairs]
        shape[0] = x.shape[0]
    asked.expect_tensor(saliency, shape, what=what, finite=False)  # the model may overflow
    if not saliency.is_floating_point():
        raise asked.broken(f"{what} of dtype {saliency.dtype}", "floating-point numbers")
    if saliency.device != x.device:
        raise asked.broken(f"{what} on {saliency.device}", f"{x.device}")


def finalized(aggregator: Aggregator, state: Any) -> tuple[Tensor, Tensor]:
    """The values and standard errors that an aggregator makes of its state, of one shape.

    Raises:
        InputError: The aggregator raised an error, or did not return these.
    """
    asked = Asked("aggregators", aggregator, "finalize")
    found = asked(state)
    pair = isinstance(found, tuple) and len(found) == 2
    asked.expect(pair, found, "a pair, values and standard errors")
    values, errors = found
    if asked.foreign:
        asked.expect_tensor(values, getattr(values, "shape", ()), what="values")
        asked.expect(isinstance(errors, Tensor), errors, "a tensor as standard errors")
        if errors.shape != values.shape:
            of_values = f"that of the values, {tuple(values.shape)}"
            raise asked.broken(f"errors of shape {tuple(errors.shape)}", of_values)
    return values, errors
