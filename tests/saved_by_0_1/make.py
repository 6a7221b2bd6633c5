"""Made the files in this folder, by salience 0.1.0 (commit b96cda1); kept to say what is in them.

Each run has a file that `Explanation.save` wrote, what the explanation said then as JSON, and the
pictures that were drawn of it then.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

import salience

HERE = Path(__file__).parent


def main():
    tabular()
    vision()
    molgraph()
    spectra()
    tensors()


def tabular():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    net = seeded(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)))
    explainer = salience.Explainer(net, "tabular", output="class:1", max_rows=16)
    columns = ["length", "width", "depth", "height"]
    import pandas as pd

    frame = pd.DataFrame(rows.numpy(), columns=columns)
    done = explainer.explain(
        frame, samplers=["mc_dropout"], n_samples=12, seed=3, ids=[f"row {i}" for i in range(6)]
    )
    keep("tabular", done, {"item_2.png": 2, "mean.png": None})


def vision():
    from salience_vision import ImageTransform, Vision

    domain = Vision(ImageTransform(16, 16), class_names=["cat", "dog", "bird"])
    photos = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    net = seeded(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(784, 3)), torch.float32
    )
    explainer = salience.Explainer(net, domain, max_rows=16)
    done = explainer.explain(
        list(photos), samplers=["gaussian:scale=0.1"], n_samples=8, aggregator="abs", seed=1
    )
    keep("vision", done, {"item_0.png": 0})


class Atoms(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.drop, self.out = nn.Embedding(119, 6), nn.Dropout(0.3), nn.Linear(6, 1)

    def forward(self, atoms, edge_index, owner):
        h = self.embed(atoms)
        h = self.drop(h.index_add(0, edge_index[1], h[edge_index[0]]).tanh())
        return h.new_zeros(int(owner.max()) + 1, 1).index_add(0, owner, self.out(h))


def molgraph():
    explainer = salience.Explainer(
        seeded(Atoms()), "molgraph", target="embed", output="value", max_rows=64
    )
    smiles = ["CCO", "c1ccccc1C(=O)O", "CC(=O)[O-].[Na+]"]
    done = explainer.explain(
        smiles, "integrated_gradients:steps=8", samplers=["mc_dropout", "gaussian"],
        n_samples=(4, 3), seed=2,
    )  # fmt: skip
    keep("molgraph", done, {"item_1.svg": 1, "item_1.png": 1})


def spectra():
    generator = torch.Generator().manual_seed(1)
    data = torch.rand(3, 1, 24, generator=generator, dtype=torch.float64)
    net = seeded(nn.Sequential(nn.Flatten(), nn.Linear(24, 6), nn.Tanh(), nn.Linear(6, 2)))
    from salience_template import Spectra

    explainer = salience.Explainer(net, Spectra(wavelengths=range(400, 424)), max_rows=16)
    done = explainer.explain(
        data, "occlusion", samplers=["gaussian:antithetic=True"], n_samples=6, seed=5
    )
    keep("spectra", done, {"item_0.png": 0, "mean.png": None})


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, one, two):
        return self.first(one).tanh() * self.second(two).tanh()


def tensors():
    generator = torch.Generator().manual_seed(2)
    one = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    two = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    domain = salience.Tensors(axes={"one": ("item", "feature"), "two": ("item", "unit")})
    explainer = salience.Explainer(seeded(Two()), domain, target=["one", "two"], max_rows=16)
    base = salience.PerItem(torch.zeros(4, 1, dtype=torch.float64))
    done = explainer.explain(
        {"one": one, "two": two}, salience.IntegratedGradients(steps=16, baseline=base),
        samplers=["uniform:scale=0.2"], n_samples=salience.Until(rel_error=0.2, min=4, max=16),
    )  # fmt: skip
    keep("tensors", done, {})


def seeded(net, dtype=torch.float64):
    generator = torch.Generator().manual_seed(7)
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator).to(dtype) * 0.5
    return net.to(dtype).eval()


def keep(name, explanation, pictures):
    explanation.save(HERE / f"{name}.salience")
    explanation = salience.Explanation.load(HERE / f"{name}.salience")
    said = {
        "ids": list(explanation.ids),
        "prediction": explanation.prediction.tolist(),
        "score": explanation.score.tolist(),
        "delta": explanation.delta.tolist(),
        "completeness_gap": explanation.completeness_gap.tolist(),
        "n_independent": explanation.units.tolist(),
        "draws": explanation.draws.tolist(),
        "provenance": plain(explanation.provenance),
        "variables": {},
    }
    for variable, saliency in explanation.saliency.items():
        found = {
            "values": saliency.flat.tolist(),
            "std_error": saliency.flat_error.tolist(),
            "counts": None if saliency.counts is None else saliency.counts.tolist(),
            "variance_parts": {part: v.tolist() for part, v in saliency.flat_parts.items()},
            "interval": [lists(end) for end in explanation.confidence_interval(0.9, variable)],
            "certainty": lists(explanation.certainty(variable)),
        }
        if explanation.signed:
            found["p_values"] = lists(explanation.p_values(variable))
        said["variables"][variable] = found
    (HERE / f"{name}.json").write_text(json.dumps(said))
    for file, item in pictures.items():
        explanation.visualize(item, path=HERE / f"{name}_{file}")


def lists(values):
    if isinstance(values, list):
        return [value.tolist() for value in values]
    return values.tolist()


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, salience.PerItem):
        return plain(value.values)
    return value.tolist() if hasattr(value, "tolist") else value


if __name__ == "__main__":
    main()
