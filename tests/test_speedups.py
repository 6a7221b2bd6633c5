"""Each speed-up can be switched off and changes no result."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import Batch, Domain, InputError, Tensors
from salience.model.backward import gradients
from salience.model.outputs import make_output
from salience.model.probe import Probe, Values
from salience.model.speedups import SPEEDUPS
from salience.model.targets import resolve

IMAGES = Tensors(axes=("item", "channel", "height", "width"))
TABLE = Tensors(("item", "feature"), inner=("item", "unit"))
SETS = [names for n in range(len(SPEEDUPS) + 1) for names in combinations(SPEEDUPS, n)]


class Convolutional(nn.Module):
    """A convolution and its normalisation; writes down whether its passes have channels last."""

    def __init__(self, view: bool = False, elsewhere: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.view, self.elsewhere = view, elsewhere
        layouts: list[tuple[bool, bool]] = []
        self.layouts = layouts
        # Behind a function, so that a replica of this module writes to the same list.
        self._write = layouts.append
        with torch.no_grad():
            for values in (self.norm.running_mean, self.norm.weight, self.norm.bias):
                assert values is not None
                values.normal_()
            assert self.norm.running_var is not None
            self.norm.running_var.uniform_(0.1, 2)

    def forward(self, x: Tensor) -> Tensor:
        given = (x, self.convolution.weight)
        self._write(tuple(v.is_contiguous(memory_format=torch.channels_last) for v in given))  # type: ignore[arg-type]
        found = self.convolution(x)
        out: Tensor = self.norm(found).tanh()
        if self.elsewhere:
            out = out + found.square()
        return out.view(len(x), -1) if self.view else out.flatten(1)


class Writing(nn.Linear):
    """Writes down how many rows its passes have."""

    def __init__(self, n_in: int, n_out: int, passes: list[int]) -> None:
        super().__init__(n_in, n_out)
        self._write = passes.append

    def forward(self, x: Tensor) -> Tensor:
        self._write(len(x))
        return super().forward(x)


class Layered(nn.Module):
    """A layer before the target variable, which writes down its passes, and a layer after it.

    Args:
        most: Number of rows above which memory runs out behind the first layer.
    """

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.passes: list[int] = []
        self.stem = Writing(4, 6, self.passes)
        self.target = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        x = self.target(self.stem(x).tanh())
        if len(x) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.head(x.tanh())  # type: ignore[no-any-return]


def probe_of(model: nn.Module, domain: Domain, target: Any = "input", **settings: Any) -> Probe:
    variables = resolve(target, domain.layout, model)
    output = settings.pop("output", "predicted")
    return Probe(model, domain, variables, make_output(output), **settings)


def batch_of(domain: Domain, data: Any, probe: Probe) -> Batch:
    samples = domain.read(data)
    batch = domain.collate(samples[: len(samples)])
    return batch.to(probe.device, probe.dtype)


def row_of(batch: Batch) -> Batch:
    return batch.select(torch.zeros(1, dtype=torch.int64)).batch()


def images() -> Tensor:
    return torch.randn(3, 3, 8, 8)


def found_by(probe: Probe, batch: Batch) -> tuple[Tensor, Values]:
    """The output variable and its gradient at values beside the clean ones, two rows an item."""
    if not probe.speedups_settled:
        probe.use_speedups(SPEEDUPS, row_of(batch))
    values, output, _ = probe.predict(batch)
    fixed = probe.fix(output, torch.arange(batch.n_items))
    rows = batch.repeat(2)
    assert fixed is not None
    x = {v.name: rows.take(values[v.name], v.axes) * 1.1 for v in probe.variables}
    leaves = {name: value.detach().requires_grad_() for name, value in x.items()}
    with torch.enable_grad():
        scalars = probe(rows.batch(), leaves, fixed[rows.rows], rows.rows)
        found = gradients(scalars, leaves)
    return scalars.detach(), found


@pytest.mark.parametrize("names", SETS, ids="+".join)
@pytest.mark.parametrize("target", ["input", "target"])
def test_results_are_equal_with_any_of_the_speedups(target: str, names: Collection[str]) -> None:
    torch.manual_seed(1)
    inner = target == "target"
    model: nn.Module = Layered().double() if inner else Convolutional().double()
    domain = TABLE if inner else IMAGES
    data = torch.randn(3, 4) if inner else images()
    found, plain = (
        found_by(probe, batch_of(domain, data, probe))
        for probe in (
            probe_of(model, domain, target, speedups=used) for used in (names, ())
        )
    )  # fmt: skip
    torch.testing.assert_close(found, plain, rtol=1e-11, atol=1e-13)
    assert plain[0].abs().max() > 1e-2


@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_folding_and_channels_last_are_in_use_where_they_are_named(
    names: Collection[str], normalised: list[int]
) -> None:
    model = Convolutional().double()
    probe = probe_of(model, IMAGES, speedups=names)
    batch = batch_of(IMAGES, images(), probe)
    probe.use_speedups(SPEEDUPS, row_of(batch))
    held = tuple(name for name in ("folding", "channels_last") if name in names)
    assert probe.speedups_in_use == held
    normalised.clear()
    model.layouts.clear()
    probe.predict(batch)
    assert len(normalised) == (0 if "folding" in names else 1)
    last = "channels_last" in names
    assert model.layouts == [(last, last)]


def test_nothing_is_tried_that_is_switched_off() -> None:
    model = Convolutional()
    probe = probe_of(model, IMAGES, speedups=["upstream"])
    batch = batch_of(IMAGES, images(), probe)
    probe.predict(batch)
    probe.predict(batch)
    assert len(model.layouts) == 2


@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_upstream_is_reused_where_it_is_named(names: Collection[str]) -> None:
    model = Layered().double()
    probe = probe_of(model, TABLE, "target", speedups=names)
    batch = batch_of(TABLE, torch.randn(3, 4), probe)
    found_by(probe, batch)
    found_by(probe, batch)
    assert model.passes == ([3, 3] if "upstream" in names else [3, 6, 3, 6])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_second_probe_takes_over_what_held_bit_by_bit(
    dtype: torch.dtype, normalised: list[int]
) -> None:
    model = Convolutional().to(dtype)
    first, second = probe_of(model, IMAGES), probe_of(model, IMAGES)
    batch = batch_of(IMAGES, images(), first)
    first.use_speedups(SPEEDUPS, row_of(batch))
    model.layouts.clear()
    second.use_speedups(first.speedups_in_use, row_of(batch))
    assert len(model.layouts) == 1
    normalised.clear()
    one, other = found_by(first, batch), found_by(second, batch)
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert normalised == []
    assert model.layouts[1:] == [(True, True)] * 4


@pytest.mark.parametrize("names", [("folding",), ("channels_last",), ()])
def test_only_what_is_named_is_taken_over(names: Collection[str], normalised: list[int]) -> None:
    model = Convolutional()
    probe = probe_of(model, IMAGES)
    batch = batch_of(IMAGES, images(), probe)
    probe.use_speedups(names, row_of(batch))
    normalised.clear()
    probe.predict(batch)
    probe.predict(batch)
    assert len(normalised) == (0 if "folding" in names else 2)
    last = "channels_last" in names
    assert model.layouts[-2:] == [(last, last)] * 2
    assert probe.speedups_in_use == tuple(names)


def test_what_is_read_elsewhere_is_not_folded() -> None:
    for model, folded in [(Convolutional(), True), (Convolutional(elsewhere=True), False)]:
        probe = probe_of(model, IMAGES)
        probe.use_speedups(["folding"], row_of(batch_of(IMAGES, images(), probe)))
        assert probe.speedups_in_use == (("folding",) if folded else ())


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("view", [False, True])
def test_what_changes_the_model_is_switched_off(view: bool, elsewhere: bool) -> None:
    torch.manual_seed(1)
    model = Convolutional(view, elsewhere).double()
    settings: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 5, "output": "class:0"}
    found = salience.explain(model, images(), IMAGES, **settings)
    plain = salience.explain(model, images(), IMAGES, speedups=(), **settings)
    torch.testing.assert_close(found.values.shape, plain.values.shape)
    outcomes = {v.assumption: v.outcome for v in found.preflight.verdicts}
    assert outcomes.get("speed-up channels_last") == ("fallback" if view else "holds")
    assert outcomes.get("speed-up folding") == (None if elsewhere else "holds")


def test_drawn_weights_and_inner_targets_forbid_changes_of_the_replica() -> None:
    model = Convolutional()
    inner = Tensors(IMAGES.axes, inner=("item", "channel", "height", "width"))
    for domain, target, vary in [
        (IMAGES, "input", True),
        (inner, "norm", False),
        (inner, ["input", "norm"], False),
    ]:
        probe = probe_of(model, domain, target, weights_vary=vary)
        row = row_of(batch_of(domain, images(), probe))
        probe.use_speedups(SPEEDUPS, row)
        assert probe.speedups_in_use == ()
        assert model.layouts == []
        probe.predict(row)
        assert model.layouts.pop() == (False, False)
        assert isinstance(probe.model.norm, nn.BatchNorm2d)


def test_drawn_weights_and_other_targets_forbid_reuse_of_outputs() -> None:
    model = Layered().double()
    for target, vary in [("target", True), ("input", False)]:
        model.passes.clear()
        probe = probe_of(model, TABLE, target, weights_vary=vary)
        found_by(probe, batch_of(TABLE, torch.randn(3, 4), probe))
        assert model.passes == [3, 6]


def test_ragged_elements_forbid_reuse_of_outputs(graphs: Any) -> None:
    model, domain = graphs.models()[0], graphs.ragged()
    passes: list[int] = []
    model.own = Writing(3, 4, passes).double()
    probe = probe_of(model, domain, "dropout", output="value")
    batch = batch_of(domain, graphs.data, probe)
    values, _, _ = probe.predict(batch)
    probe(batch, values, None, torch.arange(batch.n_items))
    n_atoms = int(batch.counts["atom"].sum())
    assert passes == [n_atoms, n_atoms]


def test_memory_that_runs_out_in_the_first_clean_pass_leaves_nothing_to_try() -> None:
    model = Layered(most=2).double()
    settings: dict[str, Any] = {"target": "target", "samplers": ["gaussian"], "n_samples": 4}
    x = torch.randn(5, 4)
    found = salience.explain(model, x, TABLE, max_rows=4, **settings)
    model.most = 100
    expected = salience.explain(model, x, TABLE, max_rows=4, **settings)
    torch.testing.assert_close(found.values, expected.values, rtol=1e-12, atol=1e-14)


def test_unknown_speedups_and_rows_that_do_not_fit_are_refused() -> None:
    model = Convolutional()
    with pytest.raises(InputError, match="'fold'; did you mean 'folding'"):
        probe_of(model, IMAGES, speedups=["fold"])
    probe = probe_of(model, IMAGES)
    row = row_of(batch_of(IMAGES, images(), probe))
    with pytest.raises(InputError, match="'upsteam'; did you mean 'upstream'"):
        probe.use_speedups(["upsteam"], row)
    wrong = row_of(batch_of(IMAGES, torch.randn(1, 5, 8, 8), probe))
    with pytest.raises(InputError, match=r"cannot be run on this data \(x \(1, 5, 8, 8\)"):
        probe_of(model, IMAGES).use_speedups(["folding"], wrong)
