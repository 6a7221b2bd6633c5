"""The fourteen faults of the module that is carried on, each of which would come back red here.

Where the old arithmetic shows the difference it is written down beside the new one, as `old`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import salience
from salience import (
    CrossEntropy,
    Explainer,
    GaussianNoise,
    InputError,
    IntegratedGradients,
    MCDropout,
    Occlusion,
    PerItem,
    Tensors,
)

ROWS = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)


def classifier(*inner: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), *inner, nn.Linear(8, 3)).double().eval()


# --- 1. Integrated gradients averaged both end points of linspace(0, 1, n) ------------------------


def cube(x: Tensor) -> Tensor:
    return (x**3).sum(1)


def test_fault_1_end_points_are_not_counted_in_full() -> None:
    one = torch.ones(1, 1, dtype=torch.float64)
    old = (3 * torch.linspace(0, 1, 5, dtype=torch.float64) ** 2).mean()
    assert old.item() == pytest.approx(1.125)  # 12.5 % too much
    errors = {}
    for rule in ("gauss_legendre", "trapezoid", "midpoint"):
        calculator = IntegratedGradients(steps=5, rule=rule)
        made = salience.explain(cube, one, Tensors(), calculator, output="value")
        errors[rule] = abs(made.values.item() - 1)
    assert errors["gauss_legendre"] < 1e-14
    # The error of the trapezoid with five points, four intervals, is 3 (1/4)² / 6.
    assert errors["trapezoid"] == pytest.approx(1 / 32)
    assert errors["midpoint"] == pytest.approx(3 / 12 / 25)


# --- 2. `baseline or 0.` raised on arrays ---------------------------------------------------------


@pytest.mark.parametrize(
    "baseline",
    [
        torch.tensor([0.5, 0.0, -1.0], dtype=torch.float64),
        np.array([0.5, 0.0, -1.0]),
        [0.5, 0.0, -1.0],
        PerItem(torch.tensor([[0.5, 0.0, -1.0]] * 4)),
        {"input": np.array([0.5, 0.0, -1.0])},
    ],
    ids=["tensor", "numpy", "list", "one an item", "mapping"],
)
def test_fault_2_a_baseline_may_be_an_array(baseline: Any) -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        np.array([0.5, 0.0, -1.0]) or 0.0  # old
    made = salience.explain(
        lambda x: x @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        ROWS,
        Tensors(),
        IntegratedGradients(3, baseline),
        output="value",
    )
    expected = (ROWS - torch.tensor([0.5, 0.0, -1.0])) * torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(made.values, expected, rtol=1e-12, atol=1e-12)


# --- 3. A loss averaged over the batch made gradients depend on the batch size --------------------


@pytest.mark.parametrize("max_rows", [1, 2, 100])
def test_fault_3_gradients_do_not_depend_on_the_batch_size(max_rows: int) -> None:
    model, labels = classifier(nn.Tanh()), torch.tensor([0, 1, 2, 1])
    made = salience.explain(model, ROWS, Tensors(), output=CrossEntropy(labels), max_rows=max_rows)
    leaf = ROWS.clone().requires_grad_()
    (old,) = torch.autograd.grad(F.cross_entropy(model(leaf), labels), leaf)
    torch.testing.assert_close(made.values, old * 4, rtol=1e-12, atol=1e-14)
    alone = salience.explain(model, ROWS[2:3], Tensors(), output=CrossEntropy(labels[2:3]))
    torch.testing.assert_close(made.values[2:3], alone.values, rtol=1e-12, atol=1e-14)


# --- 4. `train=True` flipped batch norm too, and redrew the mask at each path point ---------------


def test_fault_4_dropout_does_not_switch_batch_norm_to_training() -> None:
    model = classifier(nn.BatchNorm1d(8), nn.Dropout(0.5))
    model[1].running_mean.normal_()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    settings: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 5, "output": "class:0"}
    made = salience.explain(model, ROWS, Tensors(), ids=[3, 4, 5, 6], **settings)
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name])
    assert not model[1].training
    # In training mode the statistics of the batch would tie an item to its neighbours.
    alone = salience.explain(model, ROWS[1:2], Tensors(), ids=[4], **settings)
    torch.testing.assert_close(made.values[1:2], alone.values, rtol=1e-12, atol=1e-14)


def test_fault_4_one_mask_serves_all_path_points_of_a_draw() -> None:
    model = classifier(nn.Tanh(), nn.Dropout(0.5))
    made = Explainer(model, Tensors(), output="class:0").compute(
        ROWS, "integrated_gradients:steps=32", samplers=[MCDropout()], n_samples=10
    )
    assert made.values.std(0).max() > 1e-2  # the draws differ
    assert made.items.completeness_gap.max() < 1e-10

    def old(x: Tensor) -> Tensor:
        """The path integral with a new mask at each point, less f(x) − f(0) with yet others."""
        torch.manual_seed(0)
        model.train()
        leaf = (torch.linspace(0, 1, 33).double()[:, None, None] * x).requires_grad_()
        (gradient,) = torch.autograd.grad(model(leaf)[..., 0].sum(), leaf)
        total = (gradient.mean(0) * x).sum(1)
        return (total - (model(x) - model(torch.zeros_like(x)))[:, 0]).abs().detach()

    assert old(ROWS).max() > 1e-2


# --- 5. Padding was embedded, read out and entered the range of the noise -------------------------


@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients", "occlusion"])
def test_fault_5_padding_changes_neither_prediction_nor_saliency(
    calculator: str, graphs: Any
) -> None:
    ragged, padded = graphs.models(p=0.5)
    settings: dict[str, Any] = {
        "samplers": [GaussianNoise(0.3), MCDropout()],
        "n_samples": 4,
    }
    domain = graphs.ragged(reduce=("channel",))
    expected = salience.explain(ragged, graphs.data, domain, calculator, **settings)
    for least in (0, 6, 11):
        domain = graphs.padded(least=least, reduce=("channel",))
        made = salience.explain(padded, graphs.data, domain, calculator, **settings)
        torch.testing.assert_close(made.prediction, expected.prediction, rtol=1e-12, atol=1e-12)
        for got, wanted in zip(made.values, expected.values, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


def test_fault_5_the_range_of_the_noise_leaves_padding_out(graphs: Any) -> None:
    _, model = graphs.models()
    with torch.no_grad():
        model.embed.weight.copy_(10 + torch.rand(6, 3) * torch.tensor([1.0, 1.0, 1.0]))
    graph = graphs.data[0]
    real = model.embed.weight[list(graph.labels)].detach()
    old = torch.cat([real, torch.zeros(3, 3)])
    assert (old.max() - old.min()) > 5 * (real.max() - real.min())
    seen: list[Tensor] = []
    hook = model.own.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    salience.explain(
        model, [graph], graphs.padded(least=6), samplers=[GaussianNoise(1.0)], n_samples=200
    )
    hook.remove()
    noise = torch.cat([x[:, :3] for x in seen if not torch.equal(x[0, :3], real)]) - real
    spread = float(noise.std() / (real.max() - real.min()))
    assert spread == pytest.approx(1, abs=0.1)
    for x in seen:  # padding itself stays where it was
        assert x[:, 3:].eq(0).all()


# --- 6 to 9. Pictures of molecules ----------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def fills(svg: str, tag: str, kind: str) -> dict[int, tuple[int, int, int]]:
    """Number of each atom or bond → red, green and blue of what is drawn behind it."""
    found = {}
    for element in ET.fromstring(svg).iter(f"{SVG}{tag}"):
        number = re.match(rf"{kind}-(\d+)", element.get("class", ""))
        color = re.search("fill:#([0-9A-F]{6})", element.get("style", ""))
        if number and color:
            red, green, blue = (int(color[1][i : i + 2], 16) for i in (0, 2, 4))
            found[int(number[1])] = red, green, blue
    return found


class Weighing(nn.Module):
    """The sum over atoms of a weight for each element: its saliency is known."""

    def __init__(self, **weights: float) -> None:
        super().__init__()
        from rdkit import Chem

        self.embed = nn.Embedding(119, 1)
        with torch.no_grad():
            self.embed.weight.zero_()
            for symbol, weight in weights.items():
                number = Chem.GetPeriodicTable().GetAtomicNumber(symbol)
                self.embed.weight[number] = weight

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        values = self.embed(atoms)[:, 0]
        return values.new_zeros(int(owner.max()) + 1).index_add(0, owner, values)


def molecules(data: Any, **weights: float) -> salience.Explanation:
    pytest.importorskip("salience_molgraph")
    return salience.explain(
        Weighing(**weights), data, "molgraph", "gradient:multiply_by_target=True"
    )


def test_fault_6_bonds_are_blue_between_negative_atoms_and_red_only_between_strong_ones() -> None:
    # O −1, N +1, C +0.1: the bonds are O-O, N-N and N-C.
    made = molecules(["OO", "NN", "NC"], O=-1.0, N=1.0, C=0.1)
    assert [values.tolist() for values in made.values] == [
        pytest.approx(values) for values in ([-1.0, -1.0], [1.0, 1.0], [1.0, 0.1])
    ]
    drawings = [made.visualize(item, color_fn="bwr", limit=1.0).svg for item in range(3)]
    (oxygen,), (nitrogen,), (mixed,) = (fills(svg, "path", "bond").values() for svg in drawings)
    assert oxygen == (0, 0, 255)
    assert nitrogen == (255, 0, 0)
    # Half way between its atoms, at 0.55, not as red as the reddest of them.
    assert mixed[0] == 255 and mixed[1] == mixed[2] == pytest.approx(255 * 0.45, abs=1)


@pytest.mark.parametrize(("ratio", "kept"), [(0.0, 0), (0.1, 1), (0.3, 3), (0.5, 5), (1.0, 10)])
def test_fault_7_the_share_of_atoms_is_what_was_asked_for(ratio: float, kept: int) -> None:
    made = molecules(["C" * 10], C=1.0)
    assert len(fills(made.visualize(0, ratio=ratio).svg, "ellipse", "atom")) == kept
    old = min(int(10 * ratio) + 1, 10)
    assert old == kept + (ratio < 1)


@pytest.mark.parametrize(
    ("smiles", "oxygen"), [("OCC", [0]), ("C(O)C", [1]), ("CC(C(O)=O)N", [3, 4])]
)
def test_fault_8_atoms_stay_in_the_order_of_the_saliency(smiles: str, oxygen: list[int]) -> None:
    from rdkit import Chem

    old = Chem.MolFromSmiles(Chem.CanonSmiles(smiles))
    assert [atom.GetIdx() for atom in old.GetAtoms() if atom.GetSymbol() == "O"] != oxygen
    made = molecules([smiles], O=1.0, C=-0.1, N=-0.1)
    assert (made.values[0] == 1).nonzero().flatten().tolist() == oxygen
    mol = made.annotations[0]["mol"]
    assert [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetSymbol() == "O"] == oxygen
    colors = fills(made.visualize(0, color_fn="bwr").svg, "ellipse", "atom")
    assert [atom for atom, (red, _, _) in colors.items() if red == 255] == oxygen


def test_fault_9_drawing_does_not_change_the_callers_molecule() -> None:
    pytest.importorskip("salience_molgraph")
    from rdkit import Chem
    from rdkit.Chem import rdDepictor

    plain, placed = Chem.MolFromSmiles("c1ccccc1O"), Chem.MolFromSmiles("CC(C)O")
    rdDepictor.Compute2DCoords(placed)
    placed.SetProp("_Name", "isopropanol")
    given = [plain, placed]
    everything = Chem.PropertyPickleOptions.AllProps
    before = [(mol.ToBinary(everything), mol.GetNumConformers()) for mol in given]
    made = molecules(given, O=1.0, C=-1.0)
    for item in range(2):
        made.visualize(item, atom_indices=True)
    assert [(mol.ToBinary(everything), mol.GetNumConformers()) for mol in given] == before


# --- 10 and 11. Pictures of tables ----------------------------------------------------------------


def test_fault_10_the_most_important_features_are_kept() -> None:
    pytest.importorskip("salience_tabular")
    weights = torch.tensor([0.1, 4.0, -3.0, 2.0, 0.5])
    made = salience.explain(
        lambda x: x @ weights,
        np.ones((2, 5), dtype=np.float32),
        {"name": "tabular", "feature_names": ["a", "b", "c", "d", "e"]},
        output="value",
    )
    for item in (0, None):
        axes = made.visualize(item, num_visualize=2).axes[0]
        shown = [label.get_text().split(" = ")[0] for label in axes.get_yticklabels()]
        assert shown == ["b", "c"]
    old = np.argsort(-weights.abs().numpy())[-2:]
    assert set(old) == {0, 4}


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "d"], []])
def test_fault_11_a_wrong_number_of_names_is_told_in_a_sentence(names: list[str]) -> None:
    pytest.importorskip("salience_tabular")
    with pytest.raises(InputError, match=rf"{len(names)} .*\b3\b|\b3\b.* {len(names)}"):
        salience.explain(
            lambda x: x.sum(1), ROWS, {"name": "tabular", "feature_names": names}, output="value"
        )


def test_fault_11_saliency_of_another_size_than_the_molecule_is_told_in_a_sentence() -> None:
    made = molecules(["CCO"], O=1.0)
    other = molecules(["CCCO"], O=1.0)
    mixed = salience.Explanation(
        **{**vars(made), "annotations": other.annotations}  # molecules of another data set
    )
    with pytest.raises(InputError, match=r"shape \(3,\), expected .* 4 atoms"):
        mixed.visualize(0)


# --- 12. Occlusion failed for windows above 1, and summed overlaps without normalising ------------


@pytest.mark.parametrize("window", [1, 2, 3, 5])
@pytest.mark.parametrize("output", ["value", lambda out: out])
def test_fault_12_windows_of_any_size_serve_scalar_outputs_and_overlaps_are_averaged(
    output: Any, window: int
) -> None:
    rows = torch.ones(2, 5, dtype=torch.float64)
    made = salience.explain(
        lambda x: x.sum(1), rows, Tensors(), Occlusion(window=window, stride=1), output=output
    )
    # Each window takes away `window` ones, wherever it lies.
    torch.testing.assert_close(made.values, rows * window)
    starts = range(5 - window + 1)
    covered = torch.tensor([sum(s <= i < s + window for s in starts) for i in range(5)])
    old = covered * window
    assert (old.unique().numel() > 1) == (1 < window < 5)  # the border seemed less important


def test_fault_12_windows_slide_along_two_axes_of_an_image() -> None:
    images = torch.rand(2, 3, 6, 7, dtype=torch.float64)
    domain = Tensors(("item", "channel", "height", "width"), reduce=("channel",), output="value")
    made = salience.explain(
        lambda x: x.sum((1, 2, 3)), images, domain, Occlusion({"height": 2, "width": 3}, stride=1)
    )
    drops = images.sum(1).unfold(1, 2, 1).unfold(2, 3, 1).sum((3, 4))  # of each window
    total, count = torch.zeros(2, 6, 7).double(), torch.zeros(6, 7).double()
    for top in range(5):
        for left in range(5):
            total[:, top : top + 2, left : left + 3] += drops[:, top, left, None, None]
            count[top : top + 2, left : left + 3] += 1
    torch.testing.assert_close(made.values, total / count, rtol=1e-12, atol=1e-12)


# --- 13. There were no seeds, and hooks stayed after exceptions -----------------------------------


@pytest.mark.parametrize("sampler", ["gaussian", "mc_dropout"])
def test_fault_13_the_same_seed_gives_the_same_numbers(sampler: str) -> None:
    model = classifier(nn.Tanh(), nn.Dropout(0.5))

    def run(seed: int) -> Tensor:
        torch.rand(seed + 1)  # the global random state is of no matter
        values: Tensor = salience.explain(
            model, ROWS, Tensors(), samplers=[sampler], n_samples=3, seed=seed, max_rows=8
        ).values
        return values

    assert torch.equal(run(0), run(0))
    assert (run(0) != run(1)).all()


def test_fault_13_no_hook_stays_after_an_exception() -> None:
    model = classifier(nn.Tanh())

    def output(scores: Tensor) -> Tensor:
        raise RuntimeError("by the test")

    explainer = Explainer(model, Tensors(inner=("item", "channel")), "0", output)
    with pytest.raises((RuntimeError, InputError), match="by the test"):
        explainer.explain(ROWS)
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
        assert not module._backward_hooks


# --- 14. The class was chosen again by argmax at every noisy point --------------------------------


@pytest.mark.parametrize("output", ["predicted", "cross_entropy"])
def test_fault_14_the_class_is_fixed_by_the_clean_prediction(output: str) -> None:
    def model(x: Tensor) -> Tensor:
        return torch.cat([x, -x], 1)  # class 0 on the right of zero, class 1 on the left

    def old(x: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(leaf).amax(1).sum(), leaf)
        return gradient

    rows = torch.tensor([[0.1], [-0.1]], dtype=torch.float64)
    samples = Explainer(model, Tensors(), output=output).compute(
        rows, samplers=[GaussianNoise(5.0, mode="absolute")], n_samples=50
    )
    sign = 1 if output == "predicted" else -1  # a loss falls as the score rises
    assert (samples.values[:, 0] * sign > 0).all() and (samples.values[:, 1] * sign < 0).all()
    torch.manual_seed(0)
    noisy = rows[0] + 5 * torch.randn(50, 1, dtype=torch.float64)
    assert set(old(noisy).flatten().tolist()) == {-1.0, 1.0}


def test_fault_14_the_class_is_fixed_along_the_path() -> None:
    def model(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0], 2 - x[:, 0]], 1)  # class 1 wins until x is above 1

    made = salience.explain(
        model, torch.tensor([[3.0]], dtype=torch.float64), Tensors(), "integrated_gradients"
    )
    assert made.values.item() == pytest.approx(3)
    assert made.completeness_gap.item() < 1e-12
