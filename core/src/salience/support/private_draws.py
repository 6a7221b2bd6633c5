"""Random numbers of one thread: torch's functions that draw, with generators of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_lock = threading.Lock()
_aten = torch.ops.aten
# Functions that fill a tensor like another, and the method with which they do. Those of torch 2.5
# take no generator.
_FILLS: dict[Any, Callable[..., torch.Tensor]] = {
    _aten.rand_like.default: torch.Tensor.uniform_,
    _aten.randn_like.default: torch.Tensor.normal_,
    _aten.randint_like.default: torch.Tensor.random_,
    _aten.randint_like.low_dtype: torch.Tensor.random_,
}


class PrivateDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lets this thread's torch draw from a seed, and leaves the global generators as they are.

    The numbers are those of the global generators after ``torch.manual_seed(seed)``. Other threads
    neither see this nor change it. A function that takes no generator, which torch has few of, runs
    on the global generator, whose state is exchanged for the moment.

    Args:
        seed: Seed of the generators, one for each device.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seed, self._generators = seed, dict[torch.device, torch.Generator]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not _draws(func) or any(
            isinstance(value, torch.Generator) for value in (*args, *kwargs.values())
        ):
            return func(*args, **kwargs)
        generator = self._generator(_device(args, kwargs))
        names = [argument.name for argument in func._schema.arguments]
        if "generator" in names:
            place = names.index("generator")
            if place < len(args):
                return func(*args[:place], generator, *args[place + 1 :], **kwargs)
            return func(*args, **{**kwargs, "generator": generator})
        if func in _FILLS:
            like, *bounds = args
            return _FILLS[func](_aten.empty_like(like, **kwargs), *bounds, generator=generator)
        other = _with_generator(func)
        if other is not None:
            return other(*args, **kwargs, generator=generator)
        return _exchanged(generator, func, args, kwargs)

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]


class DrawWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes whether this thread's torch draws from the global generators."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        #: Whether anything was drawn.
        self.drawn = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.drawn or not _draws(func):
            return func(*args, **kwargs)
        owner = _global(_device(args, kwargs))
        before = owner.get_state()
        found = func(*args, **kwargs)
        self.drawn = not torch.equal(before, owner.get_state())
        return found


def _draws(func: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in func.tags


def _device(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.device:
    """The device whose generator a function draws from."""
    given = kwargs.get("device")
    if given is not None:
        device = torch.device(given)
    else:
        tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
        device = next((value.device for value in tensors), torch.device("cpu"))
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def _global(device: torch.device) -> torch.Generator:
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    return torch.default_generator


def _with_generator(func: Any) -> Any:
    """The overload of a function that takes the same and a generator, or ``None``."""
    own = [argument.name for argument in func._schema.arguments]
    packet = func.overloadpacket
    for name in packet.overloads():
        other = getattr(packet, name)
        names = [argument.name for argument in other._schema.arguments]
        if "generator" in names and [n for n in names if n != "generator"] == own:
            return other
    return None


def _exchanged(generator: torch.Generator, func: Any, args: Any, kwargs: Any) -> Any:
    owner = _global(generator.device)
    with _lock:
        before = owner.get_state()
        owner.set_state(generator.get_state())
        try:
            found = func(*args, **kwargs)
            generator.set_state(owner.get_state())
        finally:
            owner.set_state(before)
    return found
