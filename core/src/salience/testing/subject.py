"""What is checked: a part, with the examples that it is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from salience.testing.comparing import NotTestedError
from salience.testing.example import Example


@dataclass(frozen=True)
class Subject:
    """A part and the examples that it is tried on.

    Args:
        part: The part.
        examples: Examples of data and model; where the author gave none, those of the kit.
        own: Whether the author gave the example.
    """

    part: Any
    examples: Sequence[Example]
    own: bool

    @property
    def example(self) -> Example:
        """The example that the author gave; of a domain, its data and model.

        Raises:
            NotTestedError: The author gave none.
        """
        if not self.own:
            raise NotTestedError(
                "nothing was given to draw; pass data=, model= and domain=, whose items it draws"
            )
        return self.examples[0]
