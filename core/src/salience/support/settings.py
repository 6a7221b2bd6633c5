"""Settings of parts: checked when a part is made, by the annotations of its fields."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import ClassVar

from salience.intake import check_settings
from salience.shown import ShortRepr


class CheckedSettings(ShortRepr):
    """Base of all kinds of parts, whose subclasses are frozen dataclasses.

    A subclass with a ``__post_init__`` of its own calls that of its base first.
    """

    #: Names of the fields that may hold a value for each item, in the order of the data. The record
    #: of a selection of the items holds those of the selected ones.
    per_item: ClassVar[tuple[str, ...]] = ()

    _shows_defaults: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the settings that are numbers, truth values or words, by their annotations."""
        if is_dataclass(self):
            check_settings(self)
