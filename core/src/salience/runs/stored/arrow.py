"""Columns of Arrow: tensors, ragged tensors, names and annotations, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from salience.data.domain import Domain
from salience.errors import InputError
from salience.plugins.faults import Asked
from salience.results.files.packing import pack, unpack


def arrow() -> Any:
    """The package pyarrow.

    Raises:
        InputError: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "results of data sets are kept in Parquet, which needs pyarrow; run: "
            "pip install 'salience[data]'"
        ) from error
    return pyarrow


def tensor_column(values: Tensor) -> Any:
    """A column with one number, or one tensor of fixed shape, an item.

    Args:
        values: Shape (B, …).
    """
    plain, pyarrow = _numpy(values), arrow()
    if plain.ndim == 1:
        return pyarrow.array(plain)
    size = int(np.prod(plain.shape[1:]))
    made = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(plain.reshape(-1)), size)
    kind = pyarrow.fixed_shape_tensor(made.type.value_type, plain.shape[1:])
    return pyarrow.ExtensionArray.from_storage(kind, made)


def list_column(flat: Tensor, sizes: Tensor) -> Any:
    """A column with a list of numbers an item.

    Args:
        flat: The values of all items, one item after the other, of which a position has shape (…).
        sizes: Number of positions of each item.
    """
    each = int(np.prod(flat.shape[1:]))
    ends = np.concatenate([[0], np.cumsum(sizes.numpy())]) * each
    pyarrow = arrow()
    return pyarrow.LargeListArray.from_arrays(
        pyarrow.array(ends, pyarrow.int64()), pyarrow.array(_numpy(flat).reshape(-1))
    )


def tensor_of(column: Any) -> Tensor:
    """The tensor of shape (B, …) that :func:`tensor_column` made a column of."""
    found = column.combine_chunks()
    if hasattr(found.type, "storage_type"):
        size = int(np.prod(found.type.shape))
        numbers = found.storage.flatten().to_numpy(zero_copy_only=False)
        shape = (len(found), *found.type.shape)
        assert numbers.size == size * len(found)
        return torch.from_numpy(numbers.reshape(shape).copy())
    return torch.from_numpy(found.to_numpy(zero_copy_only=False).copy())


def lists_of(column: Any, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The values and sizes that :func:`list_column` made a column of.

    Args:
        column: The column.
        shape: Shape of a position.
    """
    found = column.combine_chunks()
    each = int(np.prod(shape))
    flat = found.flatten().to_numpy(zero_copy_only=False).reshape(-1, *shape)
    sizes = np.diff(found.offsets.to_numpy()) // max(each, 1)
    return torch.from_numpy(flat.copy()), torch.from_numpy(sizes.astype(np.int64))


def name_column(names: Sequence[Any]) -> tuple[Any, str]:
    """A column of names, and how they are written: as numbers, as texts, or as JSON of both."""
    pyarrow = arrow()
    kinds = {type(name) for name in names if name is not None}
    if kinds <= {int}:
        return pyarrow.array(names, pyarrow.int64()), "int"
    if kinds <= {str}:
        return pyarrow.array(names, pyarrow.string()), "str"
    return pyarrow.array([json.dumps(name) for name in names], pyarrow.string()), "json"


def names_of(column: Any, kind: str) -> list[Any]:
    """The names that :func:`name_column` made a column of."""
    found: list[Any] = column.to_pylist()
    return [json.loads(name) for name in found] if kind == "json" else found


def annotation_columns(
    annotations: Sequence[Mapping[str, Any] | None], domain: Any, positions: Sequence[int]
) -> dict[str, Any]:
    """Columns of annotations: JSON, and the tensors that it names as bytes of safetensors.

    Args:
        annotations: One an item; ``None`` for one that failed, whose row is empty.
        domain: The domain, which encodes them.
        positions: Position of each item, for errors.
    """
    texts: list[str | None] = []
    data: list[bytes | None] = []
    encode = Asked("domains", domain, "encode") if isinstance(domain, Domain) else dict
    for position, annotation in zip(positions, annotations, strict=True):
        if annotation is None:
            texts.append(None)
            data.append(None)
            continue
        tensors: dict[str, Tensor] = {}
        own = encode(annotation)
        texts.append(json.dumps(pack(own, tensors, strict=f"the annotation of item {position}")))
        held = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
        data.append(save_tensors(held) if held else None)
    pyarrow = arrow()
    return {
        "annotation": pyarrow.array(texts, pyarrow.large_string()),
        "annotation_data": pyarrow.array(data, pyarrow.large_binary()),
    }


def annotations_of(texts: Any, data: Any, domain: Any) -> list[Mapping[str, Any]]:
    """The annotations that :func:`annotation_columns` made columns of."""
    decode = Asked("domains", domain, "decode") if isinstance(domain, Domain) else dict
    return [
        decode(unpack(json.loads(text), {} if held is None else load_tensors(held)))
        for text, held in zip(texts.to_pylist(), data.to_pylist(), strict=True)
    ]


def _numpy(values: Tensor) -> Any:
    plain = values.detach().cpu().contiguous()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
