"""Families of models, compared with a plain loop over the single items.

    .venv/bin/python scripts/families.py

The loop calls the model with one item, without its padding, and takes gradients by autograd;
salience explains all the items together, in small and in large passes. Each row of the table is the
largest difference in f(x) and in the saliency, relative to the largest value, in float64, or the
sentence of a refusal, or what a family needs that is not installed. A difference above 1e-10 ends
the script with status 1. Nothing is downloaded: models are made from configurations, at random.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import salience
from salience import Target, Tensors

TOLERANCE = 1e-10
STEPS = 16
ITEMS = 5
LENGTHS = (7, 3, 1, 5, 7)
CHEMPROP = ("chemprop.nn", "torch_geometric")
#: Sizes of an encoder, and weights large enough to attend to some positions more than others.
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.5,
}
#: What the configurations of decoders share: the numbers of their special tokens.
DECODER: dict[str, Any] = {
    "vocab_size": 30,
    "initializer_range": 0.5,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@dataclass(frozen=True)
class Family:
    """A model, its data and what is explained.

    Args:
        net: The model.
        data: Argument → tensor, items first.
        target: An argument, or a module whose output is explained.
        read: The score of each item, from the model's output.
        lengths: Number of real positions of each item, on the second axis of ``padded``.
        padded: The arguments whose second axis is padded.
    """

    net: nn.Module
    data: dict[str, Tensor]
    target: str
    read: Callable[[Any], Tensor]
    lengths: tuple[int, ...] = ()
    padded: tuple[str, ...] = ()

    @property
    def domain(self) -> Tensors:
        """Plain tensors, whose axes are numbered."""
        axes = {
            name: ("item", *(f"axis {i}" for i in range(1, t.ndim)))
            for name, t in self.data.items()
        }
        return Tensors(axes, inner=("item", "position", "channel"))

    def explain(self, calculator: str, max_rows: int) -> salience.Explanation:
        """What salience finds."""
        inside = self.target not in self.data
        return salience.explain(
            self.net,
            self.data,
            self.domain,
            calculator,
            target=Target(self.target) if inside else self.target,
            output=self.read,
            max_rows=max_rows,
        )

    def item(self, number: int) -> dict[str, Tensor]:
        """One item without its padding."""
        found = {name: t[number : number + 1] for name, t in self.data.items()}
        for name in self.padded:
            found[name] = found[name][:, : self.lengths[number]]
        return found

    def single(self, number: int, value: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The score of one item, and the variable that is explained: ``value``, where given."""
        item = self.item(number)
        if self.target in item:
            item[self.target] = item[self.target] if value is None else value
            return self.read(self.net(**item)), item[self.target]
        seen: list[Tensor] = []

        def exchange(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            seen.append(output.detach())
            return output if value is None or len(seen) > 1 else value

        hook = self.net.get_submodule(self.target).register_forward_hook(exchange)
        try:
            score = self.read(self.net(**item))
        finally:
            hook.remove()
        return score, seen[0]

    def values(self, found: Tensor) -> Tensor:
        """The saliency of one item as salience gives it."""
        return found[0]


@dataclass(frozen=True)
class Chemprop(Family):
    """A model of chemprop, which takes molecules of several sizes as one batch of PyG."""

    graphs: tuple[Any, ...] = ()

    def explain(self, calculator: str, max_rows: int) -> salience.Explanation:
        """What salience finds."""
        domain = {"name": "molgraph", "form": "pyg"}
        data, rows = list(self.graphs), 4 * max_rows
        return salience.explain(
            self.net, data, domain, calculator, target=self.target, max_rows=rows
        )

    def single(self, number: int, value: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The score of one molecule, and the attribute that is explained."""
        graph = self.graphs[number].clone()
        if value is not None:
            graph[self.target] = value
        batch = importlib.import_module("torch_geometric.data").Batch.from_data_list([graph])
        return self.read(self.net(batch)), graph[self.target]

    def values(self, found: Tensor) -> Tensor:
        """The saliency of each atom or bond, summed over its features."""
        return found.sum(1)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def whole(high: int, *shape: int, low: int = 0) -> Tensor:
    """Random whole numbers."""
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(1))


def real() -> Tensor:
    """1 at real positions and 0 at padding, as tokenizers make it."""
    return (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()


def tokens() -> dict[str, Tensor]:
    """What a tokenizer makes of texts of several lengths."""
    mask = real()
    ids = whole(30, ITEMS, max(LENGTHS), low=3) * mask
    return {"input_ids": ids, "attention_mask": mask}


def first(out: Any) -> Tensor:
    """The first score of each item."""
    scores: Tensor = out
    return scores.flatten(1)[:, 0]


def logit(out: Any) -> Tensor:
    """The first logit of each item."""
    return first(out.logits)


def bert(**settings: Any) -> Family:
    """BERT with token types, of which padding and texts of several lengths are masked."""
    hf = importlib.import_module("transformers")
    config = hf.BertConfig(vocab_size=30, **SMALL, **settings)
    data = tokens()
    data["token_type_ids"] = whole(2, *data["input_ids"].shape)
    net = hf.BertForSequenceClassification(config)
    target = "bert.embeddings.word_embeddings"
    return Family(net, data, target, logit, LENGTHS, tuple(data))


def gpt2() -> Family:
    """GPT-2 that classifies by its last real token."""
    hf = importlib.import_module("transformers")
    config = hf.GPT2Config(
        n_embd=16,
        n_layer=2,
        n_head=2,
        **DECODER,
    )
    data = tokens()
    net = hf.GPT2ForSequenceClassification(config)
    return Family(net, data, "transformer.wte", logit, LENGTHS, tuple(data))


def clip() -> Family:
    """CLIP, whose logits compare each image with the text of every item of the pass."""
    hf = importlib.import_module("transformers")
    config = hf.CLIPConfig(
        text_config={
            "vocab_size": 30,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            **SMALL,
        },
        vision_config={"image_size": 8, "patch_size": 4, **SMALL},
        projection_dim=8,
    )
    data = {**tokens(), "pixel_values": normal(ITEMS, 3, 8, 8)}

    def own(out: Any) -> Tensor:
        found: Tensor = out.logits_per_image.diagonal()
        return found

    padded = ("input_ids", "attention_mask")
    return Family(hf.CLIPModel(config), data, "pixel_values", own, LENGTHS, padded)


def wav2vec2() -> Family:
    """Wav2Vec 2.0 of sounds."""
    hf = importlib.import_module("transformers")
    config = hf.Wav2Vec2Config(
        vocab_size=30,
        conv_dim=[8, 8],
        conv_kernel=[5, 3],
        conv_stride=[2, 2],
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        **SMALL,
    )
    net = hf.Wav2Vec2ForSequenceClassification(config)
    return Family(net, {"input_values": normal(ITEMS, 80)}, "input_values", logit)


def mamba() -> Family:
    """Mamba, a state space model, whose first logits of the last position are explained."""
    hf = importlib.import_module("transformers")
    config = hf.MambaConfig(
        hidden_size=16,
        num_hidden_layers=2,
        state_size=4,
        **DECODER,
    )
    data = {"input_ids": whole(30, ITEMS, 6, low=3)}

    def last(out: Any) -> Tensor:
        found: Tensor = out.logits[:, -1, 0]
        return found

    return Family(hf.MambaForCausalLM(config), data, "backbone.embeddings", last)


def encoder(name: str, target: str, **settings: Any) -> Family:
    """Another encoder of texts."""
    hf = importlib.import_module("transformers")
    config = getattr(hf, f"{name}Config")(vocab_size=30, pad_token_id=0, **settings)
    net = getattr(hf, f"{name}ForSequenceClassification")(config)
    data = tokens()
    return Family(net, data, target, logit, LENGTHS, tuple(data))


def t5(target: str) -> Family:
    """T5, whose encoder, decoder and end share the weight of the embedding."""
    hf = importlib.import_module("transformers")
    config = hf.T5Config(
        vocab_size=30, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, use_cache=False
    )
    net = hf.T5ForConditionalGeneration(config)
    data = {**tokens(), "decoder_input_ids": whole(30, ITEMS, 4, low=3)}
    return Family(net, data, target, logit, LENGTHS, ("input_ids", "attention_mask"))


def mixtral() -> Family:
    """A mixture of experts: each token goes to two of them."""
    hf = importlib.import_module("transformers")
    config = hf.MixtralConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_local_experts=4,
        experts_implementation="eager",
        **DECODER,
    )
    net = hf.MixtralForSequenceClassification(config)
    data = tokens()
    return Family(net, data, "model.embed_tokens", logit, LENGTHS, tuple(data))


def images(name: str, **settings: Any) -> Family:
    """Another classifier of images."""
    hf = importlib.import_module("transformers")
    net = getattr(hf, f"{name}ForImageClassification")(getattr(hf, f"{name}Config")(**settings))
    return Family(net, {"pixel_values": normal(ITEMS, 3, 32, 32)}, "pixel_values", logit)


def vit() -> Family:
    """A vision transformer."""
    hf = importlib.import_module("transformers")
    config = hf.ViTConfig(image_size=8, patch_size=4, **SMALL)
    net = hf.ViTForImageClassification(config)
    return Family(net, {"pixel_values": normal(ITEMS, 3, 8, 8)}, "pixel_values", logit)


class Attention(nn.Module):
    """Attention of the real positions, whose mean is taken."""

    def __init__(self, *, encoder: bool = False, batch_first: bool = True) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2) if encoder else None
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.out = nn.Linear(8, 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Scores of two classes."""
        padding = mask == 0
        if self.encoder is not None:
            y = self.encoder(x, src_key_padding_mask=padding)
        elif self.attention.batch_first:
            y = self.attention(x, x, x, key_padding_mask=padding)[0]
        else:
            x = x.transpose(0, 1)
            y = self.attention(x, x, x, key_padding_mask=padding)[0].transpose(0, 1)
        mean = (y * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        found: Tensor = self.out(mean)
        return found


class Recurrent(nn.Module):
    """The last hidden states of a recurrent network; packed, its padding is left out."""

    def __init__(self, kind: str, *, packed: bool = False, **settings: Any) -> None:
        super().__init__()
        self.net = getattr(nn, kind)(4, 8, batch_first=True, **settings)
        width = settings.get("proj_size", 8) * settings.get("num_layers", 1)
        width *= 2 if settings.get("bidirectional") else 1
        self.out, self.packed = nn.Linear(width, 2), packed

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Scores of two classes."""
        given: Any = x
        if self.packed:
            assert lengths is not None
            given = nn.utils.rnn.pack_padded_sequence(
                x, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
        state = self.net(given)[1]
        state = state[0] if isinstance(state, tuple) else state
        found: Tensor = self.out(state.transpose(0, 1).flatten(1))
        return found


class Tied(nn.Module):
    """One block used three times under two names, and an embedding whose weight is also its end."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, 8)
        self.block = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(5), nn.Tanh())
        self.again = self.block
        self.out = nn.Linear(8, 30, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Scores of the 30 symbols."""
        found: Tensor = self.out(self.again(self.block(self.block(self.embed(ids)))).mean(1))
        return found


def masked(**settings: Any) -> Family:
    """Attention with padding."""
    data = {"x": normal(ITEMS, max(LENGTHS), 8), "mask": real()}
    return Family(Attention(**settings), data, "x", first, LENGTHS, ("x", "mask"))


def recurrent(kind: str, **settings: Any) -> Family:
    """A recurrent network, for sequences of one length."""
    return Family(Recurrent(kind, **settings), {"x": normal(ITEMS, 6, 4)}, "x", first)


def packed(kind: str) -> Family:
    """A recurrent network, for packed sequences of several lengths."""
    data = {"x": normal(ITEMS, max(LENGTHS), 4), "lengths": torch.tensor(LENGTHS)}
    net = Recurrent(kind, packed=True, bidirectional=True)
    return Family(net, data, "x", first, LENGTHS, ("x",))


def tied() -> Family:
    """Tied modules and tied weights."""
    return Family(Tied(), {"ids": whole(30, ITEMS, 5)}, "embed", first)


def lightning() -> Family:
    """A module of Lightning, outside of a trainer."""
    base: Any = importlib.import_module("lightning").LightningModule

    class Lit(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, 3))

        def forward(self, x: Tensor) -> Any:
            return self.net(x)

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

    return Family(Lit(), {"x": normal(ITEMS, 6)}, "x", first)


def skorch() -> Family:
    """The module that skorch trained."""
    made = importlib.import_module("skorch").NeuralNetRegressor(
        nn.Sequential(nn.Linear(6, 8), nn.Dropout(), nn.GELU(), nn.Linear(8, 1)),
        max_epochs=2,
        verbose=0,
        train_split=None,
    )
    made.fit(normal(20, 6).float().numpy(), normal(20, 1).float().numpy())
    return Family(made.module_, {"input": normal(ITEMS, 6)}, "input", first)


def tabm(**settings: Any) -> Family:
    """TabM, an ensemble in one network."""
    made = importlib.import_module("tabm").TabM.make(
        n_num_features=4, cat_cardinalities=[3, 2], d_out=1, k=4, **settings
    )
    data = {"x_num": normal(ITEMS, 4), "x_cat": whole(2, ITEMS, 2)}
    return Family(made, data, "x_num", lambda out: out.mean((1, 2)))


def ft_transformer(target: str) -> Family:
    """FT-Transformer of numbers and of categories."""
    maker = importlib.import_module("rtdl_revisiting_models").FTTransformer
    made = maker(
        n_cont_features=4,
        cat_cardinalities=[3, 2],
        d_out=1,
        n_blocks=2,
        d_block=16,
        attention_n_heads=2,
        attention_dropout=0.2,
        ffn_d_hidden_multiplier=2.0,
        ffn_dropout=0.1,
        residual_dropout=0.0,
    )
    data = {"x_cont": normal(ITEMS, 4), "x_cat": whole(2, ITEMS, 2)}
    return Family(made, data, target, first)


class OfBatch(nn.Module):
    """A model of chemprop for batches of PyG."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, data: Any) -> Tensor:
        """One value a molecule."""
        graph = SimpleNamespace(
            V=data.x,
            E=data.edge_attr,
            edge_index=data.edge_index,
            rev_edge_index=data.rev_edge_index,
            batch=data.batch,
        )
        found: Tensor = self.net(graph)
        return found


def chemprop(target: str, messages: str, pool: str, **settings: Any) -> Family:
    """A network of chemprop v2, for its own features of molecules."""
    layers = importlib.import_module("chemprop.nn")
    made = importlib.import_module("chemprop.models").MPNN(
        getattr(layers, messages)(d_h=16, dropout=0.1, **settings),
        getattr(layers, pool)(**({"output_size": 16} if pool.startswith("Att") else {})),
        layers.RegressionFFN(input_dim=16, hidden_dim=16),
        batch_norm=True,
    )
    base: Any = importlib.import_module("torch_geometric.data").Data

    class Molecule(base):  # type: ignore[misc]
        def __inc__(self, key: str, value: Any, *args: Any) -> Any:
            if key == "rev_edge_index":
                return self.edge_index.shape[1]
            return super().__inc__(key, value, *args)

    featurize = importlib.import_module("chemprop.featurizers").SimpleMoleculeMolGraphFeaturizer()
    read = importlib.import_module("rdkit.Chem").MolFromSmiles
    graphs = []
    for smiles in ("CCO", "c1ccccc1O", "C", "CC(=O)N", "OCC=C"):
        graph = featurize(read(smiles))
        graphs.append(
            Molecule(
                x=torch.as_tensor(graph.V).double(),
                edge_attr=torch.as_tensor(graph.E).double(),
                edge_index=torch.as_tensor(graph.edge_index),
                rev_edge_index=torch.as_tensor(graph.rev_edge_index),
            )
        )
    return Chemprop(OfBatch(made), {}, target, first, graphs=tuple(graphs))


#: Name → the packages that it needs, and what makes it.
FAMILIES: dict[str, tuple[tuple[str, ...], Callable[[], Family]]] = {
    "BERT": (("transformers",), bert),
    "BERT, eager": (("transformers",), lambda: bert(attn_implementation="eager")),
    "GPT-2": (("transformers",), gpt2),
    "RoBERTa": (
        ("transformers",),
        lambda: encoder(
            "Roberta", "roberta.embeddings.word_embeddings", **SMALL, bos_token_id=1, eos_token_id=2
        ),
    ),
    "ALBERT, shared layers": (
        ("transformers",),
        lambda: encoder("Albert", "albert.embeddings.word_embeddings", embedding_size=8, **SMALL),
    ),
    "DistilBERT": (
        ("transformers",),
        lambda: encoder(
            "DistilBert",
            "distilbert.embeddings.word_embeddings",
            dim=16,
            hidden_dim=32,
            n_layers=2,
            n_heads=2,
            initializer_range=0.5,
        ),
    ),
    "T5": (("transformers",), lambda: t5("encoder.embed_tokens")),
    "T5, inside its encoder": (("transformers",), lambda: t5("encoder.block.0.layer.1")),
    "Mixtral": (("transformers",), mixtral),
    "DeBERTa, relative positions": (
        ("transformers",),
        lambda: encoder(
            "DebertaV2",
            "deberta.embeddings.word_embeddings",
            relative_attention=True,
            pos_att_type=["c2p", "p2c"],
            **SMALL,
        ),
    ),
    "Mamba": (("transformers",), mamba),
    "Wav2Vec 2.0": (("transformers",), wav2vec2),
    "CLIP": (("transformers",), clip),
    "ViT": (("transformers",), vit),
    "ResNet": (
        ("transformers",),
        lambda: images(
            "ResNet", embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
        ),
    ),
    "ConvNeXt": (
        ("transformers",),
        lambda: images("ConvNext", num_stages=2, hidden_sizes=[8, 16], depths=[1, 1]),
    ),
    "Swin": (
        ("transformers",),
        lambda: images(
            "Swin",
            image_size=32,
            patch_size=4,
            embed_dim=8,
            depths=[2, 2],
            num_heads=[2, 2],
            window_size=4,
        ),
    ),
    "MultiheadAttention": ((), masked),
    "MultiheadAttention, time first": ((), lambda: masked(batch_first=False)),
    "TransformerEncoder": ((), lambda: masked(encoder=True)),
    "LSTM": ((), lambda: recurrent("LSTM", num_layers=2, dropout=0.2)),
    "LSTM, projected": ((), lambda: recurrent("LSTM", proj_size=3)),
    "GRU, both directions": ((), lambda: recurrent("GRU", bidirectional=True)),
    "LSTM, packed": ((), lambda: packed("LSTM")),
    "tied modules and weights": ((), tied),
    "Lightning module": (("lightning",), lightning),
    "skorch module_": (("skorch",), skorch),
    "TabM": (("tabm",), tabm),
    "TabM-mini": (("tabm",), lambda: tabm(arch_type="tabm-mini")),
    "FT-Transformer": (("rtdl_revisiting_models",), lambda: ft_transformer("x_cont")),
    "FT-Transformer, categories": (
        ("rtdl_revisiting_models",),
        lambda: ft_transformer("cat_embeddings"),
    ),
    "chemprop, atoms": (
        CHEMPROP,
        lambda: chemprop("x", "BondMessagePassing", "MeanAggregation"),
    ),
    "chemprop, bonds": (
        CHEMPROP,
        lambda: chemprop("edge_attr", "BondMessagePassing", "NormAggregation", undirected=True),
    ),
    "chemprop, messages of atoms": (
        CHEMPROP,
        lambda: chemprop("x", "AtomMessagePassing", "AttentiveAggregation"),
    ),
}


def loop(family: Family, steps: int) -> tuple[Tensor, list[Tensor]]:
    """f(x) and the saliency of each item, alone: gradients, or integrated gradients."""
    scores, found = [], []
    for number in range(ITEMS):
        score, start = family.single(number)
        scores.append(score.detach().flatten())
        total = torch.zeros_like(start)
        for node, weight in zip(*_nodes(steps), strict=True):
            value = (start * node).detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad(
                family.single(number, value)[0].sum(), value, materialize_grads=True
            )
            total = total + weight * slope
        found.append(family.values((total * start if steps else total).detach()))
    return torch.cat(scores), found


def _nodes(steps: int) -> tuple[list[float], list[float]]:
    """Gauss-Legendre nodes and weights of the path from 0 to 1; of 0 steps: its end."""
    if not steps:
        return [1.0], [1.0]
    points, weights = np.polynomial.legendre.leggauss(steps)
    return ((points + 1) / 2).tolist(), (weights / 2).tolist()


def compare(build: Callable[[], Family], steps: int) -> float | str:
    """The largest difference to the loop, relative to the largest value, or a refusal."""
    torch.manual_seed(0)
    family = build()
    family.net.double().eval()
    calculator = f"integrated_gradients:steps={steps}" if steps else "gradient"
    try:
        done = [family.explain(calculator, max_rows) for max_rows in (2, 200)]
    except salience.InputError as error:
        return f"refused: {error}"
    scores, truth = loop(family, steps)
    apart = []
    for one in done:
        full = [torch.zeros_like(values) for values in one.values]
        for padded, single in zip(full, truth, strict=True):
            padded[tuple(slice(0, n) for n in single.shape)] = single
        found = torch.cat([values.flatten() for values in one.values])
        apart += [_apart(one.score, scores)]
        apart += [_apart(found, torch.cat([values.flatten() for values in full]))]
    return float(torch.tensor(apart).max())


def _apart(one: Tensor, other: Tensor) -> float:
    assert other.any(), "the loop found nothing to compare with"
    return float((one - other).abs().max() / other.abs().max())


def check() -> list[tuple[str, float | str]]:
    """Each family and method, with its difference or refusal, or what is not installed."""
    rows: list[tuple[str, float | str]] = []
    for name, (packages, build) in FAMILIES.items():
        lacking = [found for package in packages if (found := _lacking(package))]
        for steps in (0, STEPS):
            title = f"{name}, {'path' if steps else 'gradient'}"
            if lacking:
                rows.append((title, f"not installed: {', '.join(lacking)}"))
            else:
                rows.append((title, compare(build, steps)))
    return rows


def _lacking(package: str) -> str:
    """The package, and what it lacks, where it cannot be imported."""
    try:
        importlib.import_module(package)
    except ImportError as error:
        return package if error.name == package.partition(".")[0] else f"{package} ({error})"
    return ""


def main() -> int:
    """Print the table; return 1 where a number differs."""
    rows = check()
    width = max(len(name) for name, _ in rows)
    for name, found in rows:
        print(f"{name:{width}}  {f'{found:.1e}' if isinstance(found, float) else found}")
    return int(any(isinstance(found, float) and not found <= TOLERANCE for _, found in rows))


if __name__ == "__main__":
    sys.exit(main())
