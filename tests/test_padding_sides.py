"""Padding in front, behind and between: an item has the numbers that it has alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import salience
from salience import (
    Batch,
    Domain,
    Explainer,
    Field,
    InputError,
    IntegratedGradients,
    Layout,
    Mean,
    Occlusion,
    PerItem,
    Tensors,
)

SIDES: dict[str, Callable[[int, int], list[int]]] = {
    "behind": lambda n, longest: list(range(n)),
    "in front": lambda n, longest: list(range(longest - n, longest)),
    "between": lambda n, longest: [*range(n - 1), longest - 1],
}


@dataclass(frozen=True)
class Sided(Domain):
    """Frames of some bands, padded on a side; axes (item, band, frame) in any order.

    Args:
        side: Where padding is.
        axes: Names of the axes of the model's argument.
    """

    side: str = "behind"
    axes: tuple[str, ...] = ("item", "band", "frame")
    output: Any = "value"
    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        return Layout({"x": Field(self.axes, mask="real"), "real": Field(("item", "frame"))})

    def read(self, data: Any) -> list[Tensor]:
        return list(data)

    def collate(self, samples: Any) -> Batch:
        longest = max(one.shape[1] for one in samples)
        x = samples[0].new_full((len(samples), len(samples[0]), longest), 7.0)
        real = torch.zeros(len(samples), longest, dtype=torch.bool)
        for row, one in enumerate(samples):
            at = SIDES[self.side](one.shape[1], longest)
            x[row][:, at] = one
            real[row, at] = True
        x = x.permute([("item", "band", "frame").index(axis) for axis in self.axes])
        return Batch({"x": x, "real": real}, self.layout, len(samples))


def items(*lengths: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, n, generator=generator).double() for n in lengths]


def forward(axes: tuple[str, ...]) -> Callable[..., Tensor]:
    """Σ over bands of the squared sum of what neighbours in time make, without the padding."""

    def model(x: Tensor, real: Tensor) -> Tensor:
        x = x.permute([axes.index(axis) for axis in ("item", "band", "frame")])
        return ((x.sin() * x.cumsum(1)) * real[:, None]).sum(2).square().sum(1)

    return model


ORDERS = [("item", "band", "frame"), ("item", "frame", "band"), ("frame", "band", "item")]
METHODS: dict[str, Any] = {
    "gradient": "gradient",
    "paths": IntegratedGradients(8),
    "windows": Occlusion(window={"frame": 2}),
    "baselines of items": IntegratedGradients(8, PerItem([one / 2 for one in items(5, 3, 4)])),
}


@pytest.mark.parametrize("axes", ORDERS)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("samplers", [[], ["gaussian"], ["uniform"]], ids=str)
def test_an_item_has_the_numbers_that_it_has_alone(
    axes: tuple[str, ...], side: str, method: str, samplers: list[str]
) -> None:
    data, domain = items(5, 3, 4), Sided(side, axes)
    order = [("band", "frame").index(axis) for axis in axes if axis != "item"]
    calculator = METHODS[method]
    if method == "baselines of items":
        calculator = IntegratedGradients(8, PerItem([(one / 2).permute(order) for one in data]))
    settings: dict[str, Any] = {"samplers": samplers, "n_samples": 3 if samplers else 1}
    explainer = Explainer(forward(axes), domain)
    found = explainer.explain(data, calculator, ids=[0, 1, 2], **settings)
    for number, one in enumerate(data):
        own = calculator
        if method == "baselines of items":
            own = IntegratedGradients(8, PerItem([(one / 2).permute(order)]))
        single = explainer.explain([one], own, ids=[number], **settings).values[0]
        if method != "windows":  # which spans all bands
            assert single.shape == one.permute(order).shape
        torch.testing.assert_close(found.values[number], single, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_a_baseline_that_is_not_of_the_size_of_its_item_is_refused(side: str) -> None:
    data = items(5, 3)
    for shapes in ([(2, 5), (2, 5)], [(2, 5), (2, 2)], [(3, 5), (2, 3)], [(1, 5), (1, 2)]):
        base = PerItem([torch.zeros(shape) for shape in shapes])
        with pytest.raises(InputError, match="expected one that broadcasts against"):
            salience.explain(forward(ORDERS[0]), data, Sided(side), IntegratedGradients(4, base))


def test_lengths_count_the_real_positions() -> None:
    for side in SIDES:
        batch = Sided(side).collate(items(5, 3))
        view = salience.RowView.of(batch, ("item", "band", "frame"), "real")
        lengths = view.lengths("frame")
        assert lengths is not None and lengths.tolist() == [5, 3]


CONTRADICTIONS: dict[str, Callable[[], Layout]] = {
    "a word for a tuple of reduce": lambda: Layout({"x": Field(("item", "a"))}, reduce="a"),  # type: ignore[arg-type]
    "a word for axes": lambda: Layout({"x": Field("item")}),  # type: ignore[arg-type]
    "a mask of all items together": lambda: Layout(
        {"x": Field(("item", "a"), mask="m"), "m": Field(("a",))}
    ),
    "a mask of elements": lambda: Layout(
        {"x": Field(("atom", "a"), mask="m"), "m": Field(("atom",))}, elements=("atom",)
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_layout_that_contradicts_itself_is_refused_when_made(name: str) -> None:
    with pytest.raises(InputError):
        CONTRADICTIONS[name]()


def test_a_reference_to_what_has_no_counts_is_refused() -> None:
    layout = Layout({"x": Field(("atom",), refers_to="atm")}, elements=("atom",))
    counts = {"atom": torch.tensor([2, 1])}
    with pytest.raises(InputError, match="did you mean 'atom'"):
        Batch({"x": torch.tensor([0, 1, 0])}, layout, 2, counts)


# --- 16 bits --------------------------------------------------------------------------------------


def halved(weight: float, dtype: torch.dtype = torch.float16) -> nn.Linear:
    net = nn.Linear(4, 1, bias=False)
    nn.init.constant_(net.weight, weight)
    return net.to(dtype).eval()


def test_means_of_half_precision_data_are_not_summed_in_half_precision() -> None:
    data = torch.full((400, 4), 300.0).half()  # their sum is beyond the largest number of float16
    method = IntegratedGradients(4, Mean(data))
    found = salience.explain(halved(0.5), data[:2] + 1, Tensors(), method, output="value")
    torch.testing.assert_close(found.values, torch.full((2, 4), 0.5), rtol=2e-2, atol=1e-2)


@pytest.mark.parametrize("sampler", ["gaussian:scale=0.0001", "uniform:scale=0.0001"])
def test_a_range_beyond_half_precision_is_no_fault(sampler: str) -> None:
    data = torch.tensor([[-40000.0, 40000.0, 1.0, 2.0]]).half()
    found = salience.explain(
        halved(0.125), data, Tensors(), samplers=[sampler], n_samples=4, output="value"
    )
    torch.testing.assert_close(found.values, torch.full((1, 4), 0.125))


def test_gradient_times_target_is_multiplied_in_single_precision() -> None:
    data = torch.full((1, 4), 1e-4).half()
    found = salience.explain(
        halved(1e-4), data, Tensors(), "gradient:multiply_by_target=True", output="value"
    )
    truth = (data.double() * halved(1e-4).weight.double()).detach()
    torch.testing.assert_close(found.values.double(), truth, rtol=1e-3, atol=0.0)


# --- Masks as torch draws them --------------------------------------------------------------------

DROPPED: dict[str, tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = {
    "dropout1d (C, L)": (lambda x: F.dropout1d(x, 0.5, True), (6, 4)),
    "dropout1d (N, C, L)": (lambda x: F.dropout1d(x, 0.5, True), (6, 3, 4)),
    "dropout3d (C, D, H, W)": (lambda x: F.dropout3d(x, 0.5, True), (6, 2, 3, 2)),
    "dropout3d (N, C, D, H, W)": (lambda x: F.dropout3d(x, 0.5, True), (6, 2, 2, 3, 2)),
    "feature_dropout": (lambda x: torch.feature_dropout(x, 0.5, True), (6, 3, 4)),
    "feature_dropout_": (lambda x: torch.feature_dropout_(x.clone(), 0.5, True), (6, 3, 4)),
    "dropout_": (lambda x: torch.dropout_(x.clone(), 0.5, True), (6, 3)),
}


@pytest.mark.parametrize("name", DROPPED)
def test_masks_are_constant_where_those_of_torch_are(name: str) -> None:
    drop, shape = DROPPED[name]
    axes = ("item", *(f"axis{i}" for i in range(1, len(shape))))
    torch.manual_seed(0)
    free = torch.stack([drop(torch.ones(shape)) for _ in range(60)])
    samples = Explainer(lambda x: drop(x).flatten(1).sum(1), Tensors(axes), output="value").compute(
        torch.ones(shape), samplers=["mc_dropout"], n_samples=60
    )
    mine = samples.values
    for masks in (mine, free):
        assert set(masks.flatten().tolist()) == {0.0, 2.0}
    for axis in range(2, len(shape) + 1):
        alike = (free.amin(axis) == free.amax(axis)).all()
        assert (mine.amin(axis) == mine.amax(axis)).all() == alike
