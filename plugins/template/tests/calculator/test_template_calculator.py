"""Deviation against its closed form, on dense, padded and ragged data alike."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import salience
from salience import Batch, Domain, Field, Layout, Tensors

LENGTHS = (4, 2, 3)


def rows() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, n, generator=generator, dtype=torch.float64) for n in LENGTHS]


WEIGHT = torch.tensor([1.0, -3.0], dtype=torch.float64)[:, None]


@dataclass(frozen=True)
class Padded(Domain):
    """Rows of different lengths, padded with a number that no mean may hold."""

    @property
    def layout(self):
        fields = {"x": Field(("item", "channel", "time"), mask="mask")}
        return Layout(fields | {"mask": Field(("item", "time"))})

    def read(self, data):
        return list(data)

    def collate(self, samples):
        x = nn.utils.rnn.pad_sequence([s.T for s in samples], True, 1e6).transpose(1, 2)
        mask = torch.arange(x.shape[2]) < torch.tensor([[s.shape[1]] for s in samples])
        return Batch({"x": x, "mask": mask}, self.layout, len(samples))


@dataclass(frozen=True)
class Ragged(Domain):
    """The same rows, one after the other."""

    @property
    def layout(self):
        fields = {"x": Field(("channel", "time")), "owner": Field(("time",), refers_to="item")}
        return Layout(fields, elements=("time",))

    def read(self, data):
        return list(data)

    def size(self, sample):
        return sample.shape[1]

    def collate(self, samples):
        counts = torch.tensor([s.shape[1] for s in samples])
        owner = torch.repeat_interleave(torch.arange(len(samples)), counts)
        arguments = {"x": torch.cat(list(samples), 1), "owner": owner}
        return Batch(arguments, self.layout, len(samples), {"time": counts})


def of_padded(x, mask):
    return (x * WEIGHT * mask[:, None]).sum((1, 2))


def of_ragged(x, owner):
    values = (x * WEIGHT).sum(0)
    return values.new_zeros(int(owner.max()) + 1).index_add(0, owner, values)


@pytest.mark.parametrize("keep", [(), ("channel",)])
@pytest.mark.parametrize("max_rows", [4, 100])
@pytest.mark.parametrize(("model", "domain"), [(of_padded, Padded()), (of_ragged, Ragged())])
def test_the_mean_is_that_of_the_real_positions_of_each_item(model, domain, max_rows, keep):
    options = ":keep=[channel]" if keep else ""
    explanation = salience.explain(
        model, rows(), domain, "deviation" + options, output="value", max_rows=max_rows
    )
    for found, x in zip(explanation.values, rows(), strict=True):
        mean = x.mean(1, keepdim=True) if keep else x.mean()
        expected = WEIGHT * (x - mean)
        # Values of ragged items have the axis of elements in front.
        found = found if found.shape == expected.shape else found.T
        torch.testing.assert_close(found, expected)


def test_values_of_a_linear_model_sum_to_the_change_from_the_mean():
    x, w = torch.randn(5, 4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    explanation = salience.explain(lambda x: x @ w, x, Tensors(), "deviation", output="value")
    expected = x @ w - x.mean(1) * w.sum()
    torch.testing.assert_close(explanation.values.sum(1), expected)
