"""Number of draws of an item, and which of them depend on each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from numbers import Integral, Real
from typing import Any

from salience.errors import InputError, brief
from salience.intake import check_settings, scalar

# The number of draws grows by this factor between two looks at the error. A smaller factor costs
# more looks; a larger factor makes more draws than an item needs.
_GROWTH = 1.2
# Largest number of draws of an item. A small model takes minutes for as many, and an error that is
# still too large needs another method.
MAX_DRAWS = 10**8


@dataclass(frozen=True)
class Until:
    """Draw until the standard error is small relative to the saliency, item by item.

    An item is done at the first look at which Σ e² ≤ rel_error² · (Σ s² − Σ e²), where s is its
    saliency, e the standard error, and the sums go over all its positions; Σ e² on the right is
    what the error itself adds to Σ s² on average. The first look is after ``min`` draws, each
    further look after a fifth more draws; the looks do not depend on how rows are packed into
    passes. An item tends to stop where its error happens to be estimated too small, so the standard
    errors are too small on average, the more so the fewer positions an item has.

    Args:
        rel_error: Relative error at which an item is done: the norm of its standard errors over the
            norm of its saliency, corrected as above.
        min: Draws before the first look.
        max: Largest number of draws of an item.

    Raises:
        InputError: ``rel_error`` is not above 0, or not 2 ≤ min ≤ max.
    """

    rel_error: float = 0.05
    min: int = 8
    max: int = 512

    def __post_init__(self) -> None:
        check_settings(self)
        if not isinstance(self.rel_error, Real) or not 0 < self.rel_error < float("inf"):
            raise InputError(
                f"rel_error={brief(self.rel_error)}; pass a number above 0, such as 0.05"
            )
        whole_numbers = isinstance(self.min, Integral) and isinstance(self.max, Integral)
        if not whole_numbers or not 2 <= self.min <= self.max:
            raise InputError(
                f"Until has min={brief(self.min)} and max={brief(self.max)}; pass 2 ≤ min ≤ max"
            )
        _check_number(int(self.max), f"Until has max={brief(self.max)}")


@dataclass(frozen=True)
class Draws:
    """The draws of an item, numbered from 0.

    Draw d uses draw d // :attr:`group` of the parameters. By default each draw has parameters of
    its own. Where noise is nested in the parameters, ``inner`` draws of noise share one draw of the
    parameters. The two draws of an antithetic pair share the parameters, since the part of the
    saliency that is linear in the noise cancels only where both draws run the same model.

    Args:
        total: Number of draws M; the largest number where items stop early.
        inner: Number of draws of noise for each draw of the parameters.
        pairs: Whether draws 2k and 2k + 1 are an antithetic pair.
        until: Condition on which an item stops early; ``None`` where each item has ``total`` draws.
    """

    total: int
    inner: int = 1
    pairs: bool = False
    until: Until | None = None

    @property
    def nested(self) -> bool:
        """Whether each draw of the parameters has several draws of noise."""
        return self.inner > 1

    @property
    def group(self) -> int:
        """Number of consecutive draws with the same parameters: a pair, or nested noise draws."""
        return self.inner if self.nested else 2 if self.pairs else 1

    @property
    def outer(self) -> int:
        """Number of draws of the parameters."""
        return self.total // self.group

    def rounds(self) -> Iterator[tuple[int, int]]:
        """Yield the half-open range (start, stop) of draws before each look at the error."""
        if self.until is None:
            yield 0, self.total
            return
        start, stop = 0, self._even(self.until.min)
        while start < self.total:
            yield start, stop
            start, stop = stop, min(self.total, self._even(max(stop + 1, ceil(stop * _GROWTH))))

    def record(self) -> Any:
        """The setting ``n_samples`` in JSON types, for the provenance record."""
        if self.until is not None:
            return asdict(self.until)
        return [self.outer, self.inner] if self.nested else self.total

    def _even(self, number: int) -> int:
        return number + number % self.group


def draws_of(n_samples: Any, pairs: bool = False) -> Draws:
    """Make :class:`Draws` from the user's setting ``n_samples``.

    Args:
        n_samples: A number; a pair of numbers (draws of the parameters, draws of noise for each of
            them); :class:`Until`, or a mapping of the fields of :class:`Until`.
        pairs: Whether noise comes in antithetic pairs.

    Raises:
        InputError: ``n_samples`` is none of these, a number is too small, or antithetic pairs are
            combined with an odd number or with nested draws.
    """
    if isinstance(n_samples, Mapping):
        try:
            n_samples = Until(**n_samples)
        except TypeError as error:
            raise InputError(f"n_samples={brief(n_samples)}: {brief(error)}") from error
    n_samples = scalar(n_samples)
    if isinstance(n_samples, Until):
        total = n_samples.max + (n_samples.max % 2 if pairs else 0)
        return Draws(total, 1, pairs, n_samples)
    if isinstance(n_samples, Sequence) and not isinstance(n_samples, str):
        if len(n_samples) != 2 or not all(_is_whole_number(n) for n in n_samples):
            raise InputError(
                f"n_samples={brief(n_samples)}; a pair holds the draws of the parameters and the "
                f"draws of noise for each of them, such as (8, 16)"
            )
        outer, inner = (int(n) for n in n_samples)
        if min(outer, inner) < 2:
            raise InputError(
                f"n_samples=({brief(outer)}, {brief(inner)}): a variance needs 2 draws or more of "
                f"each, of parameters and of noise"
            )
        if pairs:
            raise InputError(
                "nested draws split the variance of single draws, which antithetic pairs hide; "
                "leave antithetic out or pass a number as n_samples"
            )
        _check_number(outer * inner, f"n_samples=({brief(outer)}, {brief(inner)})")
        return Draws(outer * inner, inner)
    if not _is_whole_number(n_samples) or n_samples < 1:
        raise InputError(
            f"n_samples={brief(n_samples)}; pass a whole number from 1, a pair such as (8, 16), "
            f"or Until"
        )
    _check_number(int(n_samples), f"n_samples={brief(n_samples)}")
    if pairs and n_samples % 2:
        raise InputError(f"n_samples={n_samples} leaves an antithetic draw alone; pass an even one")
    return Draws(int(n_samples), 1, pairs)


def _check_number(total: int, asked: str) -> None:
    """Raise InputError where an item would have more draws than any computation ends with."""
    if total > MAX_DRAWS:
        raise InputError(
            f"{asked} asks for more than {MAX_DRAWS} draws of an item, which would not end; pass "
            f"fewer: the standard error falls with the root of their number"
        )


def _is_whole_number(number: Any) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)
