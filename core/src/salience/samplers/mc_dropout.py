"""BayesGrad by Monte Carlo dropout: draws of the model's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import nn

from salience.errors import InputError, brief, nearest
from salience.samplers.base import ModelDraw, ParameterSampler
from salience.samplers.dropout_calls import NoDropout, is_dropout
from salience.samplers.dropout_mode import DropoutMode, DropoutShapes


@dataclass(frozen=True)
class MCDropout(ParameterSampler):
    """Keeps dropout on, with one mask per item and draw (Gal and Ghahramani, 2016).

    The resulting draws of the saliency are draws of the Bayesian saliency p(saliency | data) (Akita
    et al., "BayesGrad", 2018). The model stays in eval mode: the sampler intercepts the calls of
    ``torch.nn.functional.dropout`` and related functions, which every ``nn.Dropout`` makes. The
    masks depend only on (seed, item, draw), so that all path points of one draw share them. Batch
    norm, stochastic depth and all other layers that have a training mode run in eval mode.

    The rows of a pass may lie along any axis of a dropped tensor; that axis counts items, elements,
    or items × heads. The sampler finds the axis by comparing the tensor's shape with the shape for
    a single row. Where the shapes do not determine the axis, each row runs in a pass of its own.

    Args:
        layers: Where dropout is on: a module path, which includes the modules inside that module, a
            class of modules, or a sequence of these; ``None`` for the whole model.
        rate: Dropout rate that replaces each rate above 0 of the model; ``None`` keeps the model's.

    Raises:
        InputError: The rate is not above 0 and below 1, or a layer is no path and no class.
    """

    layers: Any = None
    rate: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate is not None and not 0 < self.rate < 1:
            raise InputError(f"rate={brief(self.rate)}; pass a share above 0 and below 1, or None")
        for layer in self._layers():
            if not isinstance(layer, str | type):
                raise InputError(
                    f"layers holds {brief(layer)}; pass paths of modules, such as 'encoder.drop', "
                    f"or classes, such as nn.Dropout2d"
                )

    def active(self, draw: ModelDraw) -> AbstractContextManager[Any]:
        """Context manager in which dropout is on, with the masks of the rows of ``draw``."""
        return DropoutMode(draw, self.rate, self._paths(draw.model)).on()

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> ParameterSampler:
        """Run a single row to record the shapes of its masks; refuse a model without dropout."""
        paths = self._paths(draw.model)
        with DropoutMode(draw, self.rate, paths).on() as dropping:
            forward()
        if not dropping.shapes:
            where = "" if self.layers is None else f" in the layers {brief(self.layers)}"
            raise InputError(
                f"mc_dropout needs a model with dropout of a rate above 0, but this forward pass "
                f"calls none{where}; add dropout to the model or use another sampler"
            )
        counts = {axis: int(draw.rows.counts[axis][0]) for axis in draw.rows.source.layout.elements}
        seen = DropoutShapes(tuple(dropping.shapes), tuple(dropping.rates), counts)
        return _Prepared(self.rate, paths, seen)

    def changes(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether the sampler may change what a call of a torch function returns."""
        return is_dropout(function, args, kwargs)

    def inactive(self) -> AbstractContextManager[Any]:
        """Context manager in which the model drops nothing."""
        return NoDropout()

    def _layers(self) -> tuple[Any, ...]:
        if self.layers is None:
            return ()
        several = isinstance(self.layers, list | tuple | set | frozenset)
        return tuple(self.layers) if several else (self.layers,)

    def _paths(self, model: Any) -> tuple[str, ...] | None:
        """Paths of the modules inside which dropout is on; ``None`` for the whole model."""
        if self.layers is None:
            return None
        if not isinstance(model, nn.Module):
            raise InputError(
                "layers of mc_dropout are those of a torch.nn.Module; leave layers out"
            )
        named = dict(model.named_modules())
        chosen: list[str] = []
        for layer in self._layers():
            if isinstance(layer, str):
                if layer not in named:
                    raise InputError(f"the model has no module {layer!r}; {nearest(layer, named)}")
                chosen.append(layer)
                continue
            found = [path for path, module in named.items() if isinstance(module, layer)]
            if not found:
                raise InputError(
                    f"the model has no module of class {layer.__name__}; pass a class that it holds"
                )
            chosen += found
        return tuple(chosen)


@dataclass(frozen=True)
class _Prepared(ParameterSampler):
    """Monte Carlo dropout that knows the shapes of the masks of a single row.

    Args:
        rate: Dropout rate that replaces the model's own, or ``None``.
        paths: Paths of the modules inside which dropout is on; ``None`` for the whole model.
        seen: Shapes in a forward pass of a single row.
    """

    rate: float | None
    paths: tuple[str, ...] | None
    seen: DropoutShapes

    def active(self, draw: ModelDraw) -> AbstractContextManager[Any]:
        """Context manager in which dropout is on, with the masks of the rows of ``draw``."""
        return DropoutMode(draw, self.rate, self.paths, self.seen).on()

    def inactive(self) -> AbstractContextManager[Any]:
        """Context manager in which the model drops nothing."""
        return NoDropout()

    @property
    def met(self) -> Sequence[Any]:  # type: ignore[override]
        """The calls of the forward pass of a single row."""
        return list(zip(self.seen.shapes, self.seen.rates, strict=True))

    def changes(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether the sampler may change what a call of a torch function returns."""
        return is_dropout(function, args, kwargs)

    def calls(self, draw: ModelDraw, forward: Callable[[], object]) -> Sequence[Any]:
        """Shape of the mask, and the model's own rate, of each dropout call of a pass."""
        with DropoutMode(draw, self.rate, self.paths).on() as dropping:
            forward()
        return list(zip(dropping.shapes, dropping.rates, strict=True))
