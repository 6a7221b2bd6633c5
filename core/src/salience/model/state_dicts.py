"""State dicts: reading them, and fitting them to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from salience.errors import InputError, brief

#: Name of a parameter or buffer → its values.
State = Mapping[str, Tensor]


def read_state(source: Any) -> dict[str, Tensor]:
    """The state dict in a module, a mapping, or a file of safetensors or tensors of torch.

    Only tensors are read from a file; nothing in it is executed.

    Raises:
        InputError: There is no file, or something else than tensors.
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
    if not path.is_file():
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
    """The weights in each source, which are to be those of the model, by :func:`own_weights`.

    Args:
        model: Names what there has to be.
        sources: Each as for :func:`read_state`.
        what: What a source is called in an error.

    Raises:
        InputError: They are those of another architecture.
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
    """The same by the names of the model's parameters and buffers.

    A state dict names a tensor that modules share once for each of them, a functional call only
    by the first name.

    Args:
        state: Names and values, of all of the model's or of some of them.
        model: Names what there may be.
        what: What the state is called in an error.

    Raises:
        InputError: A name or a shape is not the model's, or one tensor has two values.
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


def _first_names(model: nn.Module) -> dict[str, str]:
    """Each name of a parameter or buffer → the first name of the same tensor."""
    named = [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]
    firsts: dict[int, str] = {}
    return {name: firsts.setdefault(id(tensor), name) for name, tensor in named}
