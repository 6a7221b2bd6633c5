"""The settings of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

from salience.errors import InputError, brief, nearest


@dataclass(frozen=True)
class Options:
    """The settings of a report.

    Args:
        title: Heading of the page; made of the number of items and the domain where empty.
        labels: The true class or measured value of each item: a sequence, a mapping id → label, or
            the name of an entry of the annotations (a property of molecules). With labels, items
            are sorted and filtered by the error of the prediction.
        label_name: What the labels are, such as ``"measured"``.
        output_name: What f(x) is, such as ``"log solubility"``; that of the output variable where
            empty.
        unit: Unit of f(x) and of the saliency of methods that are complete.
        max_megabytes: Size up to which all items are shown. Beyond it, those are chosen that
            matter most, and the page says which.
        blocks: Blocks along the longer side of a map; larger maps are pooled into so many.
        static_pictures: Number of items whose pictures readers see where scripts are off.

    Raises:
        InputError: A setting has a wrong type or range.
    """

    title: str = ""
    labels: Any = None
    label_name: str = "label"
    output_name: str = ""
    unit: str = ""
    max_megabytes: float = 5.0
    blocks: int = 56
    static_pictures: int = 4

    def __post_init__(self) -> None:
        for name in ("title", "label_name", "output_name", "unit"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InputError(f"{name}={brief(value)}; pass text")
        size = self.max_megabytes
        if not _is_number(size, Real) or not (math.isfinite(size) and size > 0):
            raise InputError(f"max_megabytes={brief(size)}; pass a positive number, such as 5")
        for name, low in (("blocks", 1), ("static_pictures", 0)):
            value = getattr(self, name)
            if not _is_number(value, Integral) or value < low:
                raise InputError(f"{name}={brief(value)}; pass a whole number from {low}")

    @staticmethod
    def of(settings: Mapping[str, Any]) -> Options:
        """The options of keyword arguments.

        Raises:
            InputError: There is no such option, or it has a wrong value.
        """
        known = [field.name for field in fields(Options)]
        for name in settings:
            if name not in known:
                raise InputError(f"a report has no option {brief(name)}; {nearest(name, known)}")
        return Options(**settings)


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
