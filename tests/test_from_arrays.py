"""Values of other tools are drawn, tabled and compared as our own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients, Saliency
from matplotlib.text import Text
from torch import Tensor, nn

import salience
from salience import Explanation, InputError, Tensors
from salience_tabular import Tabular
from salience_vision import Vision
from tests.nets import Atoms

torch.manual_seed(0)
X = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
FRAME = pd.DataFrame(X.numpy(), columns=["a", "b", "c"], index=list("uvwxyz"))
NET = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double().eval()
PATH = salience.IntegratedGradients(steps=32)
CAPTUM: dict[str, Any] = {"n_steps": 32, "method": "gausslegendre"}
PHOTOS = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
CNN = nn.Sequential(
    nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
).double()


SMILES = ["CCO", "C[NH3+]", "c1ccccc1O"]
ATOMS = Atoms().double()


def by_hand() -> Tensor:
    """Integrated gradients of the embedding of each atom of the packed molecules, (atoms, 4)."""
    from salience_molgraph import MolGraph

    domain = MolGraph()
    batch = domain.collate(domain.read(SMILES))
    atoms, edges, owner = (batch.arguments[n] for n in ("atoms", "edge_index", "owner"))
    nodes, weights = np.polynomial.legendre.leggauss(32)
    h, total = ATOMS.embed(atoms).detach(), 0
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = (h * node).requires_grad_()
        (gradient,) = torch.autograd.grad(ATOMS.of(point, edges, owner).sum(), point)
        total = total + weight * gradient
    return h * total


# --- Three lines each -----------------------------------------------------------------------------


def test_captums_path_of_a_table(tmp_path: Path) -> None:
    values = IntegratedGradients(NET).attribute(X, target=1, **CAPTUM)
    found = Explanation.from_arrays(values, FRAME, "tabular", method="captum IG")
    found.visualize("w", path=tmp_path / "row.png")
    table = found.to_dataframe()
    own = salience.explain(NET, FRAME, "tabular", PATH, output="class:1")
    # Captum keeps the weights of the rule in single precision.
    torch.testing.assert_close(found.values, own.values, rtol=1e-7, atol=1e-8)
    pd.testing.assert_frame_equal(table, own.to_dataframe(), rtol=1e-7, atol=1e-8)
    own.visualize("w", path=tmp_path / "own.png")
    assert list(found.ids) == list("uvwxyz")
    assert (found - own).values.abs().max() < 1e-8


def test_captums_path_of_a_photo(tmp_path: Path) -> None:
    values = IntegratedGradients(CNN).attribute(PHOTOS, target=2, **CAPTUM)
    found = Explanation.from_arrays(values, PHOTOS, "vision")
    found.visualize(0, path=tmp_path / "photo.png")
    table = found.to_dataframe()
    own = salience.explain(CNN, PHOTOS, "vision", PATH, output="class:2")
    torch.testing.assert_close(found.values, own.values, rtol=1e-7, atol=1e-10)
    assert len(table) == 2 * 12 * 16 and list(table.columns[3:5]) == ["height", "width"]
    summed = Explanation.from_arrays(values.sum(1), PHOTOS, "vision")
    torch.testing.assert_close(summed.values, found.values, rtol=1e-12, atol=1e-15)


def test_gradients_of_a_molecule_by_hand(tmp_path: Path) -> None:
    values = by_hand()
    found = Explanation.from_arrays(values, SMILES, "molgraph")
    found.visualize(0, path=tmp_path / "mol.svg")
    table = found.to_dataframe()
    own = salience.explain(ATOMS, SMILES, "molgraph", PATH)
    for one, other in zip(found.values, own.values, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)
    assert table["element"].tolist()[:5] == ["C", "C", "O", "C", "N"]
    assert table["neighbours"].tolist()[:3] == ["1", "0 2", "1"]
    own.visualize(0, path=tmp_path / "own.svg")
    sizes = [len(v) for v in own.values]
    listed = Explanation.from_arrays(list(torch.split(values, sizes)), SMILES, "molgraph")
    assert all(map(torch.equal, listed.values, found.values))


# --- Forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, Tensor.tolist, pd.DataFrame, Tensor.float], ids=str)
def test_arrays_of_any_library_serve(kind: Any) -> None:
    found = Explanation.from_arrays(kind(X), FRAME, "tabular")
    torch.testing.assert_close(found.values.double(), X, rtol=1e-6, atol=1e-7)


def test_what_shap_returns_is_taken_by_its_values() -> None:
    given = SimpleNamespace(values=X.numpy(), base_values=np.zeros(6), data=X.numpy())
    assert torch.equal(Explanation.from_arrays(given, FRAME, "tabular").values, X)
    several = SimpleNamespace(values=np.zeros((6, 3, 2)), base_values=np.zeros((6, 2)))
    with pytest.raises(InputError, match=r"of 2 outputs.*as in values"):
        Explanation.from_arrays(several, FRAME, "tabular")
    for of, names in ((["c", "a", "b"], ["c", "a", "b"]), (["a", "b", "c"], ["u", "v", "w"])):
        given = SimpleNamespace(
            values=FRAME[of].to_numpy(), base_values=np.zeros(6), feature_names=names
        )
        assert torch.equal(Explanation.from_arrays(given, FRAME, "tabular").values, X)


def test_a_tuple_of_one_array_is_that_array() -> None:
    found = Explanation.from_arrays((X,), FRAME, "tabular", std_error=(X.abs(),), n_samples=4)
    assert torch.equal(found.values, X) and torch.equal(found.std_error, X.abs())
    one = Explanation.from_arrays((X[0],), FRAME.iloc[:1], "tabular")
    assert torch.equal(one.values, X[:1])


def test_padded_series_are_cut_to_their_real_positions(series: Any) -> None:
    made = torch.Generator().manual_seed(2)
    data = [torch.randn(2, n, generator=made) for n in (5, 2, 3)]
    for in_front in (False, True):
        listed = Explanation.from_arrays(data, data, series(in_front))
        padded = torch.zeros(3, 2, 5)
        for row, one in zip(padded, data, strict=True):
            row[:, 5 - one.shape[1] :] = one if in_front else row[:, 5 - one.shape[1] :]
            if not in_front:
                row[:, : one.shape[1]] = one
        whole = Explanation.from_arrays(padded, data, series(in_front))
        for one, two, expected in zip(listed.values, whole.values, data, strict=True):
            assert torch.equal(one, expected) and torch.equal(two, expected)


@pytest.mark.parametrize("renamed", [False, True])
def test_frames_go_by_the_names_of_columns(renamed: bool) -> None:
    domain = Tabular(feature_names=("A", "B", "C")) if renamed else Tabular()
    values = pd.DataFrame({"c": [3.0] * 6, "a": [1.0] * 6, "b": [2.0] * 6})
    errors = values[["b", "c", "a"]] / 10
    found = Explanation.from_arrays(values, FRAME, domain, std_error=errors, n_samples=4)
    row = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(found.values, row.expand(6, 3), rtol=0, atol=0)
    torch.testing.assert_close(found.std_error, row.expand(6, 3) / 10, rtol=1e-15, atol=0)
    rows = [series for _, series in values.iterrows()]
    assert torch.equal(Explanation.from_arrays(rows, FRAME, domain).values, found.values)


def test_numbers_and_categories_are_joined_in_the_order_of_the_table() -> None:
    frame = pd.DataFrame({"k": [1, 2], "u": [0.1, 0.5]})
    domain = Tabular(categorical=("k",))
    parts = {"numeric": [[1.0], [2.0]], "embed": [[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]}
    found = Explanation.from_arrays(parts, frame, domain)
    assert found.values.tolist() == [[6.0, 1.0], [15.0, 2.0]]
    assert found.column_names("features") == ["k", "u"]


def test_many_items_are_read_in_slices() -> None:
    values = torch.arange(3000.0).reshape(1000, 3)
    found = Explanation.from_arrays(values, torch.randn(1000, 3), Tensors())
    assert torch.equal(found.values, values)


# --- What is known of them ------------------------------------------------------------------------


def test_errors_and_outputs_are_kept(tmp_path: Path) -> None:
    error = X.abs() / 2
    found = Explanation.from_arrays(
        X,
        FRAME,
        "tabular",
        std_error=error,
        n_samples=5,
        prediction=NET(X),
        score=NET(X)[:, 0],
        delta=X.sum(1) + 0.1,
        method="shap",
    )
    torch.testing.assert_close(found.completeness_gap, torch.full((6,), 0.1).double())
    assert found.interval_of == "mean" and found.signed
    low, high = found.interval(0.95)
    assert torch.equal((low > 0) | (high < 0), found.p_values() < 0.05)
    found.save(tmp_path / "a.salience")
    again = Explanation.load(tmp_path / "a.salience")
    assert torch.equal(again.std_error, error) and repr(again).count("shap") == 1
    with pytest.raises(InputError, match="the record tells of"):
        salience.rerun(NET, FRAME, again.provenance)


def test_errors_of_an_unknown_number_of_draws_are_those_of_many() -> None:
    found = Explanation.from_arrays(X, FRAME, "tabular", std_error=X.abs() / 1.98)
    assert (found.p_values() < 0.05).all()
    low, high = found.interval(0.95)
    torch.testing.assert_close(high - low, 2 * 1.959963984540054 * X.abs() / 1.98)
    with pytest.raises(InputError, match="n_samples"):
        found.interval(of="draw")
    drawn = Explanation.from_arrays(X, FRAME, "tabular", std_error=X.abs(), samples_parameters=True)
    with pytest.raises(InputError, match="n_samples"):
        drawn.p_values()


def test_values_without_errors_are_single() -> None:
    found = Explanation.from_arrays(X, FRAME, "tabular")
    assert found.std_error.isnan().all() and found.score.isnan().all()
    with pytest.raises(InputError, match="single draw"):
        found.p_values()
    assert not Explanation.from_arrays(X.abs(), FRAME, "tabular").signed


def test_pictures_of_unknown_predictions_do_not_say_nan(tmp_path: Path) -> None:
    photo = Explanation.from_arrays(PHOTOS, PHOTOS, Vision()).visualize(0)
    words = [text.get_text() for text in photo.findobj(Text)]
    assert words and not any("nan" in word for word in words)
    molecule = Explanation.from_arrays(by_hand(), SMILES, "molgraph")
    assert "nan" not in molecule.visualize(0, legend="{name} {score:.2f}").svg


WRONG: dict[str, tuple[Any, str]] = {
    "fewer items": (lambda: Explanation.from_arrays(X[:4], FRAME, "tabular"), "6 items"),
    "fewer columns": (lambda: Explanation.from_arrays(X[:, :2], FRAME, "tabular"), "positions"),
    "more axes": (lambda: Explanation.from_arrays(X[None], FRAME, "tabular"), "3 axes"),
    "not finite": (lambda: Explanation.from_arrays(X / 0, FRAME, "tabular"), "NaN"),
    "words": (lambda: Explanation.from_arrays("abc", FRAME, "tabular"), "values"),
    "nothing": (lambda: Explanation.from_arrays({}, FRAME, "tabular"), "empty"),
    "errors to be summed": (
        lambda: Explanation.from_arrays(PHOTOS, PHOTOS, "vision", std_error=PHOTOS),
        "errors do not add up",
    ),
    "negative errors": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", std_error=-X.abs()),
        "negative",
    ),
    "a single draw": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", std_error=X.abs(), n_samples=1),
        "n_samples",
    ),
    "fewer ids": (lambda: Explanation.from_arrays(X, FRAME, "tabular", ids=["a"]), "1 ids"),
    "a score too many": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", score=torch.zeros(7)),
        "score",
    ),
    "another domain": (lambda: Explanation.from_arrays(X, FRAME, "tabula"), "tabula"),
    "atoms of another number": (
        lambda: Explanation.from_arrays(torch.zeros(5), SMILES, "molgraph"),
        "positions in all",
    ),
    "a score of no item": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", score=1.0),
        "score has the shape",
    ),
    "columns of other data": (
        lambda: Explanation.from_arrays(FRAME.rename(columns={"a": "q"}), FRAME, "tabular"),
        "not those of the data",
    ),
    "more columns than there are": (
        lambda: Explanation.from_arrays(FRAME.assign(d=1.0), FRAME, "tabular"),
        "of 4 columns, of which it holds 3",
    ),
    "draws without errors": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", n_samples=5),
        "pass std_error as well",
    ),
    "errors of another variable": (
        lambda: Explanation.from_arrays({"input": X}, FRAME, "tabular", std_error={"inputs": X}),
        "did you mean 'input'",
    ),
    "a sign that is no truth value": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", signed="yes"),
        "signed='yes'",
    ),
    "draws that are no truth value": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", samples_parameters=1),
        "samples_parameters=1",
    ),
    "magnitudes below 0": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", signed=False),
        "values are negative",
    ),
    "a method that is no name": (
        lambda: Explanation.from_arrays(X, FRAME, "tabular", method=3),
        "method=3",
    ),
    "a tuple of variables": (
        lambda: Explanation.from_arrays((X, X), FRAME, "tabular"),
        "several variables as a mapping",
    ),
    "an atom too many": (
        lambda: Explanation.from_arrays([torch.zeros(4)] * 3, SMILES, "molgraph"),
        "item 0 have",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_does_not_fit_is_refused_in_a_sentence(kind: str) -> None:
    ask, words = WRONG[kind]
    with pytest.raises(InputError, match=words) as caught:
        ask()
    assert len(str(caught.value)) <= 300


def test_captums_gradient_is_the_same_beside_ours() -> None:
    values = Saliency(NET).attribute(X, target=0, abs=False)
    found = Explanation.from_arrays(values, FRAME, "tabular")
    own = salience.explain(NET, FRAME, "tabular", output="class:0")
    salience.grid({"captum": found, "salience": own}, ["u", "v"])
    torch.testing.assert_close(found.values, own.values, rtol=1e-12, atol=1e-15)
