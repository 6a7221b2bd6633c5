"""What a sampler would change in training mode and misses in eval mode, such as gated dropout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from salience.data.batch import Batch
from salience.data.domain import arguments_of
from salience.engine.request import Request
from salience.errors import InputError
from salience.model.probe import Probe
from salience.model.replica import replicate
from salience.samplers.base import ModelDraw, ParameterSampler
from salience.support.hooks import removing
from salience.support.isolation import default_device
from salience.support.notices import tell
from salience.support.numerics import close
from salience.support.private_draws import PrivateDraws


class Training:
    """Passes of a single item in training mode, each in a replica of its own.

    Args:
        request: What is to be computed.
        row: The item, with all arguments.
        key: Key of the draw of these passes, int64 of shape (1,).
    """

    def __init__(self, request: Request, row: Batch, key: Tensor) -> None:
        self._request, self._row, self._key = request, row, key

    def paths(self, sampler: ParameterSampler) -> tuple[str, ...]:
        """Find the modules that have to run in training mode for the sampler to miss nothing.

        Args:
            sampler: The sampler, prepared.

        Returns:
            Paths of these modules; none where the sampler misses nothing.

        Raises:
            InputError: In training mode these modules change in other ways, too.
        """
        met = sampler.met
        if not met or not isinstance(self._request.settings.model, nn.Module):
            return ()
        try:
            there = self._calls(sampler, self._trained())
        except Exception:  # the user's forward may raise anything, as where it asks for labels
            return ()
        self._tell_other_draws(sampler)
        if not Counter(there) - Counter(met):
            return ()
        paths = self._missing(sampler, Counter(met))
        if not paths or not self._changes_only_that(sampler, paths, Counter(there)):
            shown = "; ".join(f"{call}" for call in Counter(there) - Counter(met))
            raise InputError(
                f"the model drops in training mode what it does not drop in eval mode (shape and "
                f"rate: {shown}), so that mc_dropout would miss it; call dropout in eval mode as "
                f"well, or choose other dropout by MCDropout(layers=...)"
            )
        return paths

    def _replica(self) -> Any:
        model = replicate(self._request.settings.model, self._row.device)
        return model

    def _trained(self) -> Any:
        model = self._replica()
        _train(model)
        for module in model.modules():  # hooks of the user's see no training mode
            module._forward_hooks.clear()
            module._forward_pre_hooks.clear()
        return model

    def _tell_other_draws(self, sampler: ParameterSampler) -> None:
        """Tell of what the model draws in training mode that the sampler leaves off."""
        found = []
        for seed in (0, 1):
            with sampler.inactive(), PrivateDraws(seed):
                found.append(tree_leaves(self._forward(self._trained())))
        pairs = zip(*found, strict=False)
        if not all(_close(a, b) for a, b in pairs if isinstance(a, Tensor)):
            tell(
                "in training mode the model draws otherwise than by torch's dropout as well, such "
                "as stochastic depth, noise or dropout made by hand; it stays off, so that the "
                "spread over draws does not hold it"
            )

    def _forward(self, model: Any) -> Any:
        named = {
            name: value.clone() if isinstance(value, Tensor) else value
            for name, value in self._row.arguments.items()
        }
        args, kwargs = arguments_of(self._request.settings.domain, named)
        with default_device():
            return model(*args, **kwargs)

    def _calls(self, sampler: ParameterSampler, model: Any) -> list[Any]:
        draw = ModelDraw(self._key, self._row.all_rows(), model)
        return list(sampler.calls(draw, lambda: self._forward(model)))

    def _missing(self, sampler: ParameterSampler, met: Counter[Any]) -> tuple[str, ...]:
        """Paths of the modules whose own forward makes the calls that eval mode misses."""
        model = self._replica()
        _train(model)
        stack: list[str] = []
        with _stacking(model, stack):
            where = _Where(sampler, stack)
            draw = ModelDraw(self._key, self._row.all_rows(), model)

            def forward() -> None:
                with where:
                    self._forward(model)

            there = sampler.calls(draw, forward)
        if len(where.paths) != len(there):
            return ()
        paths, left = set(), Counter(met)
        for path, call in zip(where.paths, there, strict=True):
            if left[call] > 0:
                left[call] -= 1
            else:
                paths.add(path)
        return tuple(sorted(paths))

    def _changes_only_that(
        self, sampler: ParameterSampler, paths: tuple[str, ...], there: Counter[Any]
    ) -> bool:
        """Whether these modules in training mode show all the calls and change nothing else."""
        try:
            plain, model = self._replica(), self._replica()
            for path in paths:
                model.get_submodule(path).training = True
            with sampler.inactive(), PrivateDraws(0):
                before = tree_leaves(self._forward(plain))
                after = tree_leaves(self._forward(model))
            for path in paths:
                model.get_submodule(path).training = True
            missing = there - Counter(self._calls(sampler, model))
        except Exception:  # the user's forward may raise anything
            return False
        pairs = [(a, b) for a, b in zip(before, after, strict=False) if isinstance(a, Tensor)]
        same = len(before) == len(after) and all(_close(a, b) for a, b in pairs)
        return same and not missing


def _train(model: nn.Module) -> None:
    """Set training mode, but for normalisations: a single row has no statistics of its own."""
    for module in model.modules():
        module.training = not isinstance(module, _NormBase)


def _close(one: Tensor, other: Any) -> bool:
    if not isinstance(other, Tensor) or one.shape != other.shape:
        return False
    return close(other, one) if one.is_floating_point() else torch.equal(one, other)


class _Where(TorchFunctionMode):
    """Notes in which module each call is made that a sampler may change."""

    def __init__(self, sampler: ParameterSampler, stack: list[str]) -> None:
        super().__init__()
        self.paths: list[str] = []
        self._sampler, self._stack = sampler, stack

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._sampler.changes(func, args, kwargs or {}):
            self.paths.append(self._stack[-1] if self._stack else "")
        return result


@contextmanager
def _stacking(model: nn.Module, stack: list[str]) -> Iterator[None]:
    """Keep the paths of the modules that are running in ``stack``, the innermost last."""

    def entering(path: str) -> Any:
        return lambda *_: stack.append(path)

    def leaving(*_: Any) -> None:
        stack.pop()

    with removing() as add:
        for path, module in model.named_modules():
            add(module.register_forward_pre_hook(entering(path)))
            add(module.register_forward_hook(leaving))
        yield


class _Before(TorchFunctionMode):
    """Notes whether a sampler may change a call of a pass so far."""

    def __init__(self, sampler: ParameterSampler) -> None:
        super().__init__()
        self.met = False
        self._sampler = sampler

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.met = self.met or self._sampler.changes(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


class Order:
    """Whether a sampler may change a call before a target variable inside the model.

    Args:
        probe: Runs the model.
        row: A single item, with all arguments.
    """

    def __init__(self, probe: Probe, row: Batch) -> None:
        self._probe, self._row = probe, row
        self.moves = False

    def forward(self, sampler: ParameterSampler) -> Callable[[], object]:
        """A forward pass of the item that sets :attr:`moves` where the sampler acts so early."""
        if not self._probe.has_inner_targets:
            return lambda: self._probe.predict(self._row)
        before = _Before(sampler)

        def reach() -> None:
            self.moves = self.moves or before.met

        def run() -> None:
            with before:
                self._probe.predict(self._row, on_reach=reach)

        return run
