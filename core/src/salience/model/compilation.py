"""A lever: passes through ``torch.compile``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from salience.errors import InputError, brief


@dataclass(frozen=True)
class Compiled:
    """A replica that torch.compile works on.

    Args:
        replica: It, arranged for its passes.
        channels_last: Whether it takes images with their channels last.
        rows: Rows of the passes that it is compiled for.
        run: The compiled form of it.
        held: What the user's model held when this was made.
    """

    replica: nn.Module
    channels_last: bool
    rows: int
    run: Any
    held: _Held

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model returns.

        Raises:
            InputError: The model or this machine cannot compile it.
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
    """The modules and weights of a model, and how often each of the weights had been written to."""

    modules: Sequence[nn.Module]
    tensors: Sequence[Tensor]
    versions: Sequence[int]

    @staticmethod
    def of(model: nn.Module) -> _Held:
        tensors = [*model.parameters(), *model.buffers()]
        # Those that were made in inference mode do not count.
        versions = [0 if t.is_inference() else t._version for t in tensors]
        return _Held(list(model.modules()), tensors, versions)

    def same(self, other: _Held) -> bool:
        """Whether these are the same objects, not written to meanwhile."""
        one, two = [*self.modules, *self.tensors], [*other.modules, *other.tensors]
        alike = len(one) == len(two) and all(a is b for a, b in zip(one, two, strict=True))
        return alike and list(self.versions) == list(other.versions)


class Compilation:
    """The compiled replica of an explainer, kept from one call to the next.

    Args:
        rows: Rows of the passes that are compiled; those of another size run as they are, since
            each size would be compiled anew.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._kept: Compiled | None = None

    def find(self, model: nn.Module) -> Compiled | None:
        """What was made of this model, unless the model has changed since."""
        kept = self._kept
        return kept if kept is not None and kept.held.same(_Held.of(model)) else None

    def make(self, model: nn.Module, replica: nn.Module, channels_last: bool) -> Compiled:
        """Have a replica compiled when it is run first."""
        run = torch.compile(replica, dynamic=False)
        self._kept = Compiled(replica, channels_last, self._rows, run, _Held.of(model))
        return self._kept
