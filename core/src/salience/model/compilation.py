"""A speed option: gradient passes of a replica compiled with ``torch.compile``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from salience.errors import InputError, brief


@dataclass(frozen=True)
class Compiled:
    """A replica together with its compiled form.

    Args:
        replica: The replica, with weights already arranged for fast passes.
        channels_last: Whether the replica takes images in the channels-last memory format.
        rows: Number of rows of the passes that the replica is compiled for.
        run: The compiled form of the replica.
        held: Modules and weights of the user's model at the time of compilation.
    """

    replica: nn.Module
    channels_last: bool
    rows: int
    run: Any
    held: _Held

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the compiled replica on arguments of the model's forward; return the model's output.

        The first call compiles.

        Raises:
            InputError: The model cannot be compiled on this machine.
        """
        try:
            return self.run(*args, **kwargs)
        except Exception as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            raise InputError(
                f"the model cannot be compiled here ({brief(error)}); leave compile out, or "
                f"install what torch.compile needs: a C++ compiler on a CPU, triton on a GPU"
            ) from error


@dataclass(frozen=True)
class _Held:
    """Modules, parameters and buffers of a model, with each tensor's count of in-place writes."""

    modules: Sequence[nn.Module]
    tensors: Sequence[Tensor]
    versions: Sequence[int]

    @staticmethod
    def of(model: nn.Module) -> _Held:
        tensors = [*model.parameters(), *model.buffers()]
        # Tensors made in inference mode do not count their writes.
        versions = [0 if t.is_inference() else t._version for t in tensors]
        return _Held(list(model.modules()), tensors, versions)

    def same(self, other: _Held) -> bool:
        """Whether both hold the same modules and tensors, with no write to a tensor in between."""
        one, two = [*self.modules, *self.tensors], [*other.modules, *other.tensors]
        alike = len(one) == len(two) and all(a is b for a, b in zip(one, two, strict=True))
        return alike and list(self.versions) == list(other.versions)


class Compilation:
    """Holder of an explainer's compiled replica between calls.

    Args:
        rows: Number of rows of the passes that run compiled. Passes of another size run
            uncompiled, since each size would need a compilation of its own.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._kept: Compiled | None = None

    def find(self, model: nn.Module) -> Compiled | None:
        """The kept compiled replica; ``None`` where none is kept or the model has changed since."""
        kept = self._kept
        return kept if kept is not None and kept.held.same(_Held.of(model)) else None

    def make(self, model: nn.Module, replica: nn.Module, channels_last: bool) -> Compiled:
        """Keep and return a compiled form of a replica; compilation happens at its first call.

        Args:
            model: The user's model.
            replica: The replica of the model, already arranged for fast passes.
            channels_last: Whether the replica takes images in the channels-last memory format.
        """
        run = torch.compile(replica, dynamic=False)
        self._kept = Compiled(replica, channels_last, self._rows, run, _Held.of(model))
        return self._kept
