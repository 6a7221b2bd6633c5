"""The domain of spectra: reads spectra and collates them into the model's argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from salience import Batch, Domain, Explanation, Field, InputError, Layout
from salience.errors import an, brief
from salience_template.dense.payload import payload_of

# Axes are named, so that no code depends on axis numbers. "item" is the axis that counts items; the
# other names are free.
AXES = ("item", "channel", "wavelength")


# A frozen dataclass, whose fields are the settings. Settings are saved as JSON with every result,
# so use types that JSON can represent.
@dataclass(frozen=True)
class Spectra(Domain):
    """The domain of spectra of equal length: intensity by channel and wavelength.

    A channel is, for example, a detector or a polarisation.

    Args:
        wavelengths: Wavelength of each position; where ``None``, positions are numbered from 0.
        unit: Unit of the wavelengths, for the axis label of the plot.
        target: Target variable by default: ``"input"``, or the path of a module whose output has
            shape (B, units, W).
    """

    # The name under which plugin.py registers the visualizer.
    visualizer: ClassVar[str] = "spectrum"
    # Endings of the files that `read` takes.
    suffixes: ClassVar[Sequence[str]] = (".npy",)

    wavelengths: Sequence[float] | None = None
    unit: str = "nm"
    target: str = "input"

    def __post_init__(self) -> None:
        super().__post_init__()
        # A user may pass an array; a tuple of floats, unlike an array, can be compared and hashed.
        if self.wavelengths is not None:
            object.__setattr__(self, "wavelengths", _wavelengths(self.wavelengths))

    @property
    def layout(self) -> Layout:
        """Layout of the model's one argument: B spectra, C channels, W wavelengths.

        Saliency is summed over the channels, to shape (B, W).
        """
        # `inner` names the axes of target variables inside the model: a convolution, for example,
        # returns (B, units, W). The units together are one variable, which `components` says.
        return Layout(
            {"intensity": Field(AXES)},
            reduce=("channel",),
            inner=("item", "unit", "wavelength"),
            components=("unit",),
        )

    def read(self, data: Any) -> list[Tensor]:
        """Read an array or tensor of shape (B, C, W), or the path of an ``.npy`` file of one.

        Returns:
            One tensor of shape (C, W) for each spectrum.

        Raises:
            InputError: The data is of another kind, empty or not finite, or its number of positions
                differs from the number of ``wavelengths``.
        """
        # Refuse all invalid data here, before anything is computed. Each message is one sentence:
        # what was wrong, what was expected, how to mend it.
        # The command line passes a list of paths.
        if isinstance(data, list) and len(data) == 1:
            data = data[0]
        if isinstance(data, str | Path):
            data = _load(Path(data))
        if not isinstance(data, np.ndarray | Tensor):
            raise InputError(
                f"spectra cannot be read from {an(type(data).__name__)}; pass an array or tensor "
                f"of shape (items, channels, wavelengths), or the path of one .npy file"
            )
        if isinstance(data, np.ndarray) and data.dtype.kind in "fiu":
            data = torch.from_numpy(data.astype(float))
        if isinstance(data, Tensor) and (data.is_meta or data.layout != torch.strided):
            raise InputError("spectra are a tensor without values of its own; pass a dense one")
        if not isinstance(data, Tensor) or data.is_complex() or data.is_quantized:
            raise InputError(f"spectra hold {data.dtype}, expected real numbers; convert them")
        # A copy, so that later changes to the user's data do not change the explanation.
        spectra = data.detach().cpu().clone()
        if not spectra.is_floating_point():
            spectra = spectra.double()
        if spectra.ndim != 3 or 0 in spectra.shape:
            raise InputError(
                f"spectra have shape {tuple(spectra.shape)}, expected (items, channels, "
                f"wavelengths), none of them 0; add a missing axis, as in spectra[:, None]"
            )
        if self.wavelengths is not None and len(self.wavelengths) != spectra.shape[2]:
            raise InputError(
                f"{len(self.wavelengths)} wavelengths were given for spectra of "
                f"{spectra.shape[2]} positions; pass one a position"
            )
        wrong = (~spectra.isfinite()).nonzero()
        if len(wrong):
            item, channel, position = wrong[0].tolist()
            raise InputError(
                f"spectrum {item} holds {spectra[item, channel, position]} in channel {channel} "
                f"at position {position}, expected finite numbers; fill or drop it"
            )
        return list(spectra)

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        """Stack spectra into one batch; the annotation of each item holds its spectrum, to draw."""
        # torch.stack copies, so that a model that changes its input in place does not change the
        # samples.
        annotations = [{"intensity": sample} for sample in samples]
        return Batch(
            {"intensity": torch.stack(list(samples))},
            self.layout,
            len(samples),
            annotations=annotations,
        )

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        """Values (``wavelengths``) and ``unit`` of the plot's horizontal axis."""
        # The returned mapping is saved as JSON, so use lists, numbers and text.
        if self.wavelengths is None:
            return {"wavelengths": list(range(samples[0].shape[1])), "unit": "position"}
        return {"wavelengths": list(self.wavelengths), "unit": self.unit}

    # Optional: without it, a report shows the picture of the visualizer.
    def payload(self, explanation: Explanation, item: int) -> Mapping[str, Any] | None:
        """A series of intensities, for reports."""
        return payload_of(explanation, item)


def _wavelengths(given: Any) -> tuple[float, ...]:
    try:
        made = np.asarray(given, dtype=float)
    except (TypeError, ValueError, OverflowError):
        made = np.array(np.nan)
    if made.ndim != 1 or not np.isfinite(made).all():
        raise InputError(f"wavelengths={brief(given)}; pass a finite number for each position")
    return tuple(made.tolist())


# What NumPy raises of files that are damaged, one of them from a parser of Python code.
_DAMAGED = (OSError, ValueError, TypeError, SyntaxError, OverflowError, MemoryError, EOFError)


def _load(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)  # loading a pickle could run code
    except (*_DAMAGED, TokenError) as error:
        raise InputError(f"{str(path)!r} cannot be read ({error}); pass an .npy file") from error
