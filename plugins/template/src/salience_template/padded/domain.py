"""The domain of signals of different lengths, which are padded to the longest of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from salience import Batch, Domain, Explanation, Field, InputError, Layout


@dataclass(frozen=True)
class Signals(Domain):
    """The domain of signals: values by channel and time, with a length of each signal's own.

    The model is called as ``model(signal, mask)``: ``signal`` has shape (B, C, T), where T is that
    of the longest signal; ``mask`` has shape (B, T) and is true at the real times of each signal.
    Saliency is summed over the channels, and a signal of length t has t values, without padding.

    Args:
        rate: Samples a second, for the axis label of the plot.
        target: Target variable by default: ``"input"``, or the path of a module whose output has
            shape (B, units, T).
    """

    # The name under which plugin.py registers the visualizer.
    visualizer: ClassVar[str] = "signal_plot"
    # Endings of the files that `read` takes.
    suffixes: ClassVar[Sequence[str]] = (".npy",)

    rate: float = 1.0
    target: str = "input"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rate < float("inf"):
            raise InputError(f"rate={self.rate!r}; pass the number of samples a second")

    @property
    def layout(self) -> Layout:
        """Layout of the model's two arguments, the second of which marks what is no padding."""
        return Layout(
            {
                # `mask` names the argument that is true at the real positions of this one.
                "signal": Field(("item", "channel", "time"), mask="mask"),
                "mask": Field(("item", "time")),
            },
            reduce=("channel",),
            # The same of variables inside the model, whose units together are one variable.
            inner=("item", "unit", "time"),
            inner_mask="mask",
            components=("unit",),
        )

    def read(self, data: Any) -> list[Tensor]:
        """Read a list of arrays or tensors of shape (C, T), or of paths of ``.npy`` files of such.

        Returns:
            One floating-point tensor of shape (C, T) for each signal.

        Raises:
            InputError: The data is no list, is empty, or a signal is of another kind or shape, not
                finite, or has another number of channels than the first.
        """
        if not isinstance(data, list | tuple) or not data:
            raise InputError(
                "signals are a list with one array of shape (channels, times) for each, or with "
                "the path of its .npy file; pass one or more"
            )
        signals = [_signal(one, item) for item, one in enumerate(data)]
        channels = [len(signal) for signal in signals]
        if len(set(channels)) > 1:
            raise InputError(f"signals have {channels} channels; give all the same number")
        return signals

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        """Pad signals with zeros at their end, and mark what is real."""
        lengths = torch.tensor([sample.shape[1] for sample in samples])
        longest = int(lengths.max())
        return Batch(
            {
                "signal": torch.stack([pad(s, (0, longest - s.shape[1])) for s in samples]),
                "mask": torch.arange(longest) < lengths[:, None],
            },
            self.layout,
            len(samples),
            annotations=[{"signal": sample} for sample in samples],
        )

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        """The ``rate`` of the plot's horizontal axis."""
        return {"rate": self.rate}

    # Optional: without it, a report shows the picture of the visualizer.
    def payload(self, explanation: Explanation, item: int) -> Mapping[str, Any] | None:
        """A series of the values of a signal, for reports; docs/report.md has the form."""
        if not explanation.annotations:
            return None
        signal = explanation.annotations[item].get("signal")
        shapes = [tuple(found.values[item].shape) for found in explanation.saliency.values()]
        if not isinstance(signal, Tensor) or shapes != [signal.shape[1:]]:
            return None  # pooled groups, for example, are no times
        x = torch.arange(signal.shape[1]) / explanation.dataset_info["rate"]
        return {"view": "series", "x": x, "lines": signal, "x_label": "time (s)"}


def _signal(given: Any, item: int) -> Tensor:
    """One signal as a tensor of its own, so that later changes to the user's data do no harm."""
    if isinstance(given, str | Path):
        try:
            given = np.load(given, allow_pickle=False)  # loading a pickle could run code
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"signal {item} cannot be read ({error}); pass a .npy file") from error
    if isinstance(given, np.ndarray) and given.dtype.kind in "fiu":
        given = torch.from_numpy(given.astype(float))
    if not isinstance(given, Tensor) or given.is_complex():
        raise InputError(
            f"signal {item} is no array of real numbers; pass one of shape (channels, times)"
        )
    signal = given.detach().cpu().clone()
    if signal.ndim != 2 or 0 in signal.shape:
        raise InputError(
            f"signal {item} has shape {tuple(signal.shape)}, expected (channels, times), none of "
            f"them 0; add a missing axis, as in signal[None]"
        )
    if not signal.isfinite().all():
        raise InputError(f"signal {item} holds NaN or infinity; fill or drop it")
    return signal if signal.is_floating_point() else signal.double()
