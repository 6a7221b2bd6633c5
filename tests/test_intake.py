"""What users hand in beside the data is read by position, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import CrossEntropy, InputError, IntegratedGradients, PerItem, Tensors
from salience.data.names import ids
from salience.intake import array, boolean, choice, integer, integer_array, real

X = torch.arange(6.0).reshape(3, 2)

READ: dict[str, Callable[[], Any]] = {
    "tensor": lambda: X,
    "tensor with a graph": lambda: X.clone().requires_grad_(),
    "float64": lambda: X.double().numpy(),
    "big endian": lambda: X.numpy().astype(">f8"),
    "big endian integers": lambda: X.numpy().astype(">i2"),
    "unsigned": lambda: X.numpy().astype(np.uint32),
    "half": lambda: X.half().numpy(),
    "reversed": lambda: X.flip(0).numpy()[::-1],
    "every second": lambda: np.repeat(X.numpy(), 2, 1)[:, ::2],
    "in Fortran's order": lambda: np.asfortranarray(X.numpy()),
    "read-only": lambda: np.broadcast_to(X.numpy(), (3, 2)),
    "objects": lambda: X.numpy().astype(object),
    "lists": X.tolist,
    "tuples of arrays": lambda: tuple(X.numpy()),
    "list of tensors": lambda: list(X),
    "frame": lambda: pd.DataFrame(X.numpy(), index=[7, 3, 5]),
    "frame of objects": lambda: pd.DataFrame(X.numpy()).astype(object),
    "nullable": lambda: pd.DataFrame(X.numpy()).astype("Int64"),
    "list of series": lambda: [pd.Series(row, index=[1, 0]) for row in X.numpy()],
    "unmasked": lambda: np.ma.array(X.numpy()),
    "longdouble": lambda: X.numpy().astype(np.longdouble),
}


@pytest.mark.parametrize("form", READ)
def test_any_container_of_numbers_is_read_by_position(form: str) -> None:
    read = array(READ[form](), "it")
    assert not read.requires_grad
    torch.testing.assert_close(read.double(), X.double(), rtol=0, atol=0)


INTEGERS = ("big endian integers", "unsigned", "nullable")


@pytest.mark.parametrize("form", [f for f in READ if f not in ("half", *INTEGERS)])
def test_data_and_baselines_are_read_so(form: str) -> None:
    net = nn.Linear(2, 2)
    plain = salience.explain(net, X, Tensors(), IntegratedGradients(baseline=PerItem(X / 2)))
    data = READ[form]()
    found = salience.explain(
        net, data if "list" in form or isinstance(data, Tensor | np.ndarray) else np.asarray(data),
        Tensors(), IntegratedGradients(baseline=PerItem(X / 2)),
    )  # fmt: skip
    torch.testing.assert_close(found.values, plain.values, check_dtype=False)
    own = salience.explain(net, X, Tensors(), IntegratedGradients(baseline=PerItem(READ[form]())))
    torch.testing.assert_close(own.values, torch.zeros(3, 2), check_dtype=False)


REFUSED: dict[str, Callable[[], Any]] = {
    "masked": lambda: np.ma.array(X.numpy(), mask=X.numpy() > 3),
    "complex": lambda: X.numpy().astype(complex),
    "complex tensor": lambda: X.to(torch.complex64),
    "sparse": X.to_sparse,
    "words": lambda: ["a", "b", "c"],
    "times": lambda: pd.date_range("2020-01-01", periods=3),
    "nothing": lambda: None,
    "mapping": lambda: {"a": 1},
    "rows of two lengths": lambda: [[1.0], [1.0, 2.0]],
    "objects that are no numbers": lambda: np.array([1.0, None, "2"], dtype=object),
    "missing": lambda: pd.Series([1, None, 3], dtype="Int64"),
    "unsigned above int64": lambda: np.array([2**63, 1], dtype=">u8"),
    "unsigned tensor above int64": lambda: torch.tensor([2**63, 1], dtype=torch.uint64),
    "truth values among numbers": lambda: [0.0, True],
    "truth values of NumPy among numbers": lambda: (np.True_, 2),
    "rows of truth values and of numbers": lambda: [[True, False], [1.0, 2.0]],
    "tensors of truth values and of numbers": lambda: [X > 3, X],
    "records": lambda: np.zeros(3, dtype=[("a", float)]),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_holds_no_numbers_is_refused_in_a_sentence(form: str) -> None:
    with pytest.raises(InputError) as caught:
        array(REFUSED[form](), "it")
    assert str(caught.value).startswith("it is") and "\n" not in str(caught.value)
    with pytest.raises(InputError):
        salience.explain(
            nn.Linear(2, 2), X, Tensors(), IntegratedGradients(baseline=REFUSED[form]())
        )


def test_labels_are_whole_numbers_by_position() -> None:
    net = nn.Linear(2, 3)
    truth = salience.explain(net, X, Tensors(), output=CrossEntropy([2, 0, 1])).values
    series = pd.Series([2, 0, 1], index=[5, 0, 1])
    forms = [
        series, series.astype("Int8"), series.astype("category"), series.to_numpy().astype(">i4"),
        series.astype(object), torch.tensor([2, 0, 1], dtype=torch.uint8), (2, 0, 1),
    ]  # fmt: skip
    for labels in forms:
        found = salience.explain(net, X, Tensors(), output=CrossEntropy(labels))  # type: ignore[arg-type]
        torch.testing.assert_close(found.values, truth, rtol=0, atol=0)
    for wrong in ([0.0, 1.0, 2.0], [True, False, True], ["a", "b", "c"], [0, 1, None]):
        with pytest.raises(InputError):
            salience.explain(net, X, Tensors(), output=CrossEntropy(wrong))  # type: ignore[arg-type]


def test_columns_of_frames_go_by_name() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    table = pd.DataFrame(torch.randn(4, 3).numpy(), columns=["a", "b", "c"])
    bases = pd.DataFrame(torch.randn(4, 3).numpy(), columns=["a", "b", "c"])

    def explained(baseline: Any, **settings: Any) -> Tensor:
        method = IntegratedGradients(baseline=baseline)
        found: Tensor = salience.explain(
            net, table, "tabular", method, output="value", **settings
        ).values
        return found

    turned = ["c", "a", "b"]
    truth = explained(PerItem(torch.tensor(bases.to_numpy())))
    assert torch.equal(explained(PerItem(bases)), truth)
    assert torch.equal(explained(PerItem(bases[turned])), truth)
    assert torch.equal(explained({"input": PerItem(bases[turned])}), truth)
    mean = explained(torch.tensor(table.mean().to_numpy()))
    assert torch.equal(explained(table.mean()[turned]), mean)
    scale = pd.Series({"c": 3.0, "a": 1.0, "b": 2.0})
    one = explained(0.0, samplers=[salience.GaussianNoise(scale, "absolute")], n_samples=3)
    two = explained(
        0.0, samplers=[salience.GaussianNoise([1.0, 2.0, 3.0], "absolute")], n_samples=3
    )
    assert torch.equal(one, two)
    with pytest.raises(InputError, match="are not those of the data"):
        explained(PerItem(bases.rename(columns={"a": "x"})))
    with pytest.raises(InputError, match="are not those of the data"):
        explained(table.mean()[["a", "b"]])


WORDS = ["false", "no", "off", "true", 0, 1, None, 1.0]


@pytest.mark.parametrize("word", WORDS)
def test_a_truth_value_is_true_or_false_in_every_part(word: Any) -> None:
    makers: list[Callable[[], Any]] = [
        lambda: salience.Gradient(multiply_by_target=word),
        lambda: salience.GaussianNoise(antithetic=word),
        lambda: salience.UniformNoise(antithetic=word),
    ]
    for make in makers:
        with pytest.raises(InputError, match="is no truth value"):
            make()


def test_words_of_the_command_line_are_truth_values() -> None:
    from salience.plugins.parts import make

    assert make("samplers", "gaussian:antithetic=false").antithetic is False
    assert make("samplers", "gaussian:antithetic=True").antithetic is True
    assert make("samplers", "mc_dropout:rate=none").rate is None
    with pytest.raises(InputError, match="antithetic='no' is no truth value"):
        make("samplers", "gaussian:antithetic=no")


@pytest.mark.parametrize("wrong", [True, 1.5, 3.0, "3", 1j, [3], None])
def test_a_whole_number_is_one(wrong: Any) -> None:
    with pytest.raises(InputError):
        integer(wrong, "steps")
    with pytest.raises(InputError):
        salience.Occlusion(window=wrong)
    with pytest.raises(InputError):
        IntegratedGradients(steps=wrong)


@pytest.mark.parametrize("wrong", [True, "0.5", float("nan"), float("inf"), 1j, [1.0], None])
def test_a_real_number_is_one_and_finite(wrong: Any) -> None:
    for make in (salience.MeanPlusStd, salience.Quantile, salience.WeightNoise):
        with pytest.raises(InputError):
            make(wrong)


def test_numbers_of_other_libraries_become_pythons() -> None:
    assert type(integer(np.int64(3), "n")) is int and integer(torch.tensor(3), "n") == 3
    assert type(real(np.float32(0.5), "n")) is float and real(torch.tensor(0.5), "n") == 0.5
    assert boolean(np.bool_(True), "n") is True
    assert type(IntegratedGradients(steps=np.int64(8)).steps) is int  # type: ignore[arg-type]
    assert type(salience.MeanPlusStd(np.float32(0.5)).factor) is float  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean 'raw'"):
        choice("row", "mode", ("raw", "abs"))
    assert integer_array(np.array([1, 2], dtype=object), "n").dtype == torch.int64


def test_ids_are_whole_numbers_or_strings_and_unique_as_themselves() -> None:
    assert ids(np.array([3, 1])) == [3, 1] and type(ids(np.array([3, 1]))[0]) is int
    assert ids(pd.Index(["a", "b"])) == ["a", "b"] and ids([0, "0"]) == [0, "0"]
    assert ids(pd.Series([2, 1], index=[1, 0])) == [2, 1]
    for wrong in (
        [0.0, 1.0],
        [1, 2**64 + 1],
        [True, 2],
        [None, 1],
        [(1, 2), 3],
        [1, 1],
        ["a", "a"],
    ):
        with pytest.raises(InputError):
            ids(wrong)
    with pytest.raises(InputError):
        ids(pd.date_range("2020-01-01", periods=2))
