"""Original units, text categories and missing values: what is read, shown and refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from torch import nn

import salience
from salience import ColumnAnnotations, Explanation, InputError
from salience_tabular import Tabular

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": RANDOM.integers(18, 90, 60).astype(float),
        "colour": RANDOM.choice(np.array(["red", "green", None], dtype=object), 60),
        "income": RANDOM.lognormal(10, 0.5, 60),
    }
)
COLOURS = {"colour": ["red", "green", None]}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.out = nn.Embedding(3, 4), nn.Linear(6, 1)
        self.drop = nn.Dropout(0.3)

    def forward(self, numeric, categorical):
        return self.out(self.drop(torch.cat([numeric, self.embed(categorical).flatten(1)], 1)))


def scaled(scaler):
    frame = FRAME.copy()
    frame[["age", "income"]] = scaler.fit_transform(frame[["age", "income"]])
    return frame


SCALERS = [
    StandardScaler(),
    MinMaxScaler(),
    RobustScaler(),
    PowerTransformer(),
    QuantileTransformer(n_quantiles=30),
    make_pipeline(FunctionTransformer(np.log1p, np.expm1), StandardScaler()),
    ColumnTransformer([("a", StandardScaler(), ["age"]), ("b", MinMaxScaler(), ["income"])]),
    ColumnTransformer([("a", StandardScaler(), ["age"])], remainder="passthrough"),
]


@pytest.mark.parametrize("scaler", SCALERS, ids=lambda scaler: type(scaler).__name__)
def test_values_are_shown_in_original_units(scaler):
    frame = scaled(scaler)
    table = Tabular(categories=COLOURS, scaler=scaler).read(frame)
    assert np.allclose(table.values[:, [0, 2]], FRAME[["age", "income"]], rtol=1e-9)
    assert np.array_equal(table.numeric, frame[["age", "income"]])  # the model's are as handed in
    assert table.values[:, 1].tolist() == table.categorical[:, 0].tolist()


def test_a_scaler_of_an_array_goes_by_position():
    plain = FRAME[["age", "income"]].to_numpy()
    scaler = StandardScaler().fit(plain)
    table = Tabular(scaler=scaler).read(scaler.transform(plain))
    assert np.allclose(table.values, plain, rtol=1e-12)


def test_a_column_transformer_may_pass_names_in_another_order():
    scaler = ColumnTransformer(
        [("b", MinMaxScaler(), ["income"]), ("a", StandardScaler(), ["age"])]
    )
    made = scaler.fit_transform(FRAME[["age", "income"]])
    named = pd.DataFrame(made, columns=scaler.get_feature_names_out())
    table = Tabular(scaler=scaler).read(named)
    assert np.allclose(table.values, FRAME[["income", "age"]], rtol=1e-12)
    wrong = pd.DataFrame(made, columns=["age", "income"])
    with pytest.raises(InputError, match="'income' where the table has 'age'"):
        Tabular(scaler=scaler).read(wrong)


class Broken:
    def inverse_transform(self, values):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("scaler", "words"),
    [
        (PCA(2).fit(FRAME[["age", "income"]]), "mixes columns"),
        (StandardScaler(), "NotFittedError"),
        (StandardScaler, "has no inverse_transform"),
        ("standard", "has no inverse_transform"),
        (Broken(), "RuntimeError: no"),
        (StandardScaler().fit(np.zeros((3, 7))), "is of 7 columns"),
        (FunctionTransformer(np.log1p), "without its inverse"),
        (make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), "without its inverse"),
    ],
    ids=lambda case: "" if not isinstance(case, str) else case[:12],
)
def test_what_cannot_be_turned_back_is_refused_before_work_starts(scaler, words):
    frame = FRAME[["age", "income"]]
    if "inverse" in words and hasattr(scaler, "fit") and not isinstance(scaler, type):
        scaler.fit(frame)
    with pytest.raises(InputError, match=words):
        Tabular(scaler=scaler).read(frame)


def test_a_column_transformer_with_an_encoder_is_refused():
    scaler = ColumnTransformer([("c", OneHotEncoder(), ["colour"]), ("a", MinMaxScaler(), ["age"])])
    made = pd.DataFrame(np.asarray(scaler.fit_transform(FRAME.fillna("none")).tolist()))
    made.columns = list(scaler.get_feature_names_out())
    with pytest.raises(InputError, match=r"OneHotEncoder|turns .* back into shape|'c'"):
        Tabular(scaler=scaler).read(made)


def test_a_loaded_explanation_keeps_original_units(tmp_path):
    scaler = StandardScaler()
    frame = scaled(scaler)
    domain = Tabular(categories=COLOURS, scaler=scaler)
    found = salience.explain(Net(), frame, domain, output="value")
    before = [text.get_text() for text in found.visualize(0).axes[0].get_yticklabels()]
    found.save(tmp_path / "a.salience")
    after = Explanation.load(tmp_path / "a.salience").visualize(0).axes[0].get_yticklabels()
    assert [text.get_text() for text in after] == before
    assert f"age = {FRAME.age[0]:.0f}" in before


# --- Categories -----------------------------------------------------------------------------------


def codes():
    places = {"red": 0, "green": 1}
    return [places.get(name, 2) for name in FRAME.colour]


@pytest.mark.parametrize("kind", ["object", "str", "category", "array", "csv"])
def test_text_is_coded_by_its_place_and_missing_values_by_that_of_none(kind, tmp_path):
    frame, categories = FRAME.copy(), COLOURS
    if kind in ("str", "category"):
        frame["colour"] = frame.colour.astype({"str": "str", "category": "category"}[kind])
        frame.loc[FRAME.colour.isna(), "colour"] = None
    data = frame
    if kind == "array":
        data, categories = frame.to_numpy(dtype=object), {1: COLOURS["colour"]}
    if kind == "csv":
        data = tmp_path / "a.csv"
        frame.to_csv(data, index=False)
    table = Tabular(categories=categories).read(data)
    assert table.categorical[:, 0].tolist() == codes()
    assert table.categories == (("red", "green", "missing"),)
    assert np.allclose(table.numeric, FRAME[["age", "income"]])


def test_numbers_can_be_categories(tmp_path):
    frame = pd.DataFrame({"a": [7, 3, 7], "b": [0.5, 1.5, 2.5]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    for data in (frame, frame.to_numpy(), tmp_path / "a.csv"):
        key = 0 if isinstance(data, np.ndarray) else "a"
        table = Tabular(categories={key: [3, 7]}).read(data)
        assert table.categorical[:, 0].tolist() == [1, 0, 1]


def test_words_for_nothing_in_files_are_categories_where_they_are_declared(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\nNA,1\n,2\nx,3\n")
    table = Tabular(categories={"a": ["x", "NA", None]}).read(tmp_path / "a.csv")
    assert table.categorical[:, 0].tolist() == [1, 2, 0]


def test_columns_of_categories_come_after_those_of_categorical():
    frame = FRAME.assign(plan=[0, 1, 2] * 20)
    domain = Tabular(categorical=["plan"], categories=COLOURS)
    assert domain.categorical == ("plan", "colour")
    assert domain.read(frame).categorical[:, 0].tolist() == [0, 1, 2] * 20
    first = Tabular(categorical=["colour", "plan"], categories=COLOURS)
    assert first.categorical == ("colour", "plan")


@pytest.mark.parametrize(
    ("categories", "words"),
    [
        ({"colour": ["red", "green"]}, r"is missing \(\d+ rows are wrong\).*None\]"),
        ({"colour": ["rad", "green", None]}, r"holds 'red', which is none.*did you mean 'rad'"),
        ({"color": ["red"]}, "did you mean 'colour'"),
        ({"colour": "red"}, "is one text; pass a list"),
        ({"colour": []}, "no category"),
        ({"colour": ["red", "red"]}, "a category twice"),
        ({"colour": [["red"]]}, "pass texts, numbers"),
        ({2.5: ["red"]}, "name it, or pass its position"),
        (["colour"], "pass a mapping"),
    ],
)
def test_categories_that_do_not_fit_are_refused(categories, words):
    with pytest.raises(InputError, match=words):
        Tabular(categories=categories).read(FRAME)


def test_rows_without_a_code_can_be_skipped():
    domain = Tabular(categories={"colour": ["red", "green"]}, on_error="skip")
    with pytest.warns(salience.Notice, match="is missing"):
        table = domain.read(FRAME)
    kept = [code for code in codes() if code < 2]
    assert table.categorical[:, 0].tolist() == kept


def test_pandas_categories_keep_their_names():
    frame = pd.DataFrame({"c": pd.Categorical(["y", "x", "y"]), "a": [1.0, 2.0, 3.0]})
    table = Tabular(categorical=["c"]).read(frame)
    assert table.categories == (("x", "y"),)


def test_a_mixed_table_becomes_a_beeswarm_in_original_units_in_ten_lines():
    model, frame, scaler = Net(), FRAME.copy(), StandardScaler()
    frame[["age", "income"]] = scaler.fit_transform(frame[["age", "income"]])
    domain = Tabular(categories={"colour": ["red", "green", None]}, scaler=scaler)
    explanation = salience.explain(
        model,
        frame,
        domain,
        "integrated_gradients",
        samplers=["mc_dropout"],
        n_samples=8,
        output="value",
    )
    figure = explanation.visualize(visualizer="beeswarm")
    assert len(figure.axes[0].get_yticklabels()) == 3
    assert isinstance(explanation.annotations, ColumnAnnotations)
    values = explanation.annotations.columns["values"]
    assert np.allclose(values[:, [0, 2]], FRAME[["age", "income"]], rtol=1e-12)
    axes = explanation.visualize(visualizer="scatter", feature="income").axes[0]
    assert np.allclose(axes.collections[-1].get_offsets()[:, 0], FRAME.income)
    strips = explanation.visualize(visualizer="scatter", feature="colour").axes[0]
    assert [t.get_text() for t in strips.get_xticklabels()] == ["red", "green", "missing"]


def test_classes_have_their_names():
    rows = torch.randn(4, 3)
    domain = Tabular(class_names=["no", "yes"])
    found = salience.explain(nn.Linear(3, 2), rows, domain, output="class:1")
    assert found.visualize(0).axes[0].get_title().startswith("row 0: yes, softmax ")


def test_tables_of_results_have_the_values_of_the_features():
    scaler = StandardScaler()
    frame = scaled(scaler)
    domain = Tabular(categories=COLOURS, scaler=scaler)
    found = salience.explain(Net(), frame, domain, output="value").to_dataframe()
    assert np.allclose(found[found.position == "age"].value.astype(float), FRAME.age)
    colours = found[found.position == "colour"].value.tolist()
    assert colours == FRAME.colour.fillna("missing").tolist()
    part = salience.explain(Net(), frame, domain, output="value", target="numeric").to_dataframe()
    assert np.allclose(part[part.position == "income"].value.astype(float), FRAME.income)


def test_names_of_too_few_classes_are_left_out_of_wide_tables():
    rows = torch.randn(4, 3)
    found = salience.explain(nn.Linear(3, 3), rows, Tabular(class_names=["no", "yes"]))
    columns = list(found.to_dataframe(wide=True).columns)
    assert columns[1:4] == ["prediction 0", "prediction 1", "prediction 2"]
    assert found.visualize(0).axes[0].get_title().startswith("row 0: ")


@pytest.mark.parametrize(
    "visualizer", ["points", "bar", "waterfall", "beeswarm", "scatter", "heatmap"]
)
def test_saliency_of_another_shape_is_refused_in_a_sentence(visualizer):
    from matplotlib.figure import Figure

    rows = torch.randn(3, 2, 4)
    domain = salience.Tensors(axes=("item", "channel", "time"))
    found = salience.explain(lambda x: x.square().sum((1, 2)), rows, domain, output="value")
    for options in ({}, {"ax": Figure().subplots()}):
        for item in (0, None):
            with pytest.raises(InputError, match=r"needs saliency of shape|of one row"):
                found.visualize(item, visualizer=visualizer, **options)
