"""Saved runs: drawn by ``salience show`` and ``report``, and compared with by ``rerun``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from torch import Tensor

from salience.cli.folder import Folder, check_file
from salience.cli.outputs import raise_failed
from salience.cli.pictures import Pictures
from salience.errors import InputError, brief, nearest
from salience.results.explanation import Explanation
from salience.results.files.report import report, writer_for


def show(
    *,
    run: str,
    item: Sequence[str],
    visualizer: str | None,
    out: str | None,
    suffix: str,
    items: int,
    overwrite: bool,
) -> None:
    """Draw a saved explanation; the arguments are the command's options.

    Raises:
        InputError: There is no such file, item or visualizer, or the folder cannot be written.
    """
    file = Path(run)
    name = out if out is not None else str(file.with_name(f"{file.stem}_pictures"))
    folder = Folder.of(name, overwrite=overwrite, pictures_only=True)
    pictures = Pictures.of(visualizer, suffix, items)
    explanation = Explanation.load(file)
    folder.check([file])
    pictures.check(explanation.domain)
    chosen: Sequence[int] = [_position(explanation.ids, text) for text in item]
    chosen = list(dict.fromkeys(chosen)) or range(min(items, len(explanation)))
    with folder.writing() as place:
        failed = pictures.draw(explanation, place, chosen)
        if not item:
            failed += pictures.draw_mean(explanation, place)
        written = sorted(path.name for path in place.iterdir())
        if not written:
            why = "this domain has no visualizer, or --items is 0; pass --visualizer or --items"
            raise InputError(failed[0].reason if failed else f"nothing was drawn, since {why}")
        pictures.write_list(explanation, place, chosen)
    click.echo(f"wrote {len(written)} pictures to {name}")
    raise_failed(failed, file)


def write_report(*, runs: Sequence[str], out: str, title: str) -> None:
    """Write a report of saved explanations; the arguments are the command's options.

    Raises:
        InputError: As for :func:`salience.report`, or a file cannot be read.
    """
    writer_for(out)
    named = [_named(text) for text in runs]
    titles = [name for name, _ in named]
    if repeated := next((name for name in titles if titles.count(name) > 1), None):
        raise InputError(
            f"two runs are called {brief(repeated, 60)}; name them, as in "
            f"noise={named[0][1]} dropout={named[1][1]}"
        )
    check_file(out, "--out", [path for _, path in named])
    explanations = {name: Explanation.load(path) for name, path in named}
    report(explanations, out, **({"title": title} if title else {}))
    click.echo(f"wrote {out}, {Path(out).stat().st_size / 1e6:.2g} MB")


def difference_words(former: Explanation, again: Explanation, name: str) -> str:
    """The largest difference between the values of two explanations, in a sentence.

    Args:
        former: The saved explanation.
        again: What was computed from its record.
        name: What the former is called.
    """
    pairs = _paired(former, again)
    if list(former.ids) != list(again.ids) or pairs is None:
        return f"values are not compared with {name}, which has other items or positions"
    apart = max((_farthest(one, other) for one, other in pairs), default=0.0)
    if not apart:
        return f"values are equal to those of {name}, to the bit"
    size = max(float(one.abs().max()) for one, _ in pairs if one.numel())
    return (
        f"values differ from those of {name} by at most {apart:.2g}; the largest of these is "
        f"{size:.2g}"
    )


def _named(text: str) -> tuple[str, Path]:
    """The title and the path of a run: ``name=path``, or a path, whose folder names it."""
    name, equals, path = text.partition("=")
    if equals and name and not Path(text).exists():
        return name, Path(path)
    file = Path(text)
    folder = file.absolute().parent.name
    return (folder if file.stem == "run" and folder else file.stem), file


def _position(ids: Sequence[int | str], text: str) -> int:
    """Position of the item that a text names: by its id, else by its position from 0.

    Raises:
        InputError: There is no such item, or several have the id.
    """
    found = [at for at, name in enumerate(ids) if str(name) == text]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"items {brief(found, 40)} all have the id {brief(text, 60)}; pass one by its position"
        )
    number = text.removeprefix("-")
    if number.isdecimal() and len(number) < 19 and -len(ids) <= int(text) < len(ids):
        return int(text) % len(ids)
    raise InputError(
        f"no item {brief(text, 60)}: pass a position from 0 to {len(ids) - 1} or an id; "
        f"{nearest(text, map(str, list(ids)[:10_000]))}"
    )


def _paired(former: Explanation, again: Explanation) -> list[tuple[Tensor, Tensor]] | None:
    """The values of each target variable in both; ``None`` where they have other shapes."""
    if former.saliency.keys() != again.saliency.keys():
        return None
    pairs = [(former.saliency[key].flat, again.saliency[key].flat) for key in former.saliency]
    if any(one.shape != other.shape for one, other in pairs):
        return None
    return [(one.cpu().double(), other.cpu().double()) for one, other in pairs]


def _farthest(one: Tensor, other: Tensor) -> float:
    # What is not known in both, as beside padding, is no difference.
    apart = (one - other).abs()[~(one.isnan() & other.isnan())]
    return float(apart.max()) if apart.numel() else 0.0
