"""Examples of the kit's own, on which parts that know no domain are tried.

One is dense, one padded and one ragged. The models are smooth, have dropout and batch normalisation
or none, and hold float64, so that sums are equal but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from salience.data.batch import Batch
from salience.data.domain import Domain
from salience.data.layout import Field, Layout
from salience.data.tensors import Tensors
from salience.errors import InputError, brief
from salience.testing.example import Example

_LENGTHS = (3, 1, 5, 4)


@dataclass(frozen=True)
class Padded(Domain):
    """Series of shape (position, channel), padded to the longest of a batch."""

    visualizer: ClassVar[str] = ""
    output: str = "value"

    @property
    def layout(self) -> Layout:
        """Layout of the series and their mask."""
        axes = ("item", "position", "channel")
        fields = {"x": Field(axes, mask="mask"), "mask": Field(axes[:2])}
        return Layout(fields, reduce=("channel",))

    def read(self, data: Any) -> list[Tensor]:
        """The series as they are."""
        return _listed(data)

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        """Pad with zeros."""
        lengths = torch.tensor([len(sample) for sample in samples])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        x = torch.nn.utils.rnn.pad_sequence(list(samples), batch_first=True)
        return Batch({"x": x, "mask": mask}, self.layout, len(samples))


@dataclass(frozen=True)
class Ragged(Domain):
    """Sets of elements with channels, all sets one after the other."""

    visualizer: ClassVar[str] = ""
    output: str = "value"

    @property
    def layout(self) -> Layout:
        """Layout of the elements, their owners and the number of sets."""
        fields = {
            "x": Field(("element", "channel")),
            "owner": Field(("element",), refers_to="item"),
            "n_sets": Field(counts="item"),
        }
        return Layout(fields, elements=("element",), reduce=("channel",))

    def read(self, data: Any) -> list[Tensor]:
        """The sets as they are."""
        return _listed(data)

    def size(self, sample: Tensor) -> int:
        """Number of elements."""
        return len(sample)

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        """Put the sets one after the other."""
        counts = torch.tensor([len(sample) for sample in samples])
        arguments = {
            "x": torch.cat(list(samples)),
            "owner": torch.repeat_interleave(counts),
            "n_sets": len(samples),
        }
        return Batch(arguments, self.layout, len(samples), {"element": counts})


def _listed(data: Any) -> list[Tensor]:
    if not isinstance(data, list) or not all(isinstance(one, Tensor) for one in data):
        raise InputError(f"the data is {brief(data)}; pass a list of tensors")
    return list(data)


class Net(nn.Module):
    """A smooth function of a sum over positions, with dropout before its last layer."""

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.body, self.dropout = nn.Linear(n_inputs, 6), nn.Dropout(0.4)
        self.head = nn.Linear(6, 1)
        generator = torch.Generator().manual_seed(7)
        for parameter in self.parameters():
            parameter.data = 0.6 * torch.randn(parameter.shape, generator=generator).double()

    def forward(self, x: Tensor) -> Tensor:
        """One value for each row of ``x``."""
        out: Tensor = self.head(self.dropout(torch.tanh(self.body(x))))
        return out


class PaddedNet(Net):
    """The same of padded series."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """One value for each series."""
        hidden = self.dropout(torch.tanh(self.body(x))) * mask[..., None]
        out: Tensor = self.head(hidden.sum(1))
        return out


class RaggedNet(Net):
    """The same of sets."""

    def forward(self, x: Tensor, owner: Tensor, n_sets: int) -> Tensor:  # type: ignore[override]
        """One value for each set."""
        hidden = self.dropout(torch.tanh(self.body(x)))
        out: Tensor = self.head(hidden.new_zeros(n_sets, 6).index_add(0, owner, hidden))
        return out


def examples() -> list[Example]:
    """The dense, the padded and the ragged example; the last two hold the same numbers."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(5, 4, generator=generator).double()
    series = [torch.randn(n, 2, generator=generator).double() for n in _LENGTHS]
    return [
        Example("the dense example", Tensors(), rows, Net(4), output="value"),
        Example("the padded example", Padded(), series, PaddedNet(2)),
        Example("the ragged example", Ragged(), series, RaggedNet(2)),
    ]
