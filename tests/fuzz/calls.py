"""Inputs: arguments of Explainer, explain, compute, stream, check and rerun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import assume
from hypothesis import strategies as st
from torch import Tensor

import salience
from salience import ClassScore, CrossEntropy, Explainer, Tap, Target, Tensors, Value

from . import limits
from .oracle import Case
from .specs import brief
from .subject import CLASSES, N_ITEMS, explainer, network, predicted, rows, slow, told
from .values import MAYBE, NONE, Setting, dressed, free, truth, whole, wild

#: Settings without a sampler, and with one, under which an argument is tried.
_NOISY: dict[str, Any] = {"samplers": ["gaussian:scale=0.2"], "n_samples": 2}


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(
        outputs(), targets(), draws(), ids(), keys(), machines(), labels(), domains(), methods()
    )


def same_as(text: str, run: Callable[[], Any], plain: Callable[[], Any] | Any, **more: Any) -> Case:
    """A case whose numbers are those of an explanation that is made another way."""
    expected = plain if plain in (NONE, MAYBE) else lambda: told(plain())
    return Case(text, lambda: told(run()), expected, **more)


# --- Output variables ----------------------------------------------------------------------------

_READ: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "predicted": predicted,
    "class:1": lambda out, x: out[1],
    "class:index=2": lambda out, x: out[2],
    "value:0": lambda out, x: out[0],
    "cross_entropy": lambda out, x: -out.log_softmax(0)[int(network()(x[None])[0].argmax())],
}


@st.composite
def outputs(draw: Any) -> Case:
    """``output=`` by name, object, function, or anything."""
    kind = draw(st.sampled_from(("name", "index", "function", "wild", "tap", "mapping")))
    read: Any = NONE
    if kind == "name":
        output: Any = draw(st.sampled_from(sorted(_READ)))
        read = _READ[output]
    elif kind == "index":
        setting = whole(0, CLASSES - 1, good=CLASSES - 1)
        value, cls = draw(setting.any()), draw(st.sampled_from((ClassScore, Value)))
        meant = setting.meaning(value)
        # A model with several values needs an index of Value.
        output = lambda: cls(value)  # noqa: E731
        read = NONE if meant is NONE else (lambda out, x: out[meant])
        text = f"output={cls.__name__}({brief(value)})"
        return _loop(text, lambda: explainer(output=output()).explain(rows()), read)
    elif kind == "function":
        output, read = draw(st.sampled_from(_FUNCTIONS))
        return _loop(
            f"output function {output.__doc__ or output.__name__}",
            lambda: explainer(output=output).explain(rows()),
            read,
        )
    elif kind == "tap":
        value = draw(st.one_of(st.just("3"), wild()))
        call = draw(st.one_of(st.just(0), wild()))
        reduce = draw(st.one_of(st.none(), st.just(lambda out: out[:, 0]), wild()))
        text = f"output=Tap({brief(value)}, {brief(call)}, {brief(reduce)})"
        return Case(text, lambda: told(explainer(output=Tap(value, call, reduce)).explain(rows())))
    elif kind == "mapping":
        output = {"name": draw(st.one_of(st.sampled_from(("class", "value", "tap")), wild()))}
        output[draw(st.sampled_from(("index", "module", "labels", "x")))] = draw(wild())
        read = MAYBE
    else:
        output, read = draw(wild()), MAYBE
    return _loop(f"output={brief(output)}", lambda: explainer(output=output).explain(rows()), read)


def _sum(out: Tensor) -> Tensor:
    return out.sum(1)


def _first(out: Tensor) -> Tensor:
    return out[:, 0]


def _total(out: Tensor) -> Tensor:
    return out.sum()


def _same(out: Tensor) -> Tensor:
    return out


def _nothing(out: Tensor) -> None:
    return None


def _detached(out: Tensor) -> Tensor:
    return out.detach()[:, 0]


def _numpy(out: Tensor) -> Any:
    return out.detach().numpy()[:, 0]


def _raising(out: Tensor) -> Tensor:
    raise KeyError("not\nthere " + "y" * 500)


def _nan(out: Tensor) -> Tensor:
    return out[:, 0] * float("nan")


def _mixing(out: Tensor) -> Tensor:
    return out[:, 0] * out[:, 1].mean()


def _whole(out: Tensor) -> Tensor:
    return out.argmax(1)


def _complex(out: Tensor) -> Tensor:
    return out[:, 0] + 0j


def _two_arguments(out: Tensor, more: Tensor) -> Tensor:
    return out[:, 0]


def _column(out: Tensor) -> Tensor:
    return out[:, :1]


_FUNCTIONS: tuple[tuple[Any, Any], ...] = (
    (_sum, lambda out, x: out.sum()),
    (_first, lambda out, x: out[0]),
    *((function, NONE) for function in (_total, _same, _nothing, _detached, _numpy, _whole)),
    *(
        (function, MAYBE)
        for function in (_raising, _nan, _mixing, _complex, _two_arguments, _column)
    ),
)


def _loop(text: str, run: Callable[[], Any], read: Any, name: str = "gradient") -> Case:
    """A case whose values are those of a loop over single items, with ``read`` as the output."""
    if read is NONE or read is MAYBE:
        return Case(text, lambda: told(run()), read, late=read is MAYBE)

    def expected() -> Mapping[str, Any]:
        return {"values": [torch.stack([slow(name, x, {}, read) for x in rows()])]}

    return Case(text, lambda: told(run()), expected)


# --- Labels, baselines ---------------------------------------------------------------------------


@st.composite
def labels(draw: Any) -> Case:
    """``CrossEntropy(labels)``: whole numbers, one an item."""
    plain = draw(st.lists(st.integers(0, CLASSES - 1), min_size=N_ITEMS, max_size=N_ITEMS))
    forms = (
        plain,
        tuple(plain),
        np.array(plain),
        np.array(plain, dtype=np.uint8),
        torch.tensor(plain),
        pd.Series(plain, index=list("dcba")),
        pd.array(plain, dtype="Int64"),
        np.array(plain, dtype=object),
        pd.Index(plain),
    )
    bad = (
        plain[:-1],
        [*plain, 0],
        [float(p) for p in plain],
        [p == 0 for p in plain],
        np.eye(N_ITEMS, CLASSES),
        [[p] for p in plain],
        [*plain[:-1], CLASSES],
        [*plain[:-1], -1],
        [str(p) for p in plain],
        [*plain[:-1], None],
    )
    which = draw(st.sampled_from(("good", "bad", "wild")))
    given = draw(
        {"good": st.sampled_from(forms), "bad": st.sampled_from(bad), "wild": wild()}[which]
    )
    text = f"CrossEntropy({brief(given)})"
    if which != "good":
        read = NONE if which == "bad" else MAYBE
        return Case(text, lambda: told(explainer(output=CrossEntropy(given)).explain(rows())), read)

    def expected() -> Mapping[str, Any]:
        return {
            "values": [
                torch.stack(
                    [
                        slow("gradient", x, {}, lambda out, _, p=p: -out.log_softmax(0)[p])
                        for x, p in zip(rows(), plain, strict=True)
                    ]
                )
            ]
        }

    return Case(text, lambda: told(explainer(output=CrossEntropy(given)).explain(rows())), expected)


# --- Targets -------------------------------------------------------------------------------------

_INNER = Tensors(inner=("item", "unit"))


@st.composite
def targets(draw: Any) -> Case:
    """``target=``: arguments, modules, references."""
    known = ("input", "x", "0", "1", "2", "3", Target("1"), Target("1", at="input"))
    one = draw(st.one_of(st.sampled_from(known), wild()))
    if draw(st.integers(0, 3)) == 0:
        names = ("module", "at", "call", "index", "axes")
        chosen = draw(st.dictionaries(st.sampled_from(names), wild(), min_size=1, max_size=2))
        chosen.setdefault("module", "1")
        text = f"Target(**{brief(chosen)})"
        run = lambda: told(explainer(domain=_INNER, target=Target(**chosen)).explain(rows()))  # noqa: E731
        return Case(text, run)
    many = draw(st.integers(0, 3)) == 0
    given = [one, draw(st.sampled_from(known))] if many else one
    steady = not hasattr(one, "__next__")

    def explained(**settings: Any) -> Any:
        return explainer(domain=_INNER, target=given, **settings).explain(rows())

    return same_as(
        f"target={brief(given)}", explained, (lambda: explained(max_rows=1)) if steady else MAYBE
    )


# --- Numbers of draws, seeds, ids ----------------------------------------------------------------


@st.composite
def draws(draw: Any) -> Case:
    """``n_samples=`` and ``seed=``."""
    number = whole(1, 64, good=5)
    form = draw(st.sampled_from(("number", "pair", "until", "seed")))
    samplers = ["gaussian:scale=0.2", "weight_noise"]
    if form == "seed":
        setting = whole(None, good=40)
        given = draw(setting.any())
        plain = setting.meaning(given)
        request = {**_NOISY, "seed": given}
        right = {**_NOISY, "seed": plain}
        text = f"seed={brief(given)}"
    else:
        if form == "number":
            given = draw(number.any())
            plain = number.meaning(given)
        elif form == "pair":
            pair = [
                draw(whole(2, 8, good=4).any())
                for _ in range(draw(st.sampled_from((2, 2, 2, 1, 3))))
            ]
            given = draw(st.sampled_from((tuple(pair), pair)))
            meant = [whole(2, 8).meaning(v) for v in pair]
            plain = tuple(meant) if len(pair) == 2 else MAYBE
            if NONE in meant:
                plain = MAYBE  # more than 8 is a number as well
            if MAYBE in meant:
                plain = MAYBE
        else:
            keys = st.sampled_from(("rel_error", "min", "max", "other"))
            given = draw(
                st.dictionaries(
                    keys, st.one_of(st.sampled_from((2, 4, 0.5, 8)), wild()), max_size=3
                )
            )
            given.setdefault("max", 8)
            plain = MAYBE
        request = {"samplers": samplers, "n_samples": given}
        right = {"samplers": samplers, "n_samples": plain}
        text = f"n_samples={brief(given)}"
        if isinstance(plain, int) and plain == 1:
            right["n_samples"] = 1

    assume(limits.of_draws() or not limits.is_huge(given))

    def run() -> Any:
        return explainer().explain(rows(), **request)

    if plain is NONE or plain is MAYBE:
        other = form == "number" and isinstance(given, Mapping | list | tuple)
        return same_as(text, run, MAYBE if other else plain)
    return same_as(text, run, lambda: explainer(max_rows=1).explain(rows(), **right))


@st.composite
def ids(draw: Any) -> Case:
    """``ids=``: whole numbers and strings; each item alone has the same draws."""
    entry = st.one_of(
        st.integers(-3, 10), st.text(max_size=5), st.sampled_from((2**62, -(2**63), "a", "1", 1))
    )
    plain = draw(
        st.lists(entry, min_size=N_ITEMS, max_size=N_ITEMS, unique_by=lambda v: (type(v), v))
    )
    which = draw(st.sampled_from(("good", "odd entry", "wild", "short")))
    if which == "wild":
        given = draw(wild())
        return Case(f"ids={brief(given)}", lambda: told(explainer().explain(rows(), ids=given)))
    given = list(plain)
    if which == "odd entry":
        given[draw(st.integers(0, N_ITEMS - 1))] = draw(wild())
        text = f"ids={brief(given)}"
        return Case(text, lambda: told(explainer().explain(rows(), ids=given, **_NOISY)))
    if which == "short":
        return Case("ids too few", lambda: told(explainer().explain(rows(), ids=given[1:])), NONE)
    if all(type(v) is int for v in plain):
        given = draw(
            st.sampled_from((given, np.array(given), pd.Series(given), torch.tensor(given)))
        )

    def expected() -> Mapping[str, Any]:
        each = [
            explainer().explain(rows()[i : i + 1], ids=[key], **_NOISY)
            for i, key in enumerate(plain)
        ]
        return {"ids": list(plain), "values": [torch.cat([e.values for e in each])]}

    text = f"ids={brief(given)}"
    return Case(text, lambda: told(explainer().explain(rows(), ids=given, **_NOISY)), expected)


# --- How it is run -------------------------------------------------------------------------------


def _devices() -> Setting:
    def meaning(value: Any) -> Any:
        if value is None or value in ("cpu", torch.device("cpu")):
            return value
        return MAYBE

    return Setting(st.sampled_from((None, "cpu", torch.device("cpu"), ["cpu", "cpu"])), meaning)


_RUN: dict[str, Setting] = {
    "max_rows": free(st.one_of(st.integers(1, 9).flatmap(dressed), st.just("auto"))),
    "device": free(_devices().plain),
    "precision": free(st.just("full")),
    "speedups": free(
        st.sampled_from(((), ["folding"], {"upstream"}, ("channels_last", "upstream")))
    ),
    "executor": free(st.none()),
}


@st.composite
def machines(draw: Any) -> Case:
    """Arguments of Explainer that do not change a number."""
    chosen = draw(st.lists(st.sampled_from(sorted(_RUN)), min_size=1, max_size=2, unique=True))
    given = {name: draw(_RUN[name].any()) for name in chosen}
    text = f"Explainer({', '.join(f'{k}={brief(v)}' for k, v in given.items())})"
    whole_rows = whole(1).meaning(given["max_rows"]) if "max_rows" in given else MAYBE
    auto = isinstance(given.get("max_rows"), str) and given["max_rows"] == "auto"
    if whole_rows is NONE and not auto:
        return Case(text, lambda: told(explainer(**given).explain(rows(), **_NOISY)), NONE)
    if given.get("precision") == "bf16":
        return Case(text, lambda: told(explainer(**given).explain(rows(), **_NOISY)))
    return same_as(
        text,
        lambda: explainer(**given).explain(rows(), **_NOISY),
        lambda: explainer(max_rows=1).explain(rows(), **_NOISY),
    )


@st.composite
def keys(draw: Any) -> Case:
    """``partial=`` and ``progress=``, which take truth values, and samplers in odd containers."""
    name = draw(st.sampled_from(("partial", "progress", "samplers", "aggregator", "calculator")))
    if name in ("partial", "progress"):
        given = draw(truth().any())
        plain = truth().meaning(given)
        if name == "progress" and given is None:
            plain = None
        text = f"{name}={brief(given)}"
        right = plain if plain in (NONE, MAYBE) else lambda: explainer().explain(rows())
        return same_as(text, lambda: explainer().explain(rows(), **{name: given}), right)
    given = draw(wild())
    return Case(
        f"{name}={brief(given)}", lambda: told(explainer().explain(rows(), **{name: given}))
    )


@st.composite
def domains(draw: Any) -> Case:
    """``domain=`` and ``model=``: names, mappings, settings of Tensors, anything."""
    if draw(st.booleans()):
        names = ("axes", "reduce", "components", "inner", "target", "output")
        good = {"axes": ("item", "feature"), "reduce": (), "inner": ("item", "unit")}
        name = draw(st.sampled_from(names))
        given = draw(st.one_of(st.just(good.get(name, ())), wild()))
        text = f"Tensors({name}={brief(given)})"
        return Case(text, lambda: told(explainer(domain=Tensors(**{name: given})).explain(rows())))
    given = draw(wild())
    if draw(st.booleans()):
        return Case(f"domain={brief(given)}", lambda: told(explainer(domain=given).explain(rows())))
    text = f"model={brief(given)}"
    return Case(text, lambda: told(Explainer(given, Tensors()).explain(rows())), late=True)


@st.composite
def methods(draw: Any) -> Case:
    """compute and aggregate, stream, check, the shortcut and rerun give what explain gives."""
    form = draw(st.sampled_from(("compute", "stream", "check", "explain", "rerun", "difference")))
    odd = draw(st.one_of(st.none(), st.none(), st.sampled_from(_ODD)))
    request: dict[str, Any] = dict(_NOISY)
    if odd:
        request[odd] = draw(wild())
        assume(limits.of_draws() or not limits.is_huge(request["n_samples"]))
    steady = not any(hasattr(v, "__next__") for v in request.values())
    text = f"{form} with {brief({k: v for k, v in request.items() if k == odd})}"

    def run() -> Any:
        own = explainer()
        if form == "compute":
            return own.aggregate(own.compute(rows(), **request), "raw")
        if form == "stream":
            each = list(own.stream([rows()[:1], rows()[1:]], **request))
            return {"values": [torch.cat([e.values for e in each])]}
        if form == "check":
            return own.check(rows(), **request)
        if form == "explain":
            return salience.explain(network(), rows(), Tensors(), **request)
        if form == "rerun":
            record = own.explain(rows(), **request).provenance
            return salience.rerun(network(), rows(), record)
        samples = own.compute(rows(), **request)
        return own.aggregate(samples - samples, "raw")

    def named() -> Any:
        found = run()
        return found if isinstance(found, dict) else told(found) if form != "check" else {}

    def expected() -> Any:
        if form == "check":
            return {}
        right = told(explainer(max_rows=1).explain(rows(), **request))
        if form == "difference":
            return {"values": [torch.zeros_like(right["values"][0])]}
        return {"values": right["values"]}

    return Case(text, named, expected if steady else MAYBE)


_ODD = ("samplers", "n_samples", "seed", "calculator")
