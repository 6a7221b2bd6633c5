"""State dicts: reading them, and checking and renaming their entries for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from salience.errors import InputError, brief
from salience.naming import is_file

#: Name of a parameter or buffer → its values.
State = Mapping[str, Tensor]


def read_state(source: Any) -> dict[str, Tensor]:
    """Read a state dict, name → detached tensor; entries that are not tensors are left out.

    Only tensors are loaded from a file; no code in a file is executed.

    Args:
        source: A module, a state dict, or the path of a ``.safetensors`` file or of a state dict
            that torch saved.

    Raises:
        InputError: There is no such file, or the source holds no tensors, or the file cannot be
            read or holds other things than tensors.
    """
    state = _read(Path(source)) if isinstance(source, str | Path) else source
    state = state.state_dict() if isinstance(state, nn.Module) else state
    if not isinstance(state, Mapping) or not any(isinstance(v, Tensor) for v in state.values()):
        shown = brief(str(source) if isinstance(source, Path) else source)
        raise InputError(
            f"{shown} holds no weights; pass a model, its state_dict(), or the path of a file of it"
        )
    return {name: value.detach() for name, value in state.items() if isinstance(value, Tensor)}


def _read(path: Path) -> Any:
    if not is_file(path):
        raise InputError(f"there are no weights at {str(path)!r}; pass the path of a state dict")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise InputError(f"cannot read weights from {str(path)!r}: {brief(error)}") from error
    except Exception as error:  # pickle.UnpicklingError: something that is not a tensor
        raise InputError(
            f"{str(path)!r} holds more than tensors, and nothing else is loaded; "
            f"save model.state_dict() and pass that file"
        ) from error


def states_like(model: nn.Module, sources: Sequence[Any], what: str) -> list[dict[str, Tensor]]:
    """Read the weights in each source, under the names that :func:`own_weights` gives.

    Args:
        model: Each source must hold all the parameters and buffers of this model.
        sources: Each of a form that :func:`read_state` takes.
        what: Word for a source in errors; the index of the source follows it.

    Raises:
        InputError: A source cannot be read, or holds weights of another architecture.
    """
    base, states = read_state(model), []
    for i, source in enumerate(sources):
        state = read_state(source)
        missing = [name for name in base if name not in state]
        if missing:
            raise InputError(
                f"{what} {i} has no {missing[0]!r}, which the model has; pass weights of the same "
                f"architecture"
            )
        states.append(own_weights(state, model, f"{what} {i}"))
    return states


def own_weights(state: State, model: nn.Module, what: str) -> dict[str, Tensor]:
    """Rename the entries of a state dict as ``torch.func.functional_call`` expects them.

    A state dict names a tensor that several modules share once for each of them. A functional call
    takes such a tensor only under the first of its names.

    Args:
        state: Name → value, for all of the model's parameters and buffers or for some of them.
        model: The model whose names and shapes the entries must have.
        what: Word for the state in errors.

    Returns:
        First name of each parameter or buffer → its value; extra state of modules is left out.

    Raises:
        InputError: A name or a shape is not the model's, or a shared tensor has two values.
    """
    base, first = read_state(model), _first_names(model)
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name not in base:
            raise InputError(
                f"{what} has {name!r}, which the model has not; pass weights of the same "
                f"architecture"
            )
        if value.shape != base[name].shape:
            raise InputError(
                f"{what} has {name!r} of shape {tuple(value.shape)}, the model of shape "
                f"{tuple(base[name].shape)}; pass weights of the same architecture"
            )
        own = first.get(name)
        if own is None:  # extra state of a module
            continue
        if own in found and not torch.equal(found[own], value):
            raise InputError(
                f"{what} has {name!r} other than {own!r}, which are one tensor in the model; pass "
                f"weights of the same architecture"
            )
        found.setdefault(own, value)
    return found


def refuse_unreal(model: nn.Module, what: str) -> None:
    """Refuse parameters that a normal number cannot move, which would keep their values.

    Args:
        model: The model.
        what: What moves them, for the message.

    Raises:
        InputError: A parameter is complex or has floats of 8 bits.
    """
    for name, value in model.named_parameters():
        if value.is_complex() or (value.is_floating_point() and value.dtype.itemsize < 2):
            raise InputError(
                f"{what} moves real parameters of 16 bits or more, but {name!r} is of "
                f"{value.dtype}; pass an ensemble or a posterior that draws it"
            )


def _first_names(model: nn.Module) -> dict[str, str]:
    """Name of a parameter or buffer → the first name of the same tensor."""
    named = [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]
    firsts: dict[int, str] = {}
    return {name: firsts.setdefault(id(tensor), name) for name, tensor in named}
