"""Explanations of the same items become one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from salience import score_words
from salience.errors import InputError
from salience_report import table, words
from salience_report.choice import chosen
from salience_report.drawn import Drawn
from salience_report.html import html_of
from salience_report.marks import MarkReader, packed_marks
from salience_report.methods import LEVELS, RATES, Method, methods_of
from salience_report.options import Options
from salience_report.packing import common, rounded
from salience_report.palette import palette
from salience_report.pictures import figure
from salience_report.views import geometry


def make_page(explanations: Any, **options: Any) -> str:
    """Make the HTML of a report.

    Args:
        explanations: Title → explanation, all of the same items.
        **options: Fields of :class:`Options`.

    Returns:
        The page, which holds all that it needs.

    Raises:
        InputError: There is no such option, the explanations are of different items or variables,
            or a payload has a wrong form.
    """
    settings = Options.of(options)
    methods = methods_of(explanations)
    first = methods[0].explanation
    labels = table.labelled(first, settings.labels)
    positions, why = _shown(methods, labels, settings)
    n_items = len(first)
    if len(positions) < n_items:
        methods = [replace(m, explanation=m.explanation.iloc[positions]) for m in methods]
        labels = table.Column([labels.labels[i] for i in positions], labels.errors[positions])
    data = _data(methods, labels, settings, positions)
    data["notes"] = [
        sentence
        for sentence in (
            words.sampled_words(len(positions), n_items, why, settings),
            words.target_words(methods[0]),
        )
        if sentence
    ]
    data["title"] = words.heading(methods, n_items, settings)
    return html_of(data, _static(methods, settings))


def _shown(
    methods: Sequence[Method], labels: table.Column, options: Options
) -> tuple[list[int], str]:
    """Positions of the items that are shown, and why these."""
    first = methods[0].explanation
    n = len(first)
    n_kept = min(n, _fitting(methods, options))
    if n_kept >= n:
        return list(range(n)), ""
    texts = [label if isinstance(label, str) else None for label in labels.labels]
    classes = [text or name for text, name in zip(texts, table.classes_of(first), strict=True)]
    return chosen(n_kept, labels.errors, table.certainty_of(methods[0]), classes)


def _fitting(methods: Sequence[Method], options: Options) -> int:
    """Number of items that fit the page, by the size of a few of them, 1 or more."""
    n = len(methods[0].explanation)
    tried = sorted({int(i) for i in np.linspace(0, n - 1, min(n, 3))})
    few = [replace(m, explanation=m.explanation.iloc[tried]) for m in methods]
    made = _data(few, table.labelled(few[0].explanation, None), options, tried)
    fixed = len(json.dumps(made["shared"]))
    size = (len(json.dumps(made)) - fixed) / len(tried)
    return max(1, int((1e6 * options.max_megabytes - fixed) / size))


def _data(
    methods: Sequence[Method], labels: table.Column, options: Options, positions: Sequence[int]
) -> dict[str, Any]:
    """What the page reads as JSON."""
    first = methods[0].explanation
    drawn = [Drawn.of(methods, item) for item in range(len(first))]
    payloads = [one.payload for one in drawn]
    readers = [MarkReader(method, options.blocks) for method in methods]
    marks = [[reader.read(one, i) for i, one in enumerate(payloads)] for reader in readers]
    items = []
    own = _with_labels(first, labels, payloads)
    columns = _columns(first, own)
    for item, payload in enumerate(payloads):
        entry = {"position": positions[item], "n": len(marks[0][item].values)}
        entry |= _named(first, item, payload) | {k: v[item] for k, v in columns.items()}
        items.append(entry | geometry(drawn[item], first, options.blocks))
    shared = common(items)
    made = [
        _method(method, own_marks, [*items, shared], options)
        for method, own_marks in zip(methods, marks, strict=True)
    ]
    for other in made[1:]:  # methods of one model say the same of f
        if other["said"] == made[0]["said"]:
            del other["said"]
    return {
        "methods": made,
        "items": items,
        "shared": shared,
        "rates": RATES,
        "levels": LEVELS,
        "outputName": table.plain(options.output_name or "f(x)", 60),
        "labelName": table.plain(options.label_name, 60),
        "palette": palette(),
    }


def _method(
    method: Method, marks: Any, items: Sequence[Mapping[str, Any]], options: Options
) -> dict[str, Any]:
    """What the page knows of a method beside its marks."""
    one = method.explanation
    f = {"name": options.output_name, "unit": options.unit}
    made = packed_marks(marks)
    numbers = one.n_independent.tolist()
    sizes = [item["block"] for item in items if "block" in item]
    notes = [words.method_words(method) + ".", words.interval_words(method)]
    if sizes and tuple(sizes[0]) != (1, 1):
        notes.append(words.block_words(method, sizes[0]))
    return made | {
        "title": table.plain(method.title, 60),
        "signed": one.signed,
        "tested": method.is_tested and "logp" in made,
        "hasErrors": method.has_errors,
        "valueName": table.plain(words.value_words(method, options), 80),
        "unit": table.plain(options.unit, 40) if method.explanation.is_complete else "",
        "said": [table.plain(score_words(one, item, **f)) for item in range(len(one))],
        "isShare": method.aggregator == "top_share",
        "intervalAbout": one.interval_about,
        "halfWidths": method.half_widths(),
        "numbers": numbers[0] if len(set(numbers)) == 1 else numbers,
        "certainty": [rounded(float(value), 4) for value in table.certainty_of(method)],
        "size": [rounded(float(value)) for value in table.size_of(method)],
        "scores": [rounded(float(value)) for value in one.score],
        "notes": [note for note in notes if note],
    }


def _with_labels(
    explanation: Any, labels: table.Column, payloads: Sequence[Mapping[str, Any] | None]
) -> table.Column:
    """The labels, and those of payloads where the user gave none."""
    if any(label is not None for label in labels.labels):
        return labels
    found = [None if one is None else one.get("label") for one in payloads]
    made = [float(one) if isinstance(one, int | float) else one for one in found]
    return table.Column(made, table.errors_of(explanation, made))


def _columns(explanation: Any, labels: table.Column) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {
        "id": [one if isinstance(one, int) else table.plain(one) for one in explanation.ids],
        "predicted": table.classes_of(explanation),
        "label": [rounded(one) if isinstance(one, float) else one for one in labels.labels],
        "error": [rounded(float(error)) for error in labels.errors],
    }
    return {name: column for name, column in found.items() if any(v is not None for v in column)}


def _named(explanation: Any, item: int, payload: Mapping[str, Any] | None) -> dict[str, Any]:
    """Name, further lines and credit of an item."""
    payload = payload or {}
    own = explanation.ids[item]
    name = payload.get("name") or (own if isinstance(own, str) else f"item {own}")
    made: dict[str, Any] = {"name": table.plain(name)}
    caption = [table.plain(line) for line in payload.get("caption", ())]
    if caption:
        made["caption"] = caption
    if payload.get("credit"):
        made["credit"] = table.plain(payload["credit"])
    return made


def _static(methods: Sequence[Method], options: Options) -> list[tuple[str, str]]:
    """Name and picture of the first items, for readers without scripts."""
    first = methods[0].explanation
    made = []
    for item in range(min(options.static_pictures, len(first))):
        try:
            picture = figure(first, item)
        except InputError:  # nothing draws this domain; the page has a table
            picture = ""
        made.append((f"{table.plain(first.ids[item])}", picture))
    return made
