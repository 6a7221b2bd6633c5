"""The domain of spectra: how they are read, and how the model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from salience import Batch, Domain, Field, InputError, Layout

# Axes have names, so that nobody counts axis numbers. "item" counts items; the others are free.
AXES = ("item", "channel", "wavelength")


# A frozen dataclass: its fields are the settings, and they are recorded with every result, so keep
# to settings that JSON can hold.
@dataclass(frozen=True)
class Spectra(Domain):
    """Spectra of one length: intensity by channel (detector, polarisation) and wavelength.

    Args:
        wavelengths: Wavelength of each position; positions are counted from 0 where ``None``.
        unit: Unit of the wavelengths, for the picture.
    """

    # The name under which plugin.py registers the visualizer.
    visualizer: ClassVar[str] = "spectrum"

    wavelengths: Sequence[float] | None = None
    unit: str = "nm"

    def __post_init__(self) -> None:
        # A user may pass an array; a tuple of floats can be compared, hashed and saved.
        if self.wavelengths is not None:
            object.__setattr__(self, "wavelengths", tuple(float(w) for w in self.wavelengths))

    @property
    def layout(self) -> Layout:
        """One argument, (B, C, W); an item's saliency is summed over channels, (W,)."""
        # `inner` names the axes of variables inside the model: a convolution returns (B, C, W) too.
        return Layout({"intensity": Field(AXES)}, reduce=("channel",), inner=AXES)

    def read(self, data: Any) -> list[Tensor]:
        """Read an array or tensor of shape (B, C, W), or the path of an ``.npy`` file of one.

        Returns:
            One tensor of shape (C, W) for each spectrum.

        Raises:
            InputError: The data is none of these, is empty or not finite, or does not fit the
                wavelengths.
        """
        # Refuse here whatever cannot be served. One sentence: what was wrong, what was expected,
        # how to mend it. The command line hands in a list of the paths that it was given.
        if isinstance(data, list) and len(data) == 1:
            data = data[0]
        if isinstance(data, str | Path):
            data = _load(Path(data))
        if not isinstance(data, np.ndarray | Tensor):
            raise InputError(
                f"spectra cannot be read from a {type(data).__name__}; pass an array or tensor of "
                f"shape (items, channels, wavelengths), or the path of one .npy file"
            )
        if isinstance(data, np.ndarray) and data.dtype.kind in "fiu":
            data = torch.from_numpy(data.astype(float))
        if not isinstance(data, Tensor) or data.is_complex():
            raise InputError(f"spectra hold {data.dtype}, expected real numbers; convert them")
        # A copy, so that what the user does to the data later does not change the explanation.
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
        """Stack spectra; each is kept beside, to be drawn."""
        # stack copies, so that a model that writes to its input does not reach the user's data.
        annotations = [{"intensity": sample} for sample in samples]
        return Batch(
            {"intensity": torch.stack(list(samples))},
            self.layout,
            len(samples),
            annotations=annotations,
        )

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        """The horizontal axis of the picture: ``wavelengths``, and their ``unit``."""
        # Facts are saved as JSON: lists, numbers and text.
        if self.wavelengths is None:
            return {"wavelengths": list(range(samples[0].shape[1])), "unit": "position"}
        return {"wavelengths": list(self.wavelengths), "unit": self.unit}


def _load(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)  # a pickle could run code
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read ({error}); pass an .npy file") from error
