"""The check of payloads, which say how a report draws an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from salience.data.domain import Domain
from salience.errors import InputError, brief, nearest
from salience.results.explanation import Explanation

# Entries that payloads of every view may have, all of them text or lists of text but the label.
_COMMON = ("view", "variable", "name", "caption", "credit", "label")


def check_payload(explanation: Explanation, item: int = 0) -> dict[str, Any] | None:
    """Check the payload of an item that a domain makes for reports; docs/report.md has the form.

    Args:
        explanation: An explanation of the domain's data.
        item: Position of the item, from 0.

    Returns:
        The payload, with arrays of NumPy in the place of numbers; ``None`` where there is none, so
        that the report shows the picture of the visualizer.

    Raises:
        InputError: The payload has another form, or does not fit the saliency of the item; the
            message says what a report needs.
    """
    if not isinstance(explanation.domain, Domain):
        return None
    payload = explanation.domain.payload(explanation, item)
    if payload is None:
        return None
    check = _Check(type(explanation.domain).__name__, item)
    check.holds(isinstance(payload, Mapping), f"is {brief(payload)}; return a mapping or None")
    view: Any = payload.get("view")
    check.holds(
        isinstance(view, str) and view in _VIEWS, f"has view={brief(view)}; {nearest(view, _VIEWS)}"
    )
    check_view, entries = _VIEWS[view]
    unknown = [key for key in payload if key not in (*_COMMON, *entries)]
    check.holds(not unknown, f"has the unknown entry {brief(unknown[:1])}; {_offer(unknown, view)}")
    made = dict(payload)
    check.common(made)
    shape = check.shape(made, explanation, "variable")
    check_view(check, made, shape, explanation)
    return made


class _Check:
    """Checks of one payload; messages name the domain and the item."""

    def __init__(self, domain: str, item: int) -> None:
        self.who, self.item = f"{domain}.payload of item {item}", item

    def holds(self, condition: bool, problem: str) -> None:
        """Raise InputError unless the condition holds."""
        if not condition:
            raise InputError(f"{self.who} {problem}")

    def common(self, made: dict[str, Any]) -> None:
        """Check the entries that all views have."""
        for key in ("name", "credit"):
            if key in made:
                self.holds(isinstance(made[key], str), f"has {key}={brief(made[key])}; pass text")
        if "caption" in made:
            made["caption"] = self.texts(made["caption"], "caption", None)
        label = made.get("label")
        number = isinstance(label, int | float) and bool(np.isfinite(label))
        self.holds(
            label is None or isinstance(label, str) or number,
            f"has label={brief(label)}; pass a finite number or text",
        )

    def shape(
        self, made: dict[str, Any], explanation: Explanation, entry: str
    ) -> tuple[int, ...] | None:
        """Shape of the item's saliency of the variable that an entry names; ``None`` for none."""
        name = made.get(entry)
        if name is None and entry == "variable" and "edge_variable" not in made:
            made[entry] = name = next(iter(explanation.saliency))
            self.holds(
                len(explanation.saliency) == 1,
                f"has no variable, but {', '.join(explanation.saliency)} were explained; name one",
            )
        if name is None:
            return None
        known = explanation.saliency
        self.holds(name in known, f"has {entry}={brief(name)}; {nearest(name, known)}")
        saliency = known[name]
        if saliency.grid is not None:
            return tuple(saliency.values[self.item].shape)
        own = () if saliency.counts is None else (int(saliency.counts[self.item]),)
        return (*own, *saliency.flat.shape[1:])

    def texts(self, given: Any, entry: str, n: int | None) -> list[str]:
        """So many texts; any number where ``n`` is ``None``."""
        listed = isinstance(given, Sequence) and not isinstance(given, str)
        self.holds(
            listed and all(isinstance(one, str) for one in given),
            f"has {entry}={brief(given, 60)}; pass a list of texts",
        )
        self.holds(
            n is None or len(given) == n,
            f"has {len(given)} {entry} for {n} positions; pass one for each position",
        )
        return list(given)

    def numbers(
        self, given: Any, entry: str, shape: tuple[int, ...], *, finite: bool = True
    ) -> Any:
        """Numbers of a shape, float64; −1 stands for any length."""
        try:
            given = given.detach().cpu().double().numpy() if isinstance(given, Tensor) else given
            array = np.array(given, dtype=np.float64)
        except (TypeError, ValueError):
            array = None
        self.holds(array is not None, f"has {entry}={brief(given, 60)}; pass numbers")
        assert array is not None
        if not array.size and shape[0] in (-1, 0):  # an empty list, of any number of axes
            array = array.reshape(0, *(max(length, 0) for length in shape[1:]))
        fits = array.ndim == len(shape) and all(
            one in (-1, length) for one, length in zip(shape, array.shape, strict=True)
        )
        self.holds(
            fits, f"has {entry} of shape {array.shape}; expected {_words(shape)}, one a position"
        )
        self.holds(
            not finite or bool(np.isfinite(array).all()),
            f"has NaN or infinity in {entry}; pass finite numbers",
        )
        return array

    def row(self, shape: tuple[int, ...] | None, view: str) -> int:
        """Number of positions of a view whose positions lie in a row."""
        self.holds(
            shape is not None and len(shape) == 1,
            f"has the view {view!r} for saliency of shape {shape}; this view needs one axis, so "
            f"return None for a picture",
        )
        assert shape is not None
        return shape[0]


def _words(shape: tuple[int, ...]) -> str:
    return f"({', '.join('any' if n < 0 else str(n) for n in shape)}{',' * (len(shape) == 1)})"


def _offer(unknown: Sequence[Any], view: str) -> str:
    return nearest(unknown[0] if unknown else "", (*_COMMON, *_VIEWS[view][1]))


def _graph(check: _Check, made: dict[str, Any], shape: Any, explanation: Explanation) -> None:
    x = check.numbers(made.get("x"), "x", (-1,))
    n = len(x)
    made["x"], made["y"] = x, check.numbers(made.get("y"), "y", (n,))
    for entry in ("symbols", "words"):
        made[entry] = check.texts(made.get(entry, [""] * n), entry, n)
    check.holds(
        shape is None or shape == (n,),
        f"has {n} nodes, but the saliency has the shape {shape}; give one node a value",
    )
    edges = check.numbers(made.get("edges", []), "edges", (-1, 2)).astype(int)
    check.holds(
        not edges.size or (edges.min() >= 0 and edges.max() < n),
        f"has edges of nodes that are not there; number the {n} nodes from 0",
    )
    made["edges"] = edges
    for entry, other in (("orders", 1), ("wedges", 0)):
        made[entry] = check.numbers(made.get(entry, [other] * len(edges)), entry, (len(edges),))
    along = check.shape(made, explanation, "edge_variable")
    if along is None:
        return
    along = (check.row(along, "graph"),)
    of = check.numbers(made.get("edge_of"), "edge_of", along).astype(int)
    check.holds(
        (not of.size or (of.min() >= -1 and of.max() < len(edges))),
        f"has edge_of that does not fit saliency of shape {along} and {len(edges)} edges; give the "
        f"edge of each value, or -1 for none",
    )
    made["edge_of"] = of


def _raster(check: _Check, made: dict[str, Any], shape: Any, explanation: Explanation) -> None:
    check.holds(
        shape is not None and len(shape) == 2 and 0 not in shape,
        f"has the view 'raster' for saliency of shape {shape}; this view needs (height, width), so "
        f"return None for a picture",
    )
    image = made.get("image")
    if image is None:
        return
    image = image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
    check.holds(
        image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0,
        f"has an image of type {image.dtype} and shape {image.shape}; pass uint8 of shape (height, "
        f"width, 3)",
    )
    made["image"] = image


def _bars(check: _Check, made: dict[str, Any], shape: Any, explanation: Explanation) -> None:
    n = check.row(shape, "bars")
    made["names"] = check.texts(made.get("names"), "names", n)
    if made.get("texts") is not None:
        made["texts"] = check.texts(made["texts"], "texts", n)
    if made.get("numbers") is not None:
        made["numbers"] = check.numbers(made["numbers"], "numbers", (n,), finite=False)


def _series(check: _Check, made: dict[str, Any], shape: Any, explanation: Explanation) -> None:
    n = check.row(shape, "series")
    made["x"] = check.numbers(made.get("x"), "x", (n,))
    made["lines"] = check.numbers(made.get("lines", np.zeros((0, n))), "lines", (-1, n))
    for entry in ("x_label", "y_label"):
        made[entry] = made.get(entry, "")
        check.holds(isinstance(made[entry], str), f"has {entry}={brief(made[entry])}; pass text")


def _tokens(check: _Check, made: dict[str, Any], shape: Any, explanation: Explanation) -> None:
    made["tokens"] = check.texts(made.get("tokens"), "tokens", check.row(shape, "tokens"))


#: View → its check, and its entries beside the common ones.
_VIEWS: dict[str, tuple[Callable[..., None], tuple[str, ...]]] = {
    "graph": (
        _graph,
        ("x", "y", "symbols", "words", "edges", "orders", "wedges", "edge_variable", "edge_of"),
    ),
    "raster": (_raster, ("image",)),
    "bars": (_bars, ("names", "texts", "numbers")),
    "series": (_series, ("x", "lines", "x_label", "y_label")),
    "tokens": (_tokens, ("tokens",)),
}
