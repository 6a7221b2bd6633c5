"""Padded items come back in the axes that the domain declares, whatever is padded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import Batch, Domain, Field, InputError, Layout, Mean, PerItem, Target


@dataclass(frozen=True)
class Boxes(Domain):
    """Items of several axes, each of which may differ in length from item to item.

    Args:
        axes: Name of each axis of an item; the padded ones begin with ``"p"``.
        item_at: Position of the item axis in the model's argument.
    """

    axes: tuple[str, ...] = ("p0", "band", "p1")
    item_at: int = 0
    reduce: tuple[str, ...] = ()
    output: Any = "value"
    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        padded = tuple(axis for axis in self.axes if axis.startswith("p"))
        axes = (*self.axes[: self.item_at], "item", *self.axes[self.item_at :])
        fields = {"x": Field(axes, mask="real"), "real": Field(("item", *padded))}
        return Layout(fields, reduce=self.reduce)

    def read(self, data: Any) -> list[Tensor]:
        return list(data)

    def collate(self, samples: Any) -> Batch:
        shape = [max(one.shape[i] for one in samples) for i in range(len(self.axes))]
        padded = [i for i, axis in enumerate(self.axes) if axis.startswith("p")]
        x = samples[0].new_zeros(len(samples), *shape)
        real = torch.zeros(len(samples), *(shape[i] for i in padded), dtype=torch.bool)
        for row, one in enumerate(samples):
            x[(row, *(slice(n) for n in one.shape))] = one
            real[(row, *(slice(one.shape[i]) for i in padded))] = True
        return Batch({"x": x.movedim(0, self.item_at), "real": real}, self.layout, len(samples))


FORMS = {
    "the last of two": (("band", "p0"), [(4, 5), (4, 3), (4, 4)]),
    "the first of two": (("p0", "band"), [(5, 4), (3, 4), (4, 4)]),
    "the only one": (("p0",), [(5,), (3,), (1,)]),
    "two of two": (("p0", "p1"), [(5, 2), (3, 4), (4, 3)]),
    "two around a third": (("p0", "band", "p1"), [(5, 2, 2), (3, 2, 4), (4, 2, 3)]),
    "two behind a third": (("band", "p0", "p1"), [(2, 5, 2), (2, 3, 4), (2, 4, 3)]),
    "the middle": (("band", "p0", "bin"), [(2, 5, 3), (2, 3, 3), (2, 4, 3)]),
}


def items(shapes: list[tuple[int, ...]]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).double() for shape in shapes]


def model(item_at: int = 0) -> Any:
    """Σ sin(x · (1 + index along each axis)), over real positions; each item by itself."""

    def forward(x: Tensor, real: Tensor | None = None) -> Tensor:
        x = x.movedim(item_at, 0)
        weight = x.new_ones(())
        for axis, length in enumerate(x.shape[1:]):
            along = torch.arange(1.0, length + 1, dtype=x.dtype)
            weight = weight * along.reshape([-1 if i == axis else 1 for i in range(x.ndim - 1)])
        return (weight * x).sin().flatten(1).sum(1)

    return forward


def alone(one: Tensor) -> Tensor:
    """The gradient of a single item, by autograd."""
    one = one.clone().requires_grad_()
    model()(one[None]).sum().backward()
    assert one.grad is not None
    return one.grad


@pytest.mark.parametrize("item_at", [0, 1])
@pytest.mark.parametrize("max_rows", [1, 2, 9])
@pytest.mark.parametrize("form", FORMS)
def test_gradients_have_the_axes_of_the_item(form: str, max_rows: int, item_at: int) -> None:
    axes, shapes = FORMS[form]
    data = items(shapes)
    explainer = salience.Explainer(model(item_at), Boxes(axes, item_at), max_rows=max_rows)
    found = explainer.explain(data)
    kept = explainer.compute(data).values
    for one, values, draws in zip(data, found.values, kept, strict=True):
        torch.testing.assert_close(values, alone(one), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(draws[0], values, rtol=0, atol=0)


@pytest.mark.parametrize("form", FORMS)
def test_occlusion_and_paths_have_the_axes_of_the_item(form: str) -> None:
    axes, shapes = FORMS[form]
    data = items(shapes)
    for method in ("occlusion", "integrated_gradients"):
        found = salience.explain(model(), data, Boxes(axes), method)
        for i, (one, values) in enumerate(zip(data, found.values, strict=True)):
            single = salience.explain(model(), [one], Boxes(axes), method)
            assert values.shape == one.shape
            torch.testing.assert_close(values, single.values[0], rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(found.item(i).values[0], values, rtol=0, atol=0)


@pytest.mark.parametrize("form", FORMS)
def test_baselines_have_the_axes_of_the_item(form: str) -> None:
    axes, shapes = FORMS[form]
    data, base = items(shapes), [one / 3 for one in items(shapes)]
    method = salience.IntegratedGradients(steps=300, baseline=PerItem(base))
    found = salience.explain(model(), data, Boxes(axes), method)
    for one, own, values in zip(data, base, found.values, strict=True):
        fine = salience.explain(
            model(), one[None], salience.Tensors(("item", *axes), output="value"),
            salience.IntegratedGradients(steps=300, baseline=own),
        )  # fmt: skip
        torch.testing.assert_close(values, fine.values[0], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("form", [name for name in FORMS if name != "the only one"])
def test_a_mean_is_taken_over_padded_axes_and_kept_along_the_others(form: str) -> None:
    axes, shapes = FORMS[form]
    data = items(shapes)
    padded = [i for i, axis in enumerate(axes) if axis.startswith("p")]
    kept = [
        one.movedim(padded, list(range(len(padded)))).flatten(0, len(padded) - 1) for one in data
    ]
    mean = torch.cat(kept).mean(0)
    for place in padded:
        mean = mean.unsqueeze(place)
    method = salience.IntegratedGradients(steps=300, baseline=Mean(data))
    found = salience.explain(model(), data, Boxes(axes), method)
    truth = [model()(one[None]) - model()(mean.expand(one.shape)[None]) for one in data]
    torch.testing.assert_close(found.delta, torch.cat(truth), rtol=1e-10, atol=1e-10)


def test_a_padded_axis_whose_real_positions_fill_no_box_is_listed() -> None:
    layout = Layout(
        {"x": Field(("item", "p0", "p1"), mask="real"), "real": Field(("item", "p0", "p1"))}
    )
    real = torch.tensor([[[True, False], [True, True]], [[True, True], [True, True]]])

    @dataclass(frozen=True)
    class Ragged(Boxes):
        @property
        def layout(self) -> Layout:
            return layout

        def collate(self, samples: Any) -> Batch:
            return Batch({"x": torch.stack(samples), "real": real}, layout, len(samples))

    data = items([(2, 2), (2, 2)])
    found = salience.explain(lambda x, real: (x.sin() * real).sum((1, 2)), data, Ragged())
    torch.testing.assert_close(found.values[0], data[0].cos()[real[0]], rtol=1e-12, atol=0)
    torch.testing.assert_close(found.values[1], data[1].cos().flatten(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("form", FORMS)
def test_tables_and_files_keep_the_axes(form: str, tmp_path: Path) -> None:
    axes, shapes = FORMS[form]
    data = items(shapes)
    made = salience.explain(model(), data, Boxes(axes), samplers=["gaussian"], n_samples=3)
    frame = made.to_dataframe()
    for (_, row), value in zip(
        frame.iterrows(), torch.cat([v.flatten() for v in made.values]), strict=True
    ):
        own = made.values[row.id]
        position = row.position if isinstance(row.position, tuple) else (row.position,)
        assert float(own[position]) == row.saliency == float(value)
    made.save(tmp_path / "made.salience")
    back = salience.Explanation.load(tmp_path / "made.salience")
    for one, other in zip(made.values, back.values, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    for one, other in zip(made.std_error, back.std_error, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_sums_over_axes_leave_the_others_where_they_are() -> None:
    axes, shapes = FORMS["two around a third"]
    data = items(shapes)
    found = salience.explain(model(), data, Boxes(axes, reduce=("band",)), aggregator="raw")
    for one, values in zip(data, found.values, strict=True):
        torch.testing.assert_close(values, alone(one).sum(1), rtol=1e-12, atol=1e-12)


class Recurrent(nn.Module):
    """An LSTM over frames that come first, then the mean over real frames."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.LSTM(3, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        state, _ = self.body(x.movedim(1, 2))
        total: Tensor = (self.head(state)[..., 0] * real.T).sum(0)
        return total


def test_frames_may_come_before_items() -> None:
    torch.manual_seed(0)
    net, data = Recurrent().double(), items([(5, 3), (3, 3), (4, 3)])

    @dataclass(frozen=True)
    class TimeFirst(Boxes):
        pass

    domain = TimeFirst(("p0", "band"), item_at=2)
    found = salience.explain(net, data, domain, samplers=["gaussian:scale=0.0"], n_samples=2)
    for one, values in zip(data, found.values, strict=True):
        x = one.clone().requires_grad_()
        net(x[:, :, None], torch.ones(1, len(one))).sum().backward()
        torch.testing.assert_close(values, x.grad, rtol=1e-10, atol=1e-10)


WRONG: dict[str, dict[str, Any]] = {
    "reduce names no axis": {"reduce": ("bnad",), "inner": ("item", "unit")},
    "reduce names the items": {"reduce": ("item",)},
    "reduce names a padded axis": {"reduce": ("frame",)},
    "the mask is no argument": {"mask": "reel"},
    "the mask has another axis": {"mask": "wide"},
    "inner_mask is no argument": {"inner_mask": "reel"},
    "main is no argument": {"main": "y"},
    "counts names no axis": {"counts": "atom"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_layout_that_contradicts_itself_is_refused_when_it_is_made(wrong: str) -> None:
    other = dict(WRONG[wrong])
    fields = {
        "x": Field(("item", "band", "frame"), mask=other.pop("mask", "real")),
        "real": Field(("item", "frame")),
        "wide": Field(("item", "bin")),
        "n": Field(counts=other.pop("counts", None)),
    }
    with pytest.raises(InputError):
        Layout(fields, **other)


def test_a_sum_over_an_axis_that_no_target_has_is_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="reduce names the axis 'bnad'"):
        salience.Explainer(model(), Boxes(("band", "p0"), reduce=("bnad",)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.uint8])
def test_a_mask_is_boolean(dtype: torch.dtype) -> None:
    layout = Boxes(("band", "p0")).layout
    with pytest.raises(InputError, match="is a mask of"):
        Batch({"x": torch.ones(1, 2, 3), "real": torch.ones(1, 3, dtype=dtype)}, layout, 1)


def test_an_inner_target_is_masked_along_the_axis_that_it_shares() -> None:
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv1d(4, 6, 1)

        def forward(self, x: Tensor, real: Tensor) -> Tensor:
            total: Tensor = (self.body(x).sin() * real[:, None]).sum((1, 2))
            return total

    @dataclass(frozen=True)
    class Inner(Boxes):
        @property
        def layout(self) -> Layout:
            fields = {
                "x": Field(("item", "band", "p0"), mask="real"),
                "real": Field(("item", "p0")),
            }
            return Layout(fields, inner_mask="real")

    net, data = Net().double(), items([(4, 5), (4, 3)])
    target = Target("body", axes=("item", "unit", "p0"))
    found = salience.explain(net, data, Inner(("band", "p0")), target=target)
    for one, values in zip(data, found.values, strict=True):
        torch.testing.assert_close(values, net.body(one[None])[0].cos(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_labelled_arrays_name_the_axes_of_padded_items(form: str) -> None:
    axes, shapes = FORMS[form]
    data = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    found = salience.explain(lambda x, real: x.square().flatten(1).sum(1), data, Boxes(axes))
    made = found.to_xarray()["saliency"]
    padded = [axis for axis in axes if axis.startswith("p")]
    dense = [axis for axis in axes if axis not in padded]
    assert made.dims == ("position", *dense)
    for item, values in enumerate(found.values):
        own = made[(made["item_of_position"] == item).to_numpy()]
        places = [(f"place_{axis}" if len(padded) > 1 else "place") for axis in padded]
        for row in own:
            along = dict(zip(padded, (int(row[place]) for place in places), strict=True))
            at = tuple(along.get(axis, slice(None)) for axis in axes)
            assert values[at].tolist() == row.to_numpy().tolist()


class Unmasked(Boxes):
    """Pads without naming the mask."""

    @property
    def layout(self) -> Layout:
        own = super().layout
        axes = own.fields["x"].axes
        return Layout({"x": Field(axes), "real": own.fields["real"]}, reduce=self.reduce)


@pytest.mark.parametrize("keep", [False, True], ids=["aggregated", "kept"])
def test_padding_whose_mask_is_not_named_is_refused_by_its_mend(keep: bool) -> None:
    data = [torch.ones(n, 2) for n in (3, 5)]
    explainer = salience.Explainer(
        lambda x, real: (x * real[..., None]).sum((1, 2)), Unmasked(("p0", "band")), max_rows=1
    )
    with pytest.raises(
        InputError, match=r"name their mask in Field\.mask.*docs/authors/padded\.md"
    ):
        explainer.compute(data) if keep else explainer.explain(data)
