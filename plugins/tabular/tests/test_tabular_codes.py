"""Codes of pandas' category dtype: in further tables they mean what they mean in the first."""

import pandas as pd
import pytest
import torch
from torch import nn

import salience
from salience import InputError, IntegratedGradients, Mean
from salience_tabular import Tabular


class Coded(nn.Module):
    """The number, and the place of the category."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(3, 1)
        with torch.no_grad():
            self.embed.weight.copy_(torch.tensor([[1.0], [10.0], [100.0]]))

    def forward(self, numeric, categorical):
        return numeric[:, 0] + self.embed(categorical).sum((1, 2))


def frame(values, categories=None):
    return pd.DataFrame({"a": [0.0] * len(values), "c": pd.Categorical(values, categories)})


FIRST = frame(["x", "y", "z"])
DOMAIN = Tabular(categorical=("c",))
OTHERS = {
    "fewer": frame(["y"]),
    "another order": frame(["y"], ["z", "y", "x"]),
    "more, in front": frame(["y"], ["w", "x", "y", "z"]),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_chunk_whose_codes_mean_other_categories_is_refused(other):
    stream = salience.Explainer(Coded(), DOMAIN, output="value").stream([FIRST, OTHERS[other]])
    with pytest.raises(InputError, match="'c' of a further table has the categories"):
        list(stream)


@pytest.mark.parametrize("other", OTHERS)
def test_background_data_whose_codes_mean_other_categories_is_refused(other):
    baseline = IntegratedGradients(baseline=Mean(OTHERS[other]))
    with pytest.raises(InputError, match="'c' of a further table has the categories"):
        salience.explain(Coded(), FIRST, DOMAIN, baseline, output="value")


@pytest.mark.parametrize(
    "second",
    [frame(["y"], ["x", "y", "z"]), pd.DataFrame({"a": [0.0], "c": [1]})],
    ids=["one dtype", "codes"],
)
def test_a_chunk_of_the_same_codes_is_served(second):
    explainer = salience.Explainer(Coded(), DOMAIN, output="value")
    found = [one.score.item() for one in explainer.stream([FIRST, second])]
    assert found == [1.0, 10.0, 100.0, 10.0]


def test_declared_categories_are_read_by_their_names_in_any_chunk():
    domain = Tabular(categories={"c": ["x", "y", "z"]})
    stream = salience.Explainer(Coded(), domain, output="value").stream([FIRST, OTHERS["fewer"]])
    assert [one.score.item() for one in stream] == [1.0, 10.0, 100.0, 10.0]
