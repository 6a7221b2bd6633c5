"""From the installed plugin to the picture, with models whose saliency is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import salience
from salience import Explanation, InputError, Target
from salience_tabular import Tabular

NUMERIC, CATEGORICAL = ("age", "income"), ("city", "plan")


def people(n: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "city": pd.Categorical.from_codes(rng.integers(0, 3, n), ["Oslo", "Rome", "Bern"]),
            "age": rng.normal(size=n),
            "plan": rng.integers(0, 2, n),
            "income": rng.normal(size=n),
        }
    )


class Mixed(nn.Module):
    """f = w·numeric + Σ v·embedding: a gradient of w, and of the sum of v for each category."""

    def __init__(self, together: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.w = nn.Parameter(torch.tensor([2.0, -1.0]))
        self.v = nn.Parameter(torch.tensor([[1.0, 2.0, 3.0], [-4.0, 0.0, 1.0]]))
        if together:
            self.embed = nn.Embedding(3, 3)
        else:
            self.embeds = nn.ModuleList([nn.Embedding(3, 3), nn.Embedding(2, 3)])

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        if hasattr(self, "embed"):
            embedded = self.embed(categorical)
        else:
            columns = zip(self.embeds, categorical.T, strict=True)
            embedded = torch.stack([embed(codes) for embed, codes in columns], 1)
        return numeric @ self.w + (embedded * self.v).sum((1, 2))


# Columns in the order of the table: city, age, plan, income.
GRADIENT = [6.0, 2.0, -3.0, -1.0]
EACH = ["numeric", *(Target(f"embeds.{i}", axes=("item", "channel")) for i in range(2))]


def explained(together: bool = True, **settings) -> Explanation:
    return salience.explain(
        Mixed(together),
        people(),
        Tabular(categorical=CATEGORICAL),
        target=["numeric", "embed"] if together else EACH,
        output="value",
        **settings,
    )


def test_a_linear_model_has_its_weights_as_gradient():
    model = nn.Linear(3, 1)
    data = torch.randn(5, 3)
    explanation = salience.explain(model, data, "tabular", output="value")
    assert torch.allclose(explanation.values, model.weight.expand(5, 3))
    assert torch.equal(explanation.mean(), explanation.values.mean(0))


@pytest.mark.parametrize("together", [True, False])
def test_numeric_and_categorical_columns_come_out_in_the_order_of_the_table(together):
    explanation = explained(together)
    assert list(explanation.saliency) == ["features"]
    assert torch.allclose(explanation.values, torch.tensor(GRADIENT).expand(6, 4))
    labels = [t.get_text() for t in explanation.visualize(0).axes[0].get_yticklabels()]
    assert [text.split(" = ")[0] for text in labels] == ["city", "plan", "age", "income"]
    assert labels[0] == "city = Bern"


@pytest.mark.parametrize("together", [True, False])
def test_integrated_gradients_over_all_columns_add_up(together):
    explanation = explained(together, calculator="integrated_gradients")
    assert torch.allclose(explanation.values.sum(1), explanation.delta, atol=1e-5)
    assert explanation.completeness_gap.max() < 1e-5


def test_standard_errors_are_joined_like_the_values():
    explanation = explained(
        calculator=salience.Gradient(multiply_by_target=True), samplers=["gaussian"], n_samples=4
    )
    assert explanation.std_error.shape == (6, 4)
    assert (explanation.std_error > 0).all()


def test_numeric_columns_alone_keep_their_names():
    explanation = salience.explain(
        Mixed(True), people(), Tabular(categorical=CATEGORICAL), target="numeric", output="value"
    )
    labels = [t.get_text() for t in explanation.visualize(0).axes[0].get_yticklabels()]
    assert [text.split(" = ")[0] for text in labels] == list(NUMERIC)


def test_a_data_frame_of_saliency_has_the_names_of_the_columns():
    frame = explained().to_dataframe()
    assert list(frame["position"][:4]) == ["city", "age", "plan", "income"]
    assert np.allclose(frame["saliency"][:4], GRADIENT)


def test_what_was_saved_is_drawn_and_run_again(tmp_path):
    explanation = explained(False)
    explanation.save(tmp_path / "run.salience")
    loaded = Explanation.load(tmp_path / "run.salience")
    assert loaded.domain == explanation.domain
    assert loaded.dataset_info == explanation.dataset_info
    loaded.visualize(0)
    again = salience.rerun(Mixed(False), people(), loaded.provenance)
    assert torch.equal(again.values, explanation.values)


def test_a_code_that_the_embedding_lacks_is_refused_before_computing():
    data = people()
    data["plan"] = 7
    with pytest.raises(InputError, match="cannot be run on this data"):
        salience.explain(
            Mixed(True), data, Tabular(categorical=CATEGORICAL), target="embed", output="value"
        )


def test_nothing_handed_in_is_changed():
    class Writes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mul_(2.0).sum(1)

    data = torch.ones(3, 2)
    frame = pd.DataFrame(np.ones((3, 2)))
    occlusion = salience.Occlusion(window={"feature": 1})
    for given in (data, frame):
        salience.explain(Writes(), given, "tabular", occlusion, output="value")
    assert torch.equal(data, torch.ones(3, 2))
    assert (frame == 1.0).all(axis=None)


def test_the_command_line_reads_a_csv_file(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from salience.cli import main

    people(2)[["age", "income"]].to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "model_of_rows.py").write_text(
        "import torch\ndef make():\n    return torch.nn.Linear(2, 1)\n"
    )
    monkeypatch.chdir(tmp_path)
    arguments = "--domain tabular --model model_of_rows:make --output value --out out"
    result = CliRunner().invoke(main, ["explain", *arguments.split(), "rows.csv"])
    assert result.exit_code == 0, result.output
    assert Explanation.load(tmp_path / "out/run.salience").dataset_info["columns"] == list(NUMERIC)
    names = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert names == {"0000.png", "0001.png", "mean.png"}
