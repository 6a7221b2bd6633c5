"""The check that a domain keeps the contract of :class:`salience.Domain`."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.data.domain import Domain
from salience.errors import InputError
from salience.plugins import host


def check_domain(domain: Domain, data: Any) -> None:
    """Check that the engine can repeat, select and split the domain's batches.

    Args:
        domain: The domain.
        data: Two or more items as a user would pass them, of different sizes where the domain is
            ragged or padded.

    Raises:
        AssertionError: The domain fails a check; the message says which.
    """
    before = copy.deepcopy(data)
    samples = domain.read(data)
    _expect(len(samples) >= 2, "check_domain needs data of at least two items")
    names = domain.ids(samples)
    _expect(names is None or len(names) == len(samples), "ids must name all the items or none")
    domain = domain.fitted(samples)
    batch = domain.collate(samples[0 : len(samples)])
    _expect(batch.n_items == len(samples), "collate must make one item of each sample")
    _expect(
        len(batch.annotations) in (0, len(samples)), "collate must annotate all the items or none"
    )
    _expect(_same(before, data), "read and collate must leave what they are given as it is")
    _check_sizes(domain, samples, batch)
    _check_selecting(domain, samples, batch)
    _check_names(domain, batch)


def _check_sizes(domain: Domain, samples: Any, batch: Batch) -> None:
    sizes = [domain.size(sample) for sample in samples]
    _expect(
        sizes == batch.sizes().tolist(),
        f"size(sample) gives {sizes}, but the batch holds {batch.sizes().tolist()} elements",
    )


def _check_selecting(domain: Domain, samples: Any, batch: Batch) -> None:
    """Raise AssertionError where an item selected from a batch differs from that item collated."""
    order = [*reversed(range(len(samples))), 0]
    selection = batch.select(torch.tensor(order)).batch()
    for row, item in enumerate(order):
        single = domain.collate(samples[item : item + 1])
        again = selection.select(torch.tensor([row])).batch()
        for name, spec in domain.layout.fields.items():
            one, other = single.arguments[name], again.arguments[name]
            if isinstance(one, Tensor) and one.shape != other.shape:
                # The amount of padding depends on the other items; the real positions must not.
                other = other[tuple(slice(n) for n in one.shape)]
            if not isinstance(one, Tensor) and spec.counts is None:
                continue  # all the rows of a batch share it, and it may differ between batches
            same = torch.equal(one, other) if isinstance(one, Tensor) else one == other
            _expect(
                same,
                f"argument {name!r} of item {item} differs after being selected from a batch; look "
                f"at its axes {spec.axes} and refers_to={spec.refers_to!r}",
            )


def _check_names(domain: Domain, batch: Batch) -> None:
    layout = domain.layout
    _expect(layout.main in layout.fields, f"layout.main {layout.main!r} is no field")
    try:
        host().get("visualizers", domain.visualizer)
    except InputError as error:
        raise AssertionError(f"the domain's visualizer cannot be had: {error}") from error
    for annotation in batch.annotations:
        decoded = domain.decode(domain.encode(annotation))
        _expect(set(decoded) == set(annotation), "decode(encode(annotation)) must keep its entries")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if hasattr(one, "equals"):  # pandas
        return bool(one.equals(other))
    if hasattr(one, "tobytes"):  # numpy arrays, images
        return bool(one.tobytes() == other.tobytes())
    return type(one) is type(other)


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)
