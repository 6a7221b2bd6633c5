"""The sentences of a page: what was computed, what intervals and marks say, what is not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salience import is_placeholder, score_name
from salience_report.methods import Method
from salience_report.options import Options
from salience_report.table import plain


def heading(methods: Sequence[Method], n_items: int, options: Options) -> str:
    """The title of the page."""
    if options.title:
        return plain(options.title)
    domain = methods[0].explanation.provenance.get("domain")
    name = domain.get("name") if isinstance(domain, Mapping) else None
    kinds = {"tabular": "row", "vision": "photo", "molgraph": "molecule", "spectra": "spectrum"}
    kind = kinds.get(str(name), "item")
    many = {"spectrum": "spectra"}.get(kind, f"{kind}s")
    return f"Saliency of {n_items:,} {kind if n_items == 1 else many}"


def method_words(method: Method) -> str:
    """How the saliency was computed: calculator, samplers, aggregator and draws."""
    record, one = method.explanation.provenance, method.explanation
    samplers = " and ".join(_name(part) for part in record.get("samplers") or ())
    made = _name(record.get("calculator")) or "saliency"
    made += f" under {samplers}" if samplers else ""
    if method.aggregator not in ("", "given"):
        made += f", aggregated by {method.aggregator}"
    low, high = int(one.draws.min()), int(one.draws.max())
    if low == 0:
        return f"{made}, errors of an unknown number of draws"
    draws = str(low) if low == high else f"{low} to {high}"
    return f"{made}, {draws} draw{'s' if high > 1 else ''} an item"


def target_words(method: Method) -> str:
    """What is explained: target variables and output variable."""
    names = ", ".join(plain(name, 40) for name in method.explanation.saliency)
    return f"Saliency of {names} for the output {_output(method)}."


def value_words(method: Method, options: Options) -> str:
    """What the values are: "contribution to logit of class 2", or "saliency"."""
    one = method.explanation
    what = "saliency"
    if one.is_complete and one.signed:
        what = f"contribution to {score_name(one, options.output_name)}"
    elif method.aggregator not in ("", "raw", "given"):
        what = f"saliency ({_text(method.aggregator)})"
    return f"difference of {what}" if "minus" in one.provenance else what


def interval_words(method: Method) -> str:
    """What the intervals are of; empty where there are no errors."""
    if not method.has_errors:
        return "A single draw has no standard error."
    return f"Intervals are of {method.explanation.interval_about}."


def block_words(method: Method, size: tuple[int, int]) -> str:
    """What a block of a pooled map shows."""
    what = "sum" if method.adds_up else "mean"
    said = f"Each block is the {what} over {size[0]} × {size[1]} positions"
    if not method.has_errors:
        return f"{said}."
    if not method.adds_up:
        return f"{said}; its error is not known."
    return (
        f"{said}; its error is not known, since errors of positions do not add up: "
        f"explain(pool=salience.Blocks({size[0]})) takes it from the draws."
    )


def sampled_words(n_kept: int, n_items: int, why: str, options: Options) -> str:
    """Which items are shown where not all are; else empty."""
    if n_kept == n_items:
        return ""
    return (
        f"{n_kept:,} of {n_items:,} items are shown, so that the page stays below "
        f"{options.max_megabytes:g} MB: {why}."
    )


def _output(method: Method) -> str:
    output = method.explanation.provenance.get("output")
    if isinstance(output, Mapping):
        rest = [str(v) for k, v in output.items() if k != "name" and isinstance(v, int | str)]
        return plain(":".join([_name(output) or "f(x)", *rest[:1]]), 60)
    return _text(output) or "f(x)"


def _name(part: Any) -> str:
    return _text(part.get("name")) if isinstance(part, Mapping) else ""


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return plain(text.strip("⟨⟩") if is_placeholder(text) else text, 40)
