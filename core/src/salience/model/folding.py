"""Folding of a batch normalisation into the convolution before it, for cheaper passes.

In eval mode a batch normalisation is an affine map of each channel, which the convolution's weight
and bias can include (Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", 2018, section 3.2). The model stays the same function except for
rounding: integrated gradients of EfficientNet-Lite0 in float32 differ from those in float64 by
1.7e-3 with folding and by 1.1e-3 without (relative norm, one photo). 128 gradients took 3.2 s with
folding, 3.7 s without.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from salience.support.hooks import removing


class NotExactError(Exception):
    """Raised where a pass shows that a speed-up changes the model; holds the speed-up's name."""


# Functions that ask for what a tensor is and not for its values.
_METADATA = {"size", "dim", "ndimension", "numel", "nelement", "stride", "is_contiguous"}
_METADATA |= {"__len__", "__hash__", "element_size", "storage_offset", "get_device"}
_METADATA |= {"is_floating_point", "is_complex"}
_PROPERTIES = {"shape", "ndim", "dtype", "device", "layout", "requires_grad", "is_leaf", "grad_fn"}
_PROPERTIES |= {"is_cuda", "is_cpu", "is_meta", "is_sparse", "is_quantized", "itemsize", "nbytes"}


class _Readers(TorchFunctionMode):
    """Notes the convolutions whose output is read by more than their normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[int, tuple[weakref.ref[Tensor], nn.Conv2d]] = {}
        #: The convolutions whose output something else has read.
        self.read: set[nn.Conv2d] = set()
        #: The convolution whose normalisation runs.
        self.inside: nn.Conv2d | None = None

    def add(self, output: Tensor, convolution: nn.Conv2d) -> None:
        """Follow what a convolution returned, until it is freed and its id may be used again."""
        number, made = id(output), self._made
        made[number] = weakref.ref(output, lambda _: made.pop(number, None)), convolution

    def source(self, value: Any) -> nn.Conv2d | None:
        """The convolution that returned this very tensor; ``None`` for any other value."""
        held = self._made.get(id(value))
        return None if held is None else held[1]

    def meet(self, values: Iterable[Any]) -> None:
        """Note that values are read."""
        for value in values:
            if isinstance(value, list | tuple):
                self.meet(value)
            elif (source := self.source(value)) is not None and source is not self.inside:
                self.read.add(source)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if self._made and not _asks_for_metadata(func):
            self.meet((*args, *kwargs.values()) if kwargs else args)
        return func(*args, **(kwargs or {}))


def _asks_for_metadata(func: Any) -> bool:
    name = getattr(func, "__name__", "")
    if name == "__get__":
        return getattr(getattr(func, "__self__", None), "__name__", "") in _PROPERTIES
    return name in _METADATA


class Folding:
    """Pairs of a convolution and the batch normalisation of its output, in a replica.

    Args:
        root: The replica. :meth:`fold` replaces its normalisations by identities and gives its
            convolutions new weights; the user's weights are not written to.
    """

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self._pairs: dict[nn.BatchNorm2d, nn.Conv2d] = {}
        #: Identity in the place of a normalisation → its convolution.
        self._folded: dict[nn.Identity, nn.Conv2d] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Find the pairs that :meth:`fold` may take, in the forward pass inside the context.

        In a pair, each of the two is called once, the normalisation takes exactly the tensor that
        the convolution returned, and nothing else reads that tensor.
        """
        calls: Counter[nn.Module] = Counter()
        found: dict[nn.BatchNorm2d, nn.Conv2d] = {}
        readers = _Readers()

        def after(module: nn.Conv2d, args: Any, output: Tensor) -> None:
            calls[module] += 1
            readers.add(output, module)

        def before(module: nn.BatchNorm2d, args: Any) -> None:
            calls[module] += 1
            source = readers.source(args[0]) if args else None
            if source is not None:
                found[module] = readers.inside = source

        def behind(module: nn.BatchNorm2d, args: Any, output: Tensor) -> None:
            readers.inside = None

        with removing() as add:
            for module in self._root.modules():
                if isinstance(module, nn.Conv2d) and _is_free(module):
                    add(module.register_forward_hook(after))
                elif _keeps_statistics(module) and _is_free(module):
                    add(module.register_forward_pre_hook(before))
                    add(module.register_forward_hook(behind))
            with readers:
                yield
        taken = Counter(found.values())
        self._pairs = {
            n: c
            for n, c in found.items()
            if calls[n] == calls[c] == taken[c] == 1 and c not in readers.read
        }

    @contextmanager
    def guarding(self, returned: Callable[[], Any]) -> Iterator[None]:
        """Check that nothing but its normalisation reads what a folded convolution returns.

        Args:
            returned: The model's output, asked for after the forward pass inside the context.

        Raises:
            NotExactError: Something else has read it.
        """
        readers = _Readers()

        def after(module: nn.Conv2d, args: Any, output: Tensor) -> None:
            readers.add(output, module)

        def behind(module: nn.Identity, args: Any, output: Tensor) -> Tensor:
            # Another tensor object, so that reading it is told apart from reading the output of
            # the convolution.
            readers.inside = self._folded[module]
            other = output.view_as(output)
            readers.inside = None
            return other

        with removing() as add:
            for identity, convolution in self._folded.items():
                add(convolution.register_forward_hook(after))
                add(identity.register_forward_hook(behind))
            with readers:
                yield
        readers.meet(tree_leaves(returned()))
        if readers.read:
            raise NotExactError("folding")

    def fold(self) -> bool:
        """Include each normalisation in its convolution's weight and bias, and take it out.

        Returns:
            Whether there was any pair to fold.
        """
        for norm, convolution in self._pairs.items():
            assert norm.running_mean is not None and norm.running_var is not None
            scale = (norm.running_var + norm.eps).rsqrt()
            scale = scale if norm.weight is None else scale * norm.weight
            shift = -norm.running_mean * scale
            shift = shift if norm.bias is None else shift + norm.bias
            if convolution.bias is not None:
                shift = shift + convolution.bias * scale
            _set(convolution, (convolution.weight * scale[:, None, None, None]).detach(), shift)
        for parent in list(self._root.modules()):
            for name, child in parent._modules.items():
                if isinstance(child, nn.BatchNorm2d) and child in self._pairs:
                    parent._modules[name] = identity = nn.Identity()
                    self._folded[identity] = self._pairs[child]
        return bool(self._pairs)


def _set(convolution: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(bias.detach(), requires_grad=False)


def _keeps_statistics(module: nn.Module) -> bool:
    """Whether a module is exactly ``BatchNorm2d`` and uses running statistics."""
    return type(module) is nn.BatchNorm2d and module.running_var is not None


def _is_free(module: nn.Module) -> bool:
    """Whether a module has no hooks and no parametrised weights, so that it may be changed."""
    watched = module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
    return not watched and not torch.nn.utils.parametrize.is_parametrized(module)
