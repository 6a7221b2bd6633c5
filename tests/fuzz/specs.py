"""Parts by object, mapping and string, with good and wild settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import torch
from hypothesis import assume
from hypothesis import strategies as st

from salience.plugins import host

from . import limits
from .subject import CLASSES, WIDTH, network
from .values import (
    MAYBE,
    NONE,
    Mark,
    Setting,
    free,
    numbers,
    optional,
    real,
    truth,
    whole,
    wild,
    word,
)

_SCALE = real(lambda v: 0 < v < 1e30, 0.05, 0.2, 1.0)
_NOISE = {
    "scale": numbers(WIDTH, 0.0),
    "mode": word("relative", "absolute"),
    "only": free(st.sampled_from((None, [True, False, True], torch.tensor([True, True, False])))),
    "antithetic": truth(),
}


def _window(value: Any) -> Any:
    return MAYBE if isinstance(value, Mapping) else whole(1).meaning(value)


#: Kind → name → setting → what it takes.
GRAMMAR: dict[str, dict[str, dict[str, Setting]]] = {
    "calculators": {
        "gradient": {"multiply_by_target": truth()},
        "integrated_gradients": {
            "steps": whole(1, 1000, good=9),
            "baseline": numbers(WIDTH),
            "rule": word("gauss_legendre", "trapezoid", "midpoint"),
            "multiply_by_inputs": truth(),
            "rtol": real(lambda v: v > 0, 0.05, 0.2),
        },
        "occlusion": {
            "window": Setting(whole(1, good=WIDTH).plain, _window),
            "stride": optional(whole(1, good=1)),
            "value": numbers(WIDTH),
            "groups": free(st.none()),
        },
    },
    "samplers": {
        "gaussian": _NOISE,
        "uniform": _NOISE,
        "mc_dropout": {
            "layers": free(st.sampled_from((None, "2", ["2"], torch.nn.Dropout))),
            "rate": optional(real(lambda v: 0 < v < 1, 0.2, 0.5)),
        },
        "weight_noise": {"scale": _SCALE, "mode": word("multiplicative", "additive")},
        "ensemble": {"members": free(st.just([network()] * 4))},
        "swag": {
            "checkpoints": free(st.integers(2, 4).map(lambda n: [network()] * n)),
            "scale": _SCALE,
            "rank": optional(whole(2, 4, good=2)),
        },
        "posterior": {"posterior": free(st.builds(lambda: Bayes()))},
    },
    "aggregators": {
        "raw": {},
        "abs": {},
        "square": {},
        "sign": {},
        "mean_plus_std": {"factor": real(lambda v: True, -1.0, 0.5, 2.0)},
        "variance": {},
        "signal_to_noise": {},
        "quantile": {"q": real(lambda v: 0 <= v <= 1, 0.0, 0.25, 0.5, 1.0)},
    },
}


class Bayes:
    """A posterior that draws the last bias."""

    def sample(self) -> dict[str, Any]:
        return {"3.bias": torch.randn(CLASSES, dtype=torch.float64)}


@dataclass(frozen=True)
class Spec:
    """A part as somebody writes it.

    Args:
        kind: Kind of the part.
        name: Name of the part; empty where nobody knows.
        given: What is handed in, by a function without arguments.
        plain: The settings in plain form; ``NONE`` where the part is to be refused, ``MAYBE`` where
            only other ways to the same result can tell.
        text: The part in words.
    """

    kind: str
    name: str
    given: Any
    plain: Mapping[str, Any] | Mark
    text: str

    def part(self) -> Any:
        """What is handed in to salience; a part that is an object is made here."""
        if isinstance(self.given, _Call):
            return host().get(self.kind, self.name)(**self.given.settings)
        return self.given

    def plainly(self) -> Any:
        """The part of plain settings, or of those that are handed in where none are known."""
        if isinstance(self.plain, Mark):
            return self.part()
        return {"name": self.name, **self.plain}


@dataclass(frozen=True)
class _Call:
    settings: Mapping[str, Any]


@cache
def known(kind: str, name: str) -> tuple[str, ...]:
    """Names of the settings that a part has today."""
    return tuple(f.name for f in fields(host().get(kind, name)) if f.init)


def specs(kind: str, *, good: bool = False) -> st.SearchStrategy[Spec]:
    """Parts of a kind; with ``good`` only those that ought to be served."""
    named = st.sampled_from(sorted(GRAMMAR[kind])).flatmap(lambda name: of_name(kind, name, good))
    if good:
        return named
    anything = wild().map(lambda v: Spec(kind, "", v, MAYBE, brief(v)))
    return st.one_of(*[named] * 7, anything)


@st.composite
def of_name(draw: Any, kind: str, name: str, good: bool = False) -> Spec:
    grammar = {k: v for k, v in GRAMMAR[kind][name].items() if k in known(kind, name)}
    needed = [k for k in grammar if k in ("members", "checkpoints", "posterior")]
    chosen = [k for k in grammar if k in needed or draw(st.booleans())]
    if "rule" in chosen and "steps" not in chosen:  # steps="auto" has a rule of its own
        chosen.append("steps")
    odd = "" if good or not chosen else draw(st.sampled_from([*chosen, ""]))
    given = {k: draw(grammar[k].any() if k == odd else grammar[k].good()) for k in chosen}
    assume(limits.of_steps() or not limits.is_huge(given.get("steps")))
    plain: Any = {k: grammar[k].meaning(v) for k, v in given.items()}
    if any(v is NONE for v in plain.values()):
        plain = NONE
    elif any(v is MAYBE for v in plain.values()):
        plain = MAYBE
    if not good and draw(st.integers(0, 20)) == 0:
        given["unknown" if draw(st.booleans()) else "self"], plain = 1, NONE
    form = draw(st.sampled_from(("object", "mapping", "text")))
    text = f"{name}({', '.join(f'{k}={brief(v)}' for k, v in given.items())})"
    if form == "object" and all(k in known(kind, name) for k in given):
        return Spec(kind, name, _Call(given), plain, text)
    if form == "text" and (line := _line(given)) is not None:
        return Spec(kind, name, f"{name}:{line}" if line else name, plain, f"text {name}:{line}")
    return Spec(kind, name, {"name": name, **given}, plain, f"mapping {text}")


def _line(given: Mapping[str, Any]) -> str | None:
    """Settings as the text of a spec; ``None`` where a value cannot be written."""
    words = []
    for key, value in given.items():
        if isinstance(value, str) and value.isidentifier() and value.lower() not in _TRUTHS:
            words.append(f"{key}={value}")
        elif isinstance(value, bool) or value is None:
            words.append(f"{key}={str(value).lower()}")
        elif type(value) in (int, float, str) and value == value and abs(_size(value)) < 1e300:
            words.append(f"{key}={value!r}")
        else:
            return None
    return ",".join(words)


_TRUTHS = ("true", "false", "none")


def _size(value: Any) -> float:
    try:
        return 0.0 if isinstance(value, str) else float(value)
    except OverflowError:
        return float("inf")


def brief(value: Any) -> str:
    """A value in words, for the report; it never fails."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"<{type(value).__name__} without repr>"
    return text if len(text) <= 100 else text[:99] + "…"
