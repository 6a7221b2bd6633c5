"""Inputs: names and orders of columns and axes, in data and in what is handed in beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

import salience
from salience import Explainer, GaussianNoise, IntegratedGradients, Mean, PerItem, Tensors
from salience_tabular import Tabular

from .data import Any64
from .oracle import Case
from .specs import brief
from .subject import N_ITEMS, WIDTH, network, rows, slow, told
from .values import MAYBE, NONE, Mark

NAMES = ["a", "b", "c"]


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(beside(), beside(), chunks(), categories(), axes())


def frame() -> pd.DataFrame:
    return pd.DataFrame(rows().numpy(), columns=NAMES)


def _labels() -> st.SearchStrategy[list[str]]:
    """Names of columns in any order, with more of them, others, or one too few."""
    orders = st.permutations(NAMES).map(list)
    return st.one_of(
        orders,
        orders,
        orders.map(lambda names: [*names, "d"]),
        orders.map(lambda names: ["z", *names]),
        orders.map(lambda names: names[:-1]),
        orders.map(lambda names: [*names[:-1], "z"]),
        orders.map(lambda names: [*names, names[0]]),
        orders.map(lambda names: [n.upper() for n in names]),
    )


@st.composite
def beside(draw: Any) -> Case:
    """Baselines, replaced values and scales with names: by the names of the data's columns."""
    names = draw(_labels())
    many = np.random.default_rng(2).normal(size=(N_ITEMS, len(names)))
    one = many[0]
    form = draw(st.sampled_from(("series", "per item", "mean", "array", "series list")))
    makers: dict[str, Callable[[], Any]] = {
        "series": lambda: pd.Series(one, index=names),
        "per item": lambda: PerItem(pd.DataFrame(many, columns=names)),
        "mean": lambda: Mean(pd.DataFrame(many, columns=names)),
        "array": lambda: one,
        "series list": lambda: PerItem([pd.Series(row, index=names) for row in many]),
    }
    right: Any = _by_name(names, many if form != "series" else many[:1], form)
    use = draw(st.sampled_from(("baseline", "value", "scale")))
    if use == "scale":
        if form not in ("series", "array"):
            form, right = "series", _by_name(names, many[:1], "series")
        if form == "array":
            right = right if isinstance(right, Mark) else np.abs(right)
        else:
            right = right if isinstance(right, Mark) else np.abs(right)

    def part() -> tuple[Any, list[Any], int]:
        given = makers[form]()
        if use == "scale":
            noise = GaussianNoise(scale=abs(given), mode="absolute")
            return "gradient", [noise], 2
        if use == "value":
            return salience.Occlusion(value=given), [], 1
        return IntegratedGradients(steps=5, baseline=given), [], 1

    def run() -> Any:
        calculator, samplers, number = part()
        return told(Explainer(Any64(), Tabular()).explain(frame(), calculator, samplers, number))

    def expected() -> Any:
        if use == "scale":
            noise = GaussianNoise(scale=right[0], mode="absolute")
            own = Explainer(network(), Tensors(), max_rows=1)
            return {"values": [own.explain(rows(), "gradient", [noise], 2).values]}
        name = "integrated_gradients" if use == "baseline" else "occlusion"
        each = [
            slow(name, x, {"steps": 5, use: torch.as_tensor(b)})
            for x, b in zip(rows(), right, strict=True)
        ]
        return {"values": [torch.stack(each)]}

    text = f"{use} as {form} with {names}"
    return Case(text, run, right if isinstance(right, Mark) else expected)


def _by_name(names: list[str], many: Any, form: str) -> Any:
    """Values of the items in the order of the data; ``NONE`` where a column has no value."""
    if form == "array":
        return np.repeat(many[:1], N_ITEMS, 0) if len(names) == WIDTH else NONE
    if any(names.count(name) != 1 for name in NAMES):
        return NONE
    if len(names) != WIDTH and form in ("series", "series list"):
        return MAYBE  # whether further entries are left out is up to salience
    found = many[:, [names.index(name) for name in NAMES]]
    if form == "mean":
        found = found.mean(0, keepdims=True)
    return np.repeat(found, N_ITEMS, 0) if len(found) == 1 else found


@st.composite
def chunks(draw: Any) -> Case:
    """Chunks of a stream, whose columns stand in any order."""
    order = draw(_labels())
    full = frame().assign(d=0.0, z=1.0, A=2.0, B=3.0, C=4.0)
    cut = draw(st.integers(1, N_ITEMS - 1))
    second = full.iloc[cut:][order]
    plain: Any = NONE if any(order.count(name) != 1 for name in NAMES) else None

    def run() -> Any:
        own = Explainer(Any64(), Tabular()).stream([frame().iloc[:cut], second])
        return {"values": torch.cat([one.values for one in own])}

    def expected() -> Any:
        return {"values": torch.stack([slow("gradient", x, {}) for x in rows()])}

    # A stream explains its first chunk before it reads the second.
    return Case(f"stream {NAMES} | {order}", run, plain if plain is NONE else expected, late=True)


class Mixed(nn.Module):
    """Two numeric columns and one of categories."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.embed = nn.Embedding(3, 2).double()
        self.last = nn.Linear(4, 3).double()

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        return self.read(numeric, self.embed(categorical))

    def read(self, numeric: Tensor, embedded: Tensor) -> Tensor:
        found: Tensor = self.last(torch.cat([numeric, embedded[:, 0]], 1).tanh())
        return found


@cache
def mixed() -> Mixed:
    return Mixed().eval()


@st.composite
def categories(draw: Any) -> Case:
    """Tables with a column of categories at any place, declared by name or by position."""
    order = draw(st.permutations(["a", "b", "k"]).map(list))
    codes = draw(st.lists(st.integers(0, 2), min_size=N_ITEMS, max_size=N_ITEMS))
    table = frame().assign(k=codes)[order]
    as_category = draw(st.booleans())
    if as_category:
        table["k"] = pd.Categorical.from_codes(codes, ["x", "y", "z"])
    by_name = draw(st.booleans())
    declared: Any = "k" if by_name else order.index("k")
    odd = draw(st.sampled_from(("", "", "array", "bad code", "other")))
    data: Any = table
    plain: Any = None
    if odd == "array" and not as_category:
        data = table.to_numpy()
        plain = NONE if by_name else None
    elif odd == "bad code":
        data = table.assign(k=[*codes[:-1], draw(st.sampled_from((-1, 1.5, float("nan"), None)))])
        plain = NONE
    elif odd == "other":
        declared, plain = draw(st.sampled_from(("z", 3, -1, ("k", "k")))), NONE
    numeric_names = [n for n in order if n != "k"]

    def run() -> Any:
        domain = Tabular(categorical=[declared] if not isinstance(declared, tuple) else declared)
        return told(Explainer(mixed(), domain, output="class:1").explain(data))

    def expected() -> Any:
        found = []
        for at in range(N_ITEMS):
            numeric = torch.tensor(frame()[numeric_names].to_numpy()[[at]], requires_grad=True)
            embedded = mixed().embed(torch.tensor([[codes[at]]])).detach().requires_grad_(True)
            mixed().read(numeric, embedded)[0, 1].backward()
            assert numeric.grad is not None and embedded.grad is not None
            own = dict(zip(numeric_names, numeric.grad[0], strict=True))
            own["k"] = embedded.grad.sum()
            found.append(torch.stack([own[name] for name in order]))
        return {"variables": ["features"], "values": [torch.stack(found)]}

    text = f"categorical={declared!r} of {order} {odd} {codes} category={as_category}"
    return Case(text, run, plain if plain is NONE else expected)


@st.composite
def axes(draw: Any) -> Case:
    """Axes of plain tensors in any order, arguments by name, and arguments that items share."""
    turned, shared = draw(st.booleans()), draw(st.booleans())
    weights = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)

    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, x: Tensor, w: Tensor | None = None) -> Tensor:
            x = x.T if turned else x
            found: Tensor = self.inner(x if w is None else x * w)
            return found

    named: dict[str, Any] = {"x": ("feature", "item") if turned else ("item", "feature")}
    data: dict[str, Any] = {"x": rows().T if turned else rows()}
    if shared:
        named["w"], data["w"] = ("feature",), weights
    if draw(st.booleans()):
        data = dict(reversed(data.items()))
    fault = draw(st.sampled_from(("", "", "", "lacks", "more", "length", "name")))
    if fault == "lacks":
        del data["x"]
    elif fault == "more":
        data["y"] = rows()
    elif fault == "length" and shared:
        data["w"] = weights[None]
    elif fault == "name":
        named["x"] = ("row", "feature")
    plain = NONE if fault and (fault != "length" or shared) else None
    method = draw(st.sampled_from(("gradient", "integrated_gradients:steps=6")))

    def run() -> Any:
        own = Explainer(Turned(), Tensors(axes=named), "x")
        return {"values": own.explain(data, method).values}

    def expected() -> Any:
        by = weights if shared else torch.ones(WIDTH, dtype=torch.float64)

        def read(out: Tensor, x: Tensor) -> Tensor:
            return out[int(network()((x)[None])[0].argmax())]

        found = torch.stack(
            [slow(method.partition(":")[0], x * by, {"steps": 6}, read) for x in rows()]
        )
        found = found * by if method == "gradient" else found
        return {"values": found}  # items come first, whatever the order of the axes

    text = f"axes={named} data={brief(list(data))} {fault} {method}"
    return Case(text, run, plain if plain is NONE else expected)
