"""The page as HTML, with a policy by which nothing but its own script and style works."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from salience_report.packing import as_island
from salience_report.table import plain

#: Parts of the script, in the order in which they are joined.
SCRIPTS = (
    "base",
    "numbers",
    "store",
    "colors",
    "tip",
    "graph",
    "raster",
    "bars",
    "series",
    "tokens",
    "picture",
    "swarm",
    "list",
    "details",
    "cards",
    "controls",
    "main",
)
# Rows of the table that readers without scripts see.
_ROWS = 20


def html_of(data: Mapping[str, Any], static: Sequence[tuple[str, str]]) -> str:
    """The page.

    Args:
        data: What the script reads.
        static: Name and picture of the items that readers without scripts see.
    """
    folder = files("salience_report") / "page"
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = script_text()
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    page = (folder / "page.html").read_text(encoding="utf-8")
    parts = {
        "policy": policy,
        "title": escape(str(data["title"])),
        "heading": f"<bdi>{escape(str(data['title']))}</bdi>",
        "style": style,
        "static": _static(data, static),
        "data": as_island(data),
        "script": script,
    }
    for name, part in parts.items():
        # No part holds such a mark: texts of users are escaped.
        page = page.replace(f"<!--{name}-->", part, 1)
    return page


def script_text() -> str:
    """The script of the page: its parts in one function, so that it leaves no global names."""
    folder = files("salience_report") / "page" / "script"
    parts = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _static(data: Mapping[str, Any], static: Sequence[tuple[str, str]]) -> str:
    """Pictures of the first items and a table of some more, for readers without scripts."""
    shown = "".join(
        f'<figure><img src="{picture}" alt="Saliency of {escape(name)}"></figure>'
        for name, picture in static
        if picture
    )
    items = [{**data["shared"], **item} for item in data["items"][:_ROWS]]
    scores = data["methods"][0]["scores"]
    rows = "".join(
        f"<tr><td><bdi>{escape(item['name'])}</bdi></td><td>{_cell(score)}</td>"
        f"<td>{_cell(item.get('label'))}</td></tr>"
        for item, score in zip(items, scores, strict=False)
    )
    total = len(data["items"])
    names = ("item", data["outputName"], data["labelName"])
    heads = "".join(f"<th>{escape(str(name))}</th>" for name in names)
    rest = total > len(items)
    note = f"The table has the first {len(items)} of {total} items." if rest else ""
    return (
        f"<p>Scripts are off, so that this page shows the first pictures only, without its values, "
        f"search and filters. {note}</p><div class='static'>{shown}</div>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(value: Any) -> str:
    return escape("" if value is None else plain(value))
