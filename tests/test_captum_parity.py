"""Captum computes the same numbers where both offer a method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import captum.attr as peer
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import (
    ClassScore,
    CrossEntropy,
    Gradient,
    IntegratedGradients,
    Occlusion,
    PerItem,
    Tensors,
)

# What the peer tells its users of its own habits.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients"),
    pytest.mark.filterwarnings("ignore:In order to make embedding layers more interpretable"),
]

IMAGES = Tensors(("item", "channel", "height", "width"))
WORDS = Tensors(
    {"tokens": ("item", "position")},
    inner=("item", "position", "channel"),
    target="embed",
)


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        yield


def close(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected.detach(), rtol=1e-5, atol=1e-5)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(3 * 2 * 3, 4),
    ).eval()


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 9), nn.Softplus(), nn.Dropout(0.5), nn.Linear(9, 4)).eval()


class Words(nn.Module):
    """Scores of a short text: embedding, a gate that lets positions interact, mean, classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.gate = nn.Linear(5, 5)
        self.head = nn.Linear(5, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embed(tokens)
        gate = self.gate(h).sum(1, keepdim=True).sigmoid()
        return self.head((h * gate).mean(1).tanh())


def images() -> Tensor:
    return torch.randn(5, 2, 8, 10)


KINDS = ["cnn", "mlp"]


def case(kind: str) -> tuple[nn.Module, Tensor, Tensors]:
    return (cnn(), images(), IMAGES) if kind == "cnn" else (mlp(), torch.randn(5, 6), Tensors())


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_captums_signed_saliency_of_the_predicted_class(kind: str) -> None:
    model, x, domain = case(kind)
    found = salience.explain(model, x, domain)
    close(found.values, peer.Saliency(model).attribute(x, target=model(x).argmax(1), abs=False))


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_times_input_is_captums(kind: str) -> None:
    model, x, domain = case(kind)
    found = salience.explain(model, x, domain, Gradient(True), output=ClassScore(2))
    close(found.values, peer.InputXGradient(model).attribute(x, target=2))


@pytest.mark.parametrize("baseline", ["number", "per item"])
@pytest.mark.parametrize("steps", [3, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_integrated_gradients_are_captums_gauss_legendre(
    kind: str, steps: int, baseline: str
) -> None:
    model, x, domain = case(kind)
    given: Any = 0.2 if baseline == "number" else torch.randn_like(x)
    own = given if baseline == "number" else PerItem(given)
    found = salience.explain(model, x, domain, IntegratedGradients(steps, own), output="class:1")
    expected, gap = peer.IntegratedGradients(model).attribute(
        x, given, target=1, n_steps=steps, method="gausslegendre", return_convergence_delta=True
    )
    close(found.values, expected)
    torch.testing.assert_close(
        found.completeness_gap, gap.abs().to(torch.float32), rtol=1e-3, atol=1e-5
    )


def test_integrated_gradients_of_the_cross_entropy_are_captums() -> None:
    model, x, labels = mlp(), torch.randn(5, 6), torch.tensor([3, 0, 1, 1, 2])

    def loss(x: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(x), labels, reduction="none")

    found = salience.explain(
        model, x, Tensors(), IntegratedGradients(16), output=CrossEntropy(labels)
    )
    # Captum repeats further arguments with the path points.
    expected = peer.IntegratedGradients(loss).attribute(
        x, n_steps=16, method="gausslegendre", additional_forward_args=labels
    )
    close(found.values, expected)


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (2, 2), (6, 6)])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_occlusion_of_rows_is_captums(window: int, stride: int, value: float) -> None:
    model, x = mlp(), torch.randn(5, 6)
    found = salience.explain(
        model, x, Tensors(), Occlusion(window, stride, value), output="class:3"
    )
    expected = peer.Occlusion(model).attribute(x, (window,), stride, baselines=value, target=3)
    close(found.values, expected)


@pytest.mark.parametrize(
    ("window", "stride"), [((3, 3), (1, 1)), ((2, 4), (2, 2)), ((4, 5), (4, 5)), ((8, 10), (1, 1))]
)
def test_occlusion_of_images_is_captums(window: tuple[int, int], stride: tuple[int, int]) -> None:
    # Captum cuts the last window off at the border; these strides end there, so that both agree.
    model, x = cnn(), images()
    calculator = Occlusion(
        {"height": window[0], "width": window[1]}, {"height": stride[0], "width": stride[1]}
    )
    found = salience.explain(model, x, IMAGES, calculator)
    expected = peer.Occlusion(model).attribute(
        x, (2, *window), (2, *stride), target=model(x).argmax(1)
    )
    close(found.values.expand_as(x), expected)


@pytest.mark.parametrize("steps", [4, 20])
def test_integrated_gradients_of_an_embedding_are_captums_of_the_layer(steps: int) -> None:
    model, tokens = Words().eval(), torch.randint(0, 11, (5, 7))
    base = torch.randn(5)
    found = salience.explain(
        model, {"tokens": tokens}, WORDS, IntegratedGradients(steps, base), output="class:1"
    )
    # Captum's layer baseline comes from baseline tokens; the embedding itself, made interpretable,
    # takes any.
    layer = peer.configure_interpretable_embedding_layer(model, "embed")
    try:
        h = layer.indices_to_embeddings(tokens)
        expected = peer.IntegratedGradients(model).attribute(
            h, base.expand_as(h), target=1, n_steps=steps, method="gausslegendre"
        )
    finally:
        peer.remove_interpretable_embedding_layer(model, layer)
    close(found.values, expected)


def test_baseline_tokens_give_captums_layer_integrated_gradients() -> None:
    model, tokens = Words().eval(), torch.randint(0, 11, (5, 7))
    blank = torch.full_like(tokens, 4)
    expected = peer.LayerIntegratedGradients(model, model.embed).attribute(
        tokens, blank, target=1, n_steps=16, method="gausslegendre"
    )
    base = model.embed.weight[4].detach()
    found = salience.explain(
        model, {"tokens": tokens}, WORDS, IntegratedGradients(16, base), output="class:1"
    )
    close(found.values, expected)


def test_gradient_times_input_of_an_embedding_is_captums_of_the_layer() -> None:
    model, tokens = Words().eval(), torch.randint(0, 11, (5, 7))
    expected = peer.LayerGradientXActivation(model, model.embed).attribute(
        tokens, target=model(tokens).argmax(1)
    )
    found = salience.explain(model, {"tokens": tokens}, WORDS, Gradient(True))
    close(found.values, expected)


def test_occlusion_of_words_is_captums_ablation_of_their_embeddings() -> None:
    model, tokens = Words().eval(), torch.randint(0, 11, (5, 7))
    found = salience.explain(model, {"tokens": tokens}, WORDS, Occlusion({"position": 1}))
    layer = peer.configure_interpretable_embedding_layer(model, "embed")
    try:
        h = layer.indices_to_embeddings(tokens)
        expected = peer.Occlusion(model).attribute(h, (1, 5), target=model(h).argmax(1))
    finally:
        peer.remove_interpretable_embedding_layer(model, layer)
    close(found.values.expand_as(h), expected)
