"""Families of models, compared with a plain loop over the single items.

    .venv/bin/python scripts/families.py

The loop runs the model in eval mode on one item at a time and takes gradients by autograd; salience
explains all the items together. Each row of the table is the largest difference in f(x) and in the
saliency, in float64, or the sentence of a refusal. A family whose package is not installed is
skipped by its name. A difference above 1e-10 ends the script with status 1.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import salience

TOLERANCE = 1e-10
N_ITEMS = 5


@dataclass(frozen=True)
class Case:
    """A model with data, and how salience is asked and the loop run.

    Args:
        model: The model, or what the user has in its place.
        data: The data of all the items, as salience is given it.
        domain: The domain, by name, config or object.
        score: Class scores or values of a batch, from the arguments of the loop.
        items: Argument of ``score`` → its values for all the items; the loop takes one at a time.
        wrt: Argument of ``score``, or a module, that receives the saliency.
        target: The target variable, as salience is given it.
        output: The output variable, as salience is given it.
    """

    model: Any
    data: Any
    domain: Any
    score: Callable[..., Tensor]
    items: Mapping[str, Tensor]
    wrt: str | nn.Module
    target: Any = "input"
    output: Any = None


def normal(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal numbers, the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tokens(vocabulary: int, length: int = 7) -> dict[str, Tensor]:
    """What a tokenizer gives, in its order: ids, kinds of token, and the mask of real ones."""
    generator = torch.Generator().manual_seed(2)
    lengths = torch.tensor([7, 3, 5, 7, 1])[:, None]
    place = torch.arange(length)[None]
    ids = torch.randint(1, vocabulary, (N_ITEMS, length), generator=generator)
    return {
        "input_ids": ids * (place < lengths),
        "token_type_ids": (place >= lengths // 2).long(),
        "attention_mask": (place < lengths).long(),
    }


# --- torch ----------------------------------------------------------------------------------------


class Attention(nn.Module):
    """Self-attention over the time steps of an item, batch first or not."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=batch_first)
        self.out, self.batch_first = nn.Linear(4, 3), batch_first

    def forward(self, x: Tensor) -> Tensor:
        """The scores of each item."""
        x = x if self.batch_first else x.transpose(0, 1)
        out: Tensor = self.out(self.attention(x, x, x)[0].mean(1 if self.batch_first else 0))
        return out


class Recurrent(nn.Module):
    """Layers of a recurrent network in both directions, of which the last step is read."""

    def __init__(self, kind: Callable[..., nn.RNNBase]) -> None:
        super().__init__()
        self.layers = kind(4, 6, num_layers=2, bidirectional=True, batch_first=True, dropout=0.2)
        self.out = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of each item."""
        out: Tensor = self.out(self.layers(x)[0][:, -1])
        return out


class Encoder(nn.Module):
    """torch's own transformer encoder over padded steps."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of each item."""
        hidden = self.encoder(x, src_key_padding_mask=x.abs().sum(-1) == 0)
        out: Tensor = self.out(hidden[:, 0])
        return out


def sequences(module: nn.Module) -> Case:
    """A module over the time steps of items."""
    x = normal(N_ITEMS, 6, 4)
    if isinstance(module, Encoder):
        x[1, 3:] = 0
    domain = salience.Tensors(axes=("item", "time", "channel"))
    model = module.double().eval()
    return Case(model, x, domain, model, {"x": x}, wrt="x")


class Tied(nn.Module):
    """An autoencoder with one block under two names and tied weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh())
        self.second, self.into, self.out = self.first, nn.Linear(8, 3), nn.Linear(3, 8)
        self.out.weight = nn.Parameter(torch.empty(0))
        self.out.weight = self.into.weight

    def forward(self, x: Tensor) -> Tensor:
        """The scores of each item."""
        hidden = self.into(self.second(self.first(x)))
        back = hidden @ self.out.weight + self.out.bias
        scores: Tensor = hidden - (back - x).square().mean(1, keepdim=True)
        return scores


def rows(model: Any, score: Callable[..., Tensor] | None = None, **settings: Any) -> Case:
    """A model of the rows of a table."""
    x = normal(N_ITEMS, 8)
    return Case(model, x, salience.Tensors(), score or model, {"x": x}, wrt="x", **settings)


def torch_families() -> Iterator[tuple[str, Case]]:
    """Layers of torch."""
    for batch_first in (True, False):
        name = f"MultiheadAttention, batch_first={batch_first}"
        yield name, sequences(Attention(batch_first))
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        yield kind.__name__, sequences(Recurrent(kind))
    yield "TransformerEncoder, padded", sequences(Encoder())
    yield "tied modules and weights", rows(Tied().double().eval())


# --- Hugging Face ---------------------------------------------------------------------------------

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_labels": 3,
}


def logits(output: Any) -> Tensor:
    """The scores in an output of Hugging Face."""
    scores: Tensor = output.logits if hasattr(output, "logits") else output["logits"]
    return scores


def first_logit(output: Any) -> Tensor:
    """The score of the class that is explained."""
    return logits(output)[:, 1]


def text_case(model: Any, module: str, data: Mapping[str, Tensor]) -> Case:
    """A language model, whose embedding of words receives the saliency."""
    domain = salience.Tensors(
        axes=dict.fromkeys(data, ("item", "token")), inner=("item", "token", "unit")
    )
    model = model.double().eval()
    return Case(
        model,
        dict(data),
        domain,
        lambda **arguments: logits(model(**arguments)),
        data,
        wrt=model.get_submodule(module),
        target=module,
        output=first_logit,
    )


def hugging_face() -> Iterator[tuple[str, Case]]:
    """Models of Hugging Face from a config, without a download."""
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        GPT2Config,
        GPT2ForSequenceClassification,
        ViTConfig,
        ViTForImageClassification,
    )

    data = tokens(50)
    bert = BertForSequenceClassification(BertConfig(vocab_size=50, **SMALL))
    yield "BERT", text_case(bert, "bert.embeddings.word_embeddings", data)
    eager = BertConfig(vocab_size=50, attn_implementation="eager", **SMALL)
    bert = BertForSequenceClassification(eager)
    yield "BERT, eager attention", text_case(bert, "bert.embeddings.word_embeddings", data)
    config = GPT2Config(
        vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=16, num_labels=3, pad_token_id=0
    )
    ids = {name: data[name] for name in ("attention_mask", "input_ids")}
    yield "GPT-2", text_case(GPT2ForSequenceClassification(config), "transformer.wte", ids)
    vit = ViTForImageClassification(ViTConfig(image_size=16, patch_size=8, **SMALL)).double().eval()
    x = normal(N_ITEMS, 3, 16, 16)
    axes = ("item", "channel", "height", "width")
    yield (
        "ViT",
        Case(
            vit,
            {"pixel_values": x},
            salience.Tensors(axes={"pixel_values": axes}),
            lambda pixel_values: logits(vit(pixel_values=pixel_values)),
            {"pixel_values": x},
            wrt="pixel_values",
            output=first_logit,
        ),
    )
    yield from vit_of_photos(vit)


def vit_of_photos(vit: Any) -> Iterator[tuple[str, Case]]:
    """A processor as the transform of photos."""
    from PIL import Image
    from transformers import ViTImageProcessor

    size = {"height": 16, "width": 16}
    processor = ViTImageProcessor(size=size)

    def transform(photo: Image.Image) -> Tensor:
        values: Tensor = processor(photo, return_tensors="pt")["pixel_values"][0]
        return values

    generator = np.random.default_rng(0)
    photos = [
        Image.fromarray(generator.integers(0, 256, (20, 24, 3), dtype=np.uint8))
        for _ in range(N_ITEMS)
    ]
    yield (
        "ViT, processor as transform",
        Case(
            vit,
            photos,
            {"name": "vision", "transform": transform},
            lambda x: logits(vit(pixel_values=x)),
            {"x": torch.stack([transform(photo) for photo in photos]).double()},
            wrt="x",
            output=first_logit,
        ),
    )


# --- Wrappers -------------------------------------------------------------------------------------


def network() -> nn.Sequential:
    """A network that is another one in train mode."""
    layers = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    return nn.Sequential(*layers).double()


def lightning() -> Iterator[tuple[str, Case]]:
    """A module of Lightning after training, and a method of it."""
    from lightning import LightningModule, Trainer
    from torch.utils.data import DataLoader, TensorDataset

    class Classifier(LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = network()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.net(x)
            return out

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    model = Classifier()
    data = TensorDataset(normal(20, 8, seed=3), torch.arange(20) % 3)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        enable_model_summary=False,
        **quiet,
    )
    trainer.fit(model, DataLoader(data, batch_size=10))
    alone = copy.deepcopy(model.net).eval()
    yield "Lightning, after training", rows(model.train(), alone)
    yield "Lightning, a method of it", rows(model.forward, alone)


def skorch() -> Iterator[tuple[str, Case]]:
    """A classifier of skorch, by its module and by its methods."""
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(network(), max_epochs=2, verbose=0, train_split=None)
    net.fit(normal(20, 8, seed=3).numpy(), np.arange(20) % 3)
    alone = copy.deepcopy(net.module_).eval()
    yield "skorch, its module", rows(net.module_.train(), alone)
    yield "skorch, a function over it", rows(lambda x: net.module_(x), alone)
    yield "skorch, its infer", rows(net.infer, alone)


# --- Tables and molecules -------------------------------------------------------------------------


def tabular_case(model: nn.Module, names: tuple[str, str], read: Callable[..., Tensor]) -> Case:
    """A network of numbers and of categories, whose numbers receive the saliency."""
    model = model.double().eval()
    kinds = torch.arange(N_ITEMS * 2).reshape(N_ITEMS, 2) % torch.tensor([3, 4])
    data = {names[1]: kinds, names[0]: normal(N_ITEMS, 6)}
    axes = {names[1]: ("item", "category"), names[0]: ("item", "feature")}
    return Case(
        model,
        data,
        salience.Tensors(axes=axes),
        lambda **arguments: read(model(**arguments)),
        data,
        wrt=names[0],
        target=names[0],
        output=lambda out: read(out)[:, 1],
    )


def tabm() -> Iterator[tuple[str, Case]]:
    """TabM, the mean of its ensemble."""
    from tabm import TabM

    model = TabM.make(n_num_features=6, cat_cardinalities=[3, 4], d_out=3, k=4)
    yield "TabM", tabular_case(model, ("x_num", "x_cat"), lambda out: out.mean(1))


def rtdl() -> Iterator[tuple[str, Case]]:
    """FT-Transformer."""
    from rtdl_revisiting_models import FTTransformer

    settings = FTTransformer.get_default_kwargs(1)
    model = FTTransformer(n_cont_features=6, cat_cardinalities=[3, 4], d_out=3, **settings)
    yield "FT-Transformer", tabular_case(model, ("x_cont", "x_cat"), lambda out: out)


def chemprop() -> Iterator[tuple[str, Case]]:
    """A message passing network of chemprop."""
    from chemprop.data import MoleculeDatapoint
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
    from chemprop.models import MPNN
    from chemprop.nn import BondMessagePassing, MeanAggregation, RegressionFFN

    featurize = SimpleMoleculeMolGraphFeaturizer()
    smiles = ("CCO", "c1ccccc1C(=O)N", "CC(C)Cl", "C1CC1", "OCC#N")
    graphs = [featurize(MoleculeDatapoint.from_smi(one).mol) for one in smiles]
    model = MPNN(
        BondMessagePassing(d_h=16, depth=3), MeanAggregation(), RegressionFFN(input_dim=16)
    )
    model = model.double().eval()

    class OfTensors(nn.Module):
        """Makes chemprop's batch of the tensors that salience packs."""

        def __init__(self) -> None:
            super().__init__()
            self.net = model

        def forward(
            self, atoms: Tensor, bonds: Tensor, ends: Tensor, reverse: Tensor, molecule: Tensor
        ) -> Tensor:
            """The value of each molecule."""
            graph = SimpleNamespace(
                V=atoms, E=bonds, edge_index=ends, rev_edge_index=reverse, batch=molecule
            )
            out: Tensor = self.net(graph)
            return out

    yield "chemprop", chemprop_case(OfTensors().eval(), graphs)


@dataclass(frozen=True)
class Molecules(salience.Domain):
    """The glue for chemprop: its graphs as tensors by atom and by directed bond."""

    output: str = "value"
    visualizer = ""

    @property
    def layout(self) -> salience.Layout:
        """Atoms, directed bonds, the atoms at the ends of a bond, and the bond the other way."""
        fields = {
            "atoms": salience.Field(("atom", "unit")),
            "bonds": salience.Field(("bond", "unit")),
            "ends": salience.Field(("end", "bond"), refers_to="atom"),
            "reverse": salience.Field(("bond",), refers_to="bond"),
            "molecule": salience.Field(("atom",), refers_to="item"),
        }
        return salience.Layout(fields, elements=("atom", "bond"))

    def read(self, data: Any) -> list[Any]:
        """The graphs as they are."""
        return list(data)

    def size(self, sample: Any) -> int:
        """Number of atoms."""
        return len(sample.V)

    def collate(self, samples: Any) -> salience.Batch:
        """Concatenate graphs, with shifted indices."""
        atoms = torch.tensor([len(graph.V) for graph in samples])
        bonds = torch.tensor([len(graph.E) for graph in samples])

        def joined(name: str, axis: int, counts: Tensor | None = None) -> Tensor:
            parts = [torch.as_tensor(getattr(graph, name)) for graph in samples]
            if counts is not None:
                starts = counts.cumsum(0) - counts
                parts = [part + start for part, start in zip(parts, starts, strict=True)]
            return torch.cat(parts, axis)

        arguments = {
            "atoms": joined("V", 0),
            "bonds": joined("E", 0),
            "ends": joined("edge_index", 1, atoms),
            "reverse": joined("rev_edge_index", 0, bonds),
            "molecule": torch.repeat_interleave(torch.arange(len(samples)), atoms),
        }
        return salience.Batch(arguments, self.layout, len(samples), {"atom": atoms, "bond": bonds})


def chemprop_case(model: nn.Module, graphs: list[Any]) -> Case:
    """Graphs whose atoms receive the saliency."""
    return Case(model, graphs, Molecules(), model, {}, wrt="atoms")


# --- Comparison -----------------------------------------------------------------------------------

FAMILIES: dict[str, Callable[[], Iterator[tuple[str, Case]]]] = {
    "torch": torch_families,
    "transformers": hugging_face,
    "lightning": lightning,
    "skorch": skorch,
    "chemprop": chemprop,
    "tabm": tabm,
    "rtdl_revisiting_models": rtdl,
}


def singles(case: Case) -> Iterator[dict[str, Tensor]]:
    """The arguments of the loop, one item at a time."""
    if case.items:
        for i in range(N_ITEMS):
            yield {name: value[i : i + 1] for name, value in case.items.items()}
        return
    for graph in case.data:
        batch = case.domain.collate([graph])
        yield {
            name: value.double() if value.is_floating_point() else value
            for name, value in batch.arguments.items()
        }


def cut(leaves: list[Tensor], module: nn.Module, args: Any, output: Tensor) -> Tensor:
    """A forward hook that makes the output of a module a leaf, and keeps it."""
    leaves.append(output.detach().requires_grad_())
    return leaves[-1]


def loop(case: Case) -> tuple[list[Tensor], list[Tensor]]:
    """f(x) and the saliency of each item alone, by autograd."""
    scores, saliency = [], []
    for arguments in singles(case):
        leaves: list[Tensor] = []
        if isinstance(case.wrt, str):
            leaves.append(arguments[case.wrt].clone().requires_grad_())
            arguments[case.wrt] = leaves[0]
            out = case.score(**arguments) if len(arguments) > 1 else case.score(leaves[0])
        else:

            def keep(
                module: nn.Module, args: Any, output: Tensor, to: list[Tensor] = leaves
            ) -> Any:
                to.append(output.detach().requires_grad_())
                return to[0]

            handle = case.wrt.register_forward_hook(keep)
            out = case.score(**arguments)
            handle.remove()
        if case.output is not None:
            value = out[:, 1]
        else:
            value = out[:, 0] if out.shape[1] == 1 else out.max(1).values
        saliency.append(torch.autograd.grad(value.sum(), leaves[0])[0])
        assert saliency[-1].any(), "a saliency of 0 would equal whatever is left out"
        scores.append(value.detach())
    return scores, saliency


def compared(case: Case) -> float:
    """The largest difference between salience and the loop."""
    scores, saliency = loop(case)
    found = salience.explain(
        case.model, case.data, case.domain, target=case.target, output=case.output
    )
    values = found.values
    parts = list(values) if not isinstance(values, Tensor) else list(values[:, None])
    differences = [float((found.score - torch.cat(scores)).abs().max())]
    for mine, theirs in zip(parts, saliency, strict=True):
        theirs = theirs.reshape(mine.shape) if theirs.numel() == mine.numel() else theirs.sum(1)[0]
        differences.append(float((mine - theirs.reshape(mine.shape)).abs().max()))
    return max(differences)


def check() -> list[tuple[str, float | str]]:
    """Family → the largest difference, or the sentence of a refusal or of what is not installed."""
    found: list[tuple[str, float | str]] = []
    for package, families in FAMILIES.items():
        torch.manual_seed(0)
        try:
            for name, case in families():
                try:
                    found.append((name, compared(case)))
                except salience.InputError as error:
                    found.append((name, f"refused: {error}"))
        except ImportError as error:
            found.append((package, f"skipped: {error}"))
    return found


def main() -> int:
    """Print the table; 1 where a difference is too large."""
    warnings.simplefilter("ignore")
    wrong = 0
    for name, result in check():
        shown = result if isinstance(result, str) else f"{result:.1e}"
        print(f"{name:36} {shown}", flush=True)
        wrong += not isinstance(result, str) and not result <= TOLERANCE
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
