"""Datasets and DataLoaders of torch: their items become what a domain reads.

A Dataset gives items one by one, a DataLoader in batches. Arrays of one shape are put into one
array, row by row, so that memory holds each item once; what differs in shape, and what is no array,
goes on as a list. Nothing is taken for a label: items that hold several values are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from salience.errors import InputError, brief, shortened
from salience.gathered import Gathered, is_list_of_items
from salience.support.interrupts import called, check
from salience.support.memory import out_of_memory
from salience.support.notices import tell

# What torch says of an error in a worker of a DataLoader; after the lines of the traceback, which
# are indented, comes the first line of the error.
_IN_WORKER = re.compile(r"Caught .*\nOriginal Traceback .*\n(?:[ \t].*\n)*(.+)")
# Items of a Dataset that are one chunk of a stream.
_CHUNK = 256


def is_dataset(data: Any) -> bool:
    """Whether data is a Dataset or DataLoader of torch."""
    return isinstance(data, Dataset | DataLoader)


def items_of(data: Any) -> Any:
    """The items of a Dataset or DataLoader, in a form that domains read; other data as it is.

    Args:
        data: A map-style Dataset, an IterableDataset that has a length, a DataLoader of either, or
            anything else.

    Returns:
        An array or tensor with an item axis in front, where the items are arrays of one shape; a
        list of the items; or, where they are mappings, a mapping name → either of these.

    Raises:
        InputError: There are no items, or they may have no end; an item holds several values, of
            which some may be labels; or the user's code raised an error.
    """
    if isinstance(data, DataLoader):
        return _of_loader(data)
    if not isinstance(data, Dataset):
        return data
    if isinstance(data, TensorDataset) and len(data.tensors) == 1:
        return data.tensors[0]
    return _gathered(_items(data, _length(data, data)), _length(data, data), data)


def chunks_of(data: Any) -> Iterable[Any]:
    """Chunks for a stream: batches of a DataLoader, items of a Dataset; other data as it is.

    Args:
        data: A DataLoader, a Dataset, also one without a length, or an iterable of chunks.

    Raises:
        InputError: The data is none of these.
    """
    if isinstance(data, DataLoader):
        plain = data.collate_fn is default_collate
        return (_input(batch, data, plain=plain) for batch in data)
    if not isinstance(data, Dataset):
        if not isinstance(data, Iterable):
            raise InputError(
                f"the stream is {brief(data, 60)}; pass an iterable of pieces of the data, such as "
                f"a list, a generator or a DataLoader"
            )
        return data
    length = None if isinstance(data, IterableDataset) else _length(data, data)
    return _pieces(_items(data, length), data)


def _pieces(items: Iterator[Any], data: Any) -> Iterator[Any]:
    for first in items:
        piece = [first, *islice(items, _CHUNK - 1)]
        yield _gathered(iter(piece), len(piece), data)


def _items(data: Any, length: int | None) -> Iterator[Any]:
    """The items of a Dataset in order; ``length`` is ``None`` where it is not known."""
    name = type(data).__name__
    each = iter(data) if isinstance(data, IterableDataset) else None
    number = 0
    while each is not None or number < (length or 0):
        try:
            found = called(next, each, _items) if each else called(data.__getitem__, number)
        except Exception as error:
            _check_failed(f"item {number} of the {name}", error)
            raise
        if found is _items:
            return
        if length is not None and number >= length:
            raise InputError(
                f"the {name} gives more items than the {length} of its length; mend its __len__, "
                f"or explain it in chunks by Explainer.stream"
            )
        yield found
        number += 1


def _of_loader(loader: DataLoader[Any]) -> Any:
    """The items of all batches of a DataLoader; see :func:`items_of`."""
    n_batches, n_items = _length(loader, loader.dataset), _length(loader.dataset, loader.dataset)
    _tell_order(loader)
    plain = loader.collate_fn is default_collate
    table, each = Gathered(n_items, loader), iter(loader)
    for number in range(n_batches + 1):
        try:
            batch = called(next, each, _of_loader)
        except Exception as error:
            _check_failed(f"batch {number} of the DataLoader", error)
            raise
        check()  # torch's own code may not be left by an interrupt, and has ended here
        if batch is _of_loader:
            break
        if number == n_batches:
            raise InputError(
                f"the DataLoader gives more than the {n_batches} batches of its length; mend the "
                f"length of its data set, or explain it in chunks by Explainer.stream"
            )
        if loader.batch_size is None and loader.batch_sampler is None:
            table.add(_input(batch, loader, plain=False))
        else:
            table.extend(_input(batch, loader, plain=plain))
    return table.made()


def _tell_order(loader: DataLoader[Any]) -> None:
    """Tell where positions of items are not those in the data set, or items are left out."""
    if isinstance(loader.dataset, IterableDataset):
        return
    if not isinstance(loader.sampler, SequentialSampler):
        tell(
            f"the DataLoader gives items in the order of its {type(loader.sampler).__name__}, so "
            f"that position 0 is the first that came, not the first of the data set; pass a "
            f"DataLoader with shuffle=False"
        )
    if loader.drop_last and loader.batch_size and (rest := len(loader.sampler) % loader.batch_size):  # type: ignore[arg-type]
        tell(
            f"the DataLoader leaves out the last {rest} items, which do not fill a batch; pass "
            f"drop_last=False to have them explained"
        )


def _length(data: Any, dataset: Any) -> int:
    """Length of a Dataset or DataLoader.

    Raises:
        InputError: It has none, so that it may never end.
    """
    try:
        return len(data)
    except (TypeError, NotImplementedError) as error:
        raise InputError(
            f"the {type(dataset).__name__} has no length, so that it may never end; explain it in "
            f"chunks by Explainer.stream, or pass a list of its items"
        ) from error


def _gathered(items: Iterator[Any], n_items: int, source: Any) -> Any:
    table = Gathered(n_items, source)
    for item in items:
        table.add(_input(item, source, plain=True))
    return table.made()


def _input(found: Any, source: Any, *, plain: bool) -> Any:
    """What an item or a batch holds, where that is one value.

    Args:
        found: The item or batch.
        source: The Dataset or DataLoader, for errors.
        plain: Whether a list holds the values of an item, as torch's own collation returns them,
            and not several items.

    Raises:
        InputError: There are several values, of which some may be labels.
    """
    values = plain and isinstance(found, list) and not is_list_of_items(found)
    if not (isinstance(found, tuple) or values) or hasattr(found, "_fields"):
        return found
    if len(found) == 1:
        return found[0]
    batches = isinstance(source, DataLoader)
    kind = "a batch of the DataLoader" if batches else "an item of the Dataset"
    name = "loader" if batches else "dataset"
    rest = ", *_" if len(found) > 2 else ", _"
    mend = f"[x for x{rest} in {name}]"
    if found and isinstance(found[0], Tensor):
        mend = f"torch.{'cat' if batches else 'stack'}({mend})"
    raise InputError(
        f"{kind} holds {len(found)} values, of which some may be labels; pass the inputs alone, as "
        f"in {mend}"
    )


def _check_failed(what: str, error: Exception) -> None:
    """Raise InputError that names an item in place of an error of the user's Dataset.

    Lack of memory, and a refusal in our own words, are left to be raised as they are.
    """
    if isinstance(error, InputError | MemoryError) or out_of_memory(error):
        return
    cause = _IN_WORKER.match(str(error))
    said = cause[1] if cause else f"{type(error).__name__}: {brief(error, 80)}"
    raise InputError(
        f"{what} cannot be read ({shortened(said, 100)}); mend the Dataset, or leave the item out"
    ) from error
