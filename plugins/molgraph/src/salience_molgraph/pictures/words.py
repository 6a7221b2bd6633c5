"""The words of a picture: captions, the meaning of its scale and marks, and text in its place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rdkit import Chem

from salience import InputError, class_words, is_placeholder, number_words, score_name

if TYPE_CHECKING:
    from salience import Explanation
    from salience_molgraph.pictures.cell import Cell


@dataclass(frozen=True)
class Naming:
    """How the user names things.

    Args:
        legend: Template of the caption; ``None`` for the one that is made.
        output_name: What f is; empty for the name of the output variable.
        unit: Unit of f.
    """

    legend: str | None = None
    output_name: str = ""
    unit: str = ""


class Number(float):
    """A number that is formatted with a minus sign in place of a hyphen, and NaN as unknown."""

    def __format__(self, spec: str) -> str:
        if math.isnan(self):
            return "unknown"
        return super().__format__(spec).replace("-", "−")


def rounded(value: float, largest: float, *, sign: bool = False) -> str:
    """A number with as many decimals as the largest of its column needs for two or three digits."""
    if not 1e-3 <= largest < 1e5 or not math.isfinite(value):
        return number_words(value, sign=sign)
    power = math.floor(math.log10(largest))
    decimals = max(2 - power if power >= 0 else 1 - power, 0)
    text = f"{value:+.{decimals}f}"
    if not value:
        return "0"
    if not float(text):  # what is not 0 must not read as 0
        return number_words(float(f"{value:.1g}"), sign=sign)
    return (text if sign else text.lstrip("+")).replace("-", "−")


def captions(explanation: Explanation, item: int, mol: Chem.Mol, naming: Naming) -> list[str]:
    """The lines of a molecule's caption: its name, and what f is and was measured to be.

    Raises:
        InputError: The template has a field other than name, id, score, output and the properties
            that the molecule carries, or is malformed.
    """
    note = explanation.annotations[item] if explanation.annotations else {}
    own = explanation.ids[item]
    name = note.get("name") or Chem.MolToSmiles(Chem.Mol(mol))
    said = output_words(explanation, item, naming)
    properties = dict(note.get("properties", {}))
    if naming.legend is None:
        called = own if isinstance(own, str) else note.get("name") or f"molecule {own}"
        measured = (f"{key} {_plain(value)}" for key, value in properties.items())
        return [called, ", ".join(text for text in (said, *measured) if text)]
    score = Number(explanation.score[item])
    words = {"name": name, "id": own, "score": score, "output": said}
    fields = {k: Number(v) if isinstance(v, int | float) else v for k, v in properties.items()}
    try:
        return [naming.legend.format(**(fields | words))]
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        known = ", ".join(f"{{{key}}}" for key in (*words, *fields))
        raise InputError(
            f"cannot fill in the legend {naming.legend!r}: {error!r}; use {known} only, as in "
            f"{{score:.2f}}"
        ) from error


def output_words(explanation: Explanation, item: int, naming: Naming) -> str:
    """What f is of an item, in words; empty where it is unknown."""
    score = float(explanation.score[item])
    if not math.isfinite(score):
        return ""
    unit = f" {naming.unit}" if naming.unit else ""
    named = naming.output_name
    if "minus" in explanation.provenance:
        what = minus_words(explanation.provenance)
        if not {"model", "output", "domain"} & set(explanation.provenance["minus"]) and not score:
            return what  # of one f by two methods
        return f"{what}: difference of {named or 'f'} {number_words(score, sign=True)}{unit}"
    output = explanation.provenance.get("output", {})
    kind = output.get("name", "") if isinstance(output, Mapping) else ""
    if kind in ("predicted", "class"):
        words = class_words(explanation, item, named)
        if words:
            return words
    return f"{named or _output_name(output, kind)} {number_words(score)}{unit}"


def minus_words(record: Mapping[str, Any]) -> str:
    """What a difference is of: ``"integrated_gradients − gradient"``."""
    other = record["minus"]
    sides = []
    for own in ({name: record.get(name) for name in other}, other):
        named = [_setting_words(name, value) for name, value in own.items()]
        sides.append(", ".join(word for word in named if word))
    if not other or sides[0] == sides[1]:
        return "difference"
    return f"{sides[0] or 'none'} − {sides[1] or 'none'}"


def _setting_words(name: str, value: Any) -> str:
    """A part of a record in a word or two."""
    if isinstance(value, Mapping):
        index = value.get("index")
        return f"{value.get('name', name)}{'' if index is None else f' {index}'}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " + ".join(_setting_words(name, one) for one in value)
    return str(value)


def _output_name(output: Any, kind: str) -> str:
    if kind == "value" or not kind:
        return "predicted"
    if kind == "cross_entropy":
        return "cross-entropy"
    if kind == "tap":
        return f"output of {output.get('module', 'a module')}"
    function = output.get("function")
    if callable(function):
        return str(getattr(function, "__name__", type(function).__name__)).strip("<>")
    return "output" if is_placeholder(kind) or kind.startswith("<") else str(kind)


def _plain(value: Any) -> str:
    return number_words(float(value)) if isinstance(value, int | float) else str(value)


def scale_label(
    explanations: Sequence[Explanation], scaler: Any, kinds: set[str], naming: Naming, of: str
) -> str:
    """What the values of a colour bar are.

    Args:
        explanations: The explanations that share the scale.
        scaler: Name of the scaler, or a function.
        kinds: What the values are of, as :attr:`Cell.kind`.
        naming: How f is named.
        of: What the scaler saw, such as ``"the molecule"``.
    """
    only_groups = kinds == {"groups"}
    differences = any("minus" in e.provenance for e in explanations)
    sums = "sums of saliency" if only_groups else "saliency"
    if differences:
        sums = f"difference of {sums}"
    what = sums if all(e.signed for e in explanations) else f"{sums} without sign"
    if scaler == "identity":
        if not all(e.is_complete for e in explanations):
            return f"{what}, as computed"
        unit = f" ({naming.unit})" if naming.unit else ""
        names = {naming.output_name or f"the {score_name(e)}" for e in explanations}
        f = names.pop() if len(names) == 1 else "f"
        if all(e.signed for e in explanations):
            mixed = "; of groups, the sum" if "groups" in kinds and not only_groups else ""
            words = "sum of contributions" if only_groups else "contribution"
            words = f"difference in {words}" if differences else words
            return f"{words} to {f}{unit}{mixed}"
        return f"{what}, in units of {f}{unit}"
    meanings = {
        "abs_max": f"{what}, largest magnitude of {of} = 1",
        "min_max": f"{what}, from smallest to largest of {of}",
        "normalize": f"{what}, magnitudes of {of} sum to 1",
    }
    return meanings.get(scaler, f"{what}, scaled") if isinstance(scaler, str) else f"{what}, scaled"


def interval_words(explanation: Explanation) -> str:
    """What the tests and intervals of an explanation are about."""
    if explanation.interval_of == "draw":
        return "a further draw of the parameters"
    noise = "" if explanation.samples_parameters else " of noise"
    return f"the mean over infinitely many draws{noise}"


def notes(
    cells: Sequence[tuple[str, Explanation, Cell]], level: float | None, *, has_lines: bool
) -> list[str]:
    """The sentences below a picture: what its marks and lines say, and what it leaves out.

    Args:
        cells: Title of the column, explanation and molecule of each panel.
        level: Level of the tests.
        has_lines: Whether intervals are drawn as lines.
    """
    columns = list(dict.fromkeys(title for title, _, _ in cells))
    tested: list[str] = []
    about: dict[str, list[str]] = {}
    found: list[str] = []
    lines: dict[str, list[str]] = {}
    for column in columns:
        own = [(e, c) for title, e, c in cells if title == column]
        words = interval_words(own[0][0])
        if any(c.part.tested.any() for _, c in own):
            about.setdefault(words, []).append(column)
            tested.append(column)
        if has_lines and any(c.part.intervals for _, c in own):
            lines.setdefault(words, []).append(column)
    share = "" if level is None else f"{100 * (1 - level):.3g}"
    open_marks = f"dashed and hollow where the {share} % interval holds 0"
    for words, titles in lines.items():
        marks = f"; {open_marks}" if about.pop(words, []) else ""
        found.append(f"{_named(titles, lines)}lines: 66 and 95 % intervals of {words}{marks}")
    for words, titles in about.items():
        sentence = f"dashed where the {share} % interval of {words} holds 0"
        found.append(f"{_named(titles, about)}{sentence}")
    if tested and level is not None:
        found.append(_counts(cells, level))
        rest = [column for column in columns if column not in tested]
        if rest:
            found.append(f"not tested: {'; '.join(rest)}")
    remarks = dict.fromkeys(remark for _, _, cell in cells for remark in cell.remarks)
    if any(_has_shared(cell) for _, _, cell in cells):
        found.append("plain ring: in several groups")
    return [*found, *remarks]


def _named(own: Sequence[str], meanings: Mapping[str, Sequence[str]]) -> str:
    """The columns of a sentence, where there are several meanings."""
    return f"{'; '.join(own)}: " if len(meanings) > 1 else ""


def _counts(cells: Sequence[tuple[str, Explanation, Cell]], level: float) -> str:
    """How many values are significant at a false discovery rate, by column."""
    counts: dict[str, list[int]] = {}
    for column, _, cell in cells:
        if cell.part.tested.any():
            sums = counts.setdefault(column, [0, 0])
            sums[0] += cell.part.discoveries
            sums[1] += int(cell.part.tested.sum())
    shown = {column: cell for column, _, cell in cells if cell.part.tested.any()}
    each = [f"{found} of {n} {_what(shown[column], n)}" for column, (found, n) in counts.items()]
    rate = f"at FDR {100 * level:.3g} %"
    if len(each) == 1:
        return f"{each[0]} {rate}"
    named = (f"{words} ({column})" for column, words in zip(counts, each, strict=True))
    return f"{rate}: {'; '.join(named)}"


def _what(cell: Cell, number: int) -> str:
    """What was tested, of a cell."""
    tested = cell.part.tested.tolist()
    kinds = [
        kind
        for kind, members in (("atoms", cell.part.atoms), ("bonds", cell.part.bonds))
        if any(own and one for own, one in zip(tested, members, strict=True))
    ]
    word = "groups" if cell.kind == "groups" else kinds[0] if len(kinds) == 1 else "values"
    return word.removesuffix("s") if number == 1 else word


def _has_shared(cell: Cell) -> bool:
    atoms = [atom for own in cell.part.atoms for atom in own]
    return len(atoms) > len(set(atoms))


def described(caption: Sequence[str], cell: Cell, label: str) -> str:
    """A text in the place of a picture: the largest values, and how many are uncertain."""
    part = cell.part
    order = np.argsort(-np.abs(part.values), kind="stable")[:5].tolist()
    values = ", ".join(
        f"{part.names[i]} {number_words(float(part.values[i]), sign=cell.signed)}"
        f"{' (sign uncertain)' if part.uncertain[i] else ''}"
        for i in order
    )
    tested = int(part.tested.sum())
    certain = (
        f"; the sign of {int(part.uncertain.sum())} of {tested} is uncertain" if tested else ""
    )
    return f"{'. '.join(line for line in caption if line)}. Largest: {values}{certain}."
