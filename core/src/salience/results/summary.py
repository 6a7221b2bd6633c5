"""What a result says of itself in a few lines: what was computed, how sure it is, what is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from salience.errors import shortened
from salience.plugins.parts import is_placeholder

if TYPE_CHECKING:
    from salience.results.means import MeanSaliency

# Characters of a line, and values from which medians and shares are taken.
_LINE, _VALUES = 98, 1_000_000


def lines_of(entries: Sequence[tuple[str, str]], head: str) -> str:
    """A result in at most six lines of at most 98 characters.

    Args:
        entries: Name and text of each entry.
        head: The first line.
    """
    found = [head, *(f"{name}: {text}" for name, text in entries if text)]
    return "\n".join(shortened(_printable(line), _LINE) for line in found[:6])


def page_of(entries: Sequence[tuple[str, str]], head: str, picture: str = "") -> str:
    """A result as HTML without script: a small table, and what is below it.

    Args:
        entries: Name and text of each entry.
        head: The first line.
        picture: HTML of the pictures below.
    """
    rows = "".join(
        f'<tr><th style="text-align:left;padding:1px 12px 1px 0;font-weight:600">'
        f"{escape(name)}</th>"
        f'<td style="text-align:left;padding:1px 0">{escape(text)}</td></tr>'
        for name, text in entries
        if text
    )
    return (
        f'<div style="font-size:13px;line-height:1.45"><div style="font-weight:600">'
        f'{escape(head)}</div><table style="font-size:inherit">{rows}</table>{picture}</div>'
    )


def _printable(text: str) -> str:
    """A text on one line, without characters that move the cursor or turn the text round."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def explanation_summary(explanation: Any) -> tuple[str, list[tuple[str, str]]]:
    """The first line, and the entries of an explanation.

    Returns:
        The head; and name and text of each entry, some of them empty.
    """
    record, n_items = explanation.provenance, len(explanation)
    head = f"Explanation of {_count(n_items, 'item')} ({_domain(explanation)}){_minus(record)}"
    groups = any(saliency.names is not None for saliency in explanation.saliency.values())
    pooled = ", sums of groups" if groups else ""
    checks = (_gap(explanation), _paths(explanation), _preflight(explanation))
    drawn = ".visualize(0), " if getattr(explanation.domain, "visualizer", "") else ""
    entries = [
        ("target", f"{_targets(explanation.saliency)}{pooled}; output {_sides(record, _output)}"),
        ("method", f"{_sides(record, _method)}, {_draws(explanation)}"),
        ("values", _values(explanation)),
        ("checks", "; ".join(part for part in checks if part)),
        ("next", f"{drawn}.item(0), .where(...), .to_dataframe(), .save(path)"),
    ]
    return head, entries


def samples_summary(samples: Any) -> tuple[str, list[tuple[str, str]]]:
    """The first line, and the entries of samples, as :func:`explanation_summary`."""
    record = samples.provenance
    size = sum(draws.numel() * draws.element_size() for draws in samples.draws.values())
    number = len(next(iter(samples.draws.values())))
    size_of = f"{_count(number, 'draw')} of {_count(len(samples), 'item')}"
    head = f"Samples: {size_of} ({_domain(samples)}){_minus(record)}"
    pooled = "" if samples.groups is None else ", pooled over groups"
    entries = [
        ("target", f"{_targets(samples.draws)}; output {_sides(record, _output)}"),
        ("method", f"{_sides(record, _method)}, seed {record.get('seed')}"),
        ("memory", f"{size / 1e6:.2f} MB{pooled}"),
        ("next", "explainer.aggregate(samples, 'raw'), samples.pool(groups), samples - other"),
    ]
    return head, entries


def _domain(result: Any) -> str:
    domain = result.provenance.get("domain")
    name = domain.get("name") if isinstance(domain, Mapping) else None
    return _name(name) or type(result.domain).__name__


def _targets(names: Mapping[str, Any]) -> str:
    shown = ", ".join(shortened(str(name), 24) for name in list(names)[:3])
    more = "" if len(names) <= 3 else f" and {len(names) - 3} more"
    return f"{shown}{more}"


def _minus(record: Mapping[str, Any]) -> str:
    """That a result is a difference, and of which models where these have different names."""
    minus = record.get("minus")
    if not isinstance(minus, Mapping):
        return ""
    if "model" not in minus:
        return ", a difference"
    return f", a difference of {_name(record.get('model'))} − {_name(minus['model'])}"


def _sides(record: Mapping[str, Any], words: Callable[[Mapping[str, Any]], str]) -> str:
    """Words for a result or, where it is a difference, for both sides where these differ."""
    minus = record.get("minus")
    one = words(record)
    other = words({**record, **minus}) if isinstance(minus, Mapping) else one
    return one if one == other else f"{one} − {other}"


def _output(record: Mapping[str, Any]) -> str:
    output = record.get("output")
    if isinstance(output, Mapping):
        rest = [str(v) for k, v in output.items() if k != "name" and isinstance(v, int | str)]
        return ":".join([_name(output.get("name")) or "output", *rest[:1]])
    return _name(output) or "output"


def _method(record: Mapping[str, Any]) -> str:
    calculator = _name(_part(record, "calculator")) or "saliency"
    samplers = " × ".join(_name(s.get("name")) for s in record.get("samplers") or ())
    aggregator = _name(_part(record, "aggregator"))
    by = f" under {samplers}" if samplers else ""
    return f"{calculator}{by}" + (f", {aggregator}" if aggregator not in ("", "given") else "")


def _part(record: Mapping[str, Any], kind: str) -> Any:
    part = record.get(kind)
    return part.get("name") if isinstance(part, Mapping) else None


def _name(value: Any) -> str:
    text = "" if value is None else str(value)
    return shortened(text.strip("⟨⟩") if is_placeholder(text) else text, 32)


def _draws(explanation: MeanSaliency) -> str:
    number, asked = explanation.n_independent, explanation.provenance.get("n_samples")
    if bool((number == 0).any()):
        return "errors of an unknown number of draws"
    low, high = int(explanation.draws.min()), int(explanation.draws.max())
    if isinstance(asked, list | tuple):
        return f"{' × '.join(map(str, asked))} nested draws"
    pairs = " in antithetic pairs" if explanation.design.group == 2 else ""
    return (_count(high, "draw") if low == high else f"{low} to {high} draws") + pairs


def _paths(explanation: Any) -> str:
    number = int((~explanation.converged).sum())
    return f"{_count(number, 'item')} not converged" if number else ""


def _values(explanation: MeanSaliency) -> str:
    found = list(_parts(explanation))
    text = _range([saliency.flat for saliency in explanation.saliency.values()])
    relative = torch.cat([(error / values.abs()).flatten() for values, error, _ in found])
    relative = relative[relative.isfinite()]
    if len(relative):
        text += f", median relative error {_percent(relative.median())}"
    certain = [mark.flatten() for _, _, mark in found if mark is not None]
    if certain:
        text += f", {_percent(torch.cat(certain).double().mean())} certain (p < .05)"
    seen = sum(values.numel() for values, _, _ in found)
    total = sum(saliency.flat.numel() for saliency in explanation.saliency.values())
    return text if seen == total else f"{text}, of {seen:,} values"


def _range(values: Sequence[Tensor]) -> str:
    """The least and the greatest of all values, and how many of them are not finite."""
    finite = [v if bool(v.isfinite().all()) else v[v.isfinite()] for v in values]
    finite = [v for v in finite if v.numel()]
    if not finite:
        return "none that is finite"
    text = f"{_number(min(v.min() for v in finite))} to {_number(max(v.max() for v in finite))}"
    others = sum(v.numel() for v in values) - sum(v.numel() for v in finite)
    return f"{text}, {others:,} not finite" if others else text


def _parts(explanation: MeanSaliency) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Values, errors and whether p < 0.05, of each target variable, of not too many items."""
    number, n_items = explanation.n_independent, len(explanation.n_independent)
    tested = explanation.signed and not bool((number == 1).any())
    tested = tested and not (explanation.interval_of == "draw" and bool((number == 0).any()))
    total = sum(s.flat.numel() for s in explanation.saliency.values())
    kept = max(1, n_items * _VALUES // max(total, 1))
    chosen = torch.linspace(0, n_items - 1, min(kept, n_items), device="cpu").round().long()
    for saliency in explanation.saliency.values():
        part = saliency if len(chosen) == n_items else saliency.select(chosen)
        mark = None
        if tested:
            from salience.results.significance import interval

            low, high = interval(part, number[chosen], 0.95, explanation.interval_of)
            mark = (low > 0) | (high < 0)
        yield part.flat.double(), part.flat_error.double(), mark


def _gap(explanation: Any) -> str:
    gap, delta = explanation.completeness_gap, explanation.delta
    relative = (gap / delta.abs())[gap.isfinite() & (delta != 0)]
    if not len(relative):
        return ""
    median, largest = _percent(relative.median()), _percent(relative.max())
    return f"completeness gap {median} (largest {largest})"


def _preflight(explanation: Any) -> str:
    counts = Counter(verdict.outcome for verdict in explanation.preflight.verdicts)
    words = {"holds": "hold", "fallback": "by a slower way", "refused": "refused"}
    shown = [f"{counts[outcome]} {words[outcome]}" for outcome in words if counts[outcome]]
    return f"preflight: {', '.join(shown)}" if shown else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _number(value: Tensor) -> str:
    return f"{float(value):.3g}"


def _percent(share: Tensor) -> str:
    value = 100 * float(share)
    if 0 < value < 0.01:
        return "below 0.01 %"
    if 99.5 <= value < 100:
        return "above 99 %"
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.2g} %"
