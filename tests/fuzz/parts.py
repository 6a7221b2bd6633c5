"""Inputs: calculators, samplers and aggregators with settings of any kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st

from .oracle import Case
from .specs import Spec, known, of_name, specs
from .subject import aggregated, explainer, rows, slow, told
from .values import MAYBE, NONE, Mark

#: Aggregators without settings that need draws.
_OF_DRAWS = ("variance", "signal_to_noise")


@st.composite
def cases(draw: Any) -> Case:
    """One wild part among good ones."""
    odd = draw(st.sampled_from(("calculators", "samplers", "aggregators")))
    calculator = draw(specs("calculators", good=odd != "calculators"))
    aggregator = draw(specs("aggregators", good=odd != "aggregators"))
    spread = known("aggregators", aggregator.name) if aggregator.name else ()
    fewest = 1 if odd == "samplers" or spread or aggregator.name in _OF_DRAWS else 0
    n_samplers = draw(st.integers(fewest, 2))
    samplers = [draw(specs("samplers", good=odd != "samplers")) for _ in range(n_samplers)]
    n_samples = draw(st.sampled_from((2, 4))) if samplers else 1
    return case(calculator, samplers, aggregator, n_samples)


def case(calculator: Spec, samplers: list[Spec], aggregator: Spec, n_samples: int) -> Case:
    every = [calculator, *samplers, aggregator]
    text = f"{calculator.text} | {[s.text for s in samplers]} × {n_samples} | {aggregator.text}"

    def run() -> dict[str, Any]:
        found = explainer().explain(
            rows(),
            calculator.part(),
            samplers=[s.part() for s in samplers],
            n_samples=n_samples,
            aggregator=aggregator.part(),
        )
        return told(found)

    return Case(text, run, _expected(every, calculator, samplers, aggregator, n_samples))


def _expected(
    every: list[Spec], calculator: Spec, samplers: list[Spec], aggregator: Spec, n_samples: int
) -> Callable[[], Any] | Mark:
    if any(spec.plain is NONE for spec in every):
        return NONE
    if not all(_again(spec) for spec in every):
        return MAYBE

    def by_loop() -> dict[str, Any]:
        """Each item by itself, by the equation."""
        settings = dict(calculator.plain)  # type: ignore[arg-type]
        if "multiply_by_target" in settings:
            settings["multiply_by_input"] = settings["multiply_by_target"]
        found = torch.stack([slow(calculator.name, x, settings) for x in rows()])
        return {"values": [aggregated(aggregator.name, found[None], dict(aggregator.plain))]}  # type: ignore[arg-type]

    def by_one_row() -> dict[str, Any]:
        """The draws one row a pass, aggregated by the equation."""
        samples = explainer(max_rows=1).compute(
            rows(), calculator.plainly(), [s.plainly() for s in samplers], n_samples
        )
        settings: Any = {} if isinstance(aggregator.plain, Mark) else dict(aggregator.plain)
        return {"values": [aggregated(aggregator.name, samples.values, settings)]}

    def alone() -> dict[str, Any]:
        """Each item by itself, by salience: as many path points as it needs."""
        own = explainer(max_rows=1)
        found = [own.explain(x[None], calculator.plainly()).values[0] for x in rows()]
        settings = dict(aggregator.plain)  # type: ignore[arg-type]
        return {"values": [aggregated(aggregator.name, torch.stack(found)[None], settings)]}

    if samplers:
        clipped = aggregator.name == "signal_to_noise"
        return MAYBE if clipped or aggregator.plain is MAYBE else by_one_row
    if isinstance(calculator.plain, Mark) or isinstance(aggregator.plain, Mark):
        return MAYBE
    if calculator.name == "integrated_gradients" and "steps" not in calculator.plain:
        return alone
    return by_loop


def _again(spec: Spec) -> bool:
    """Whether a part can be made a second time, which an iterator or a generator cannot."""
    return bool(spec.name) and not hasattr(spec.given, "__next__")


#: Parts that must be served: the grammar itself is tested with them.
def plain_cases() -> st.SearchStrategy[Case]:
    """Good parts only."""
    return st.builds(
        lambda c, s, a: case(c, [s], a, 2),
        specs("calculators", good=True),
        specs("samplers", good=True),
        st.sampled_from(("raw", "abs", "square", "sign")).flatmap(
            lambda name: of_name("aggregators", name, good=True)
        ),
    )
