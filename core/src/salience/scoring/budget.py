"""The budget: the largest size of one forward pass, and the search for the fastest size."""

from __future__ import annotations

from collections import defaultdict
from numbers import Integral

from salience.errors import InputError, brief
from salience.intake import scalar

# The search starts with _START items in a pass. Where an item holds few numbers, it starts with as
# many items as hold _FEW_NUMBERS numbers together, at most _MANY; or, where the model is small too,
# with as many as take about _FEW_PRODUCTS multiplications, one for each number and weight.
_START = 8
_MANY, _FEW_NUMBERS = 256, 2**13
_FEW_PRODUCTS = 2**28
# Largest budget that the search tries, and the largest for passes of more than _TINY seconds: these
# gain little by being larger, while their memory grows.
_LARGEST = 2**16
_ROOMY, _TINY = 2**15, 0.002
# A pass of at most this many seconds is mostly overhead, so a larger pass is surely faster per row.
_SHORT = 0.02
# In a pass of this many seconds, the cost that does not grow with the rows is negligible; the
# search aims at no longer pass.
_LONG = 0.1
# For passes in between, the search goes on where a larger pass raises the throughput by at least
# this factor, comparing the best of _TRIES passes of each size.
_GAIN = 1.1
_TRIES = 2


class Budget:
    """Largest number of rows (elements, where data is ragged) in one forward pass.

    With ``"auto"``, the budget starts small and doubles as long as the throughput of the passes
    grows. The search times the passes of the computation itself, so it runs no extra pass. The
    budget grows by more than a factor of 2 at once where passes are too short to be worth timing,
    and stops growing where a pass takes so long that more rows would only cost memory. Where memory
    runs out, the budget is halved and the search ends.

    Args:
        max_rows: The number of rows, or ``"auto"``.
        n_weights: Number of values in the parameters of the model; 0 where unknown.

    Raises:
        InputError: ``max_rows`` is neither ``"auto"`` nor at least 1.
    """

    def __init__(self, max_rows: int | str = "auto", n_weights: int = 0) -> None:
        max_rows = scalar(max_rows)
        auto = isinstance(max_rows, str) and max_rows == "auto"
        whole_number = isinstance(max_rows, Integral) and not isinstance(max_rows, bool)
        if not auto and not (whole_number and int(max_rows) >= 1):
            raise InputError(f"max_rows={brief(max_rows)}; pass 'auto' or a whole number from 1")
        self.fixed = not auto
        # More rows than any pass holds are as many as the largest number that torch counts with.
        self.current = min(int(max_rows), 2**62) if self.fixed else _START
        self._searching = not self.fixed
        self._n_weights = n_weights
        self._kind = ""
        self._ceiling = _LARGEST + 1
        self._rates: dict[int, list[float]] = defaultdict(list)

    @property
    def searching(self) -> bool:
        """Whether the search for the fastest size of forward passes still needs their durations."""
        return self._searching

    def begin(self, size: float) -> None:
        """Start the search with room for a few items of mean size in a pass.

        Args:
            size: Mean size of the items, in elements.
        """
        if self._searching:
            self.current = max(self.current, round(_START * size))

    def widen(self, numbers: int) -> bool:
        """Start the search with more items in a pass where an item holds few numbers.

        Args:
            numbers: Number of values in the arguments of one item.

        Returns:
            Whether the budget has been raised.
        """
        numbers = max(1, numbers)
        rows = min(_MANY, _FEW_NUMBERS // numbers)
        if self._n_weights:
            rows = max(rows, min(_ROOMY, _FEW_PRODUCTS // (numbers * self._n_weights)))
        if not self._searching or self._rates or rows <= self.current:
            return False
        self.current = rows
        return True

    def record(self, kind: str, size: int, seconds: float) -> None:
        """Take in the duration of a pass, and choose the budget of the next one.

        Args:
            kind: Kind of the pass: ``"gradient"`` or ``"value"``. From the first gradient pass on,
                value passes are ignored.
            size: Rows (or elements) of the pass; passes that fill less than 3/4 of the budget are
                ignored.
            seconds: Duration of the pass.
        """
        if kind == "gradient" and self._kind != kind:
            self._kind = kind
            self._rates.clear()
        if not self._searching or kind != (self._kind or kind) or size < 0.75 * self.current:
            return
        seconds = max(seconds, 1e-9)
        rates = self._rates[self.current]
        rates.append(size / seconds)
        if self.current >= _ROOMY and seconds > _TINY:
            self._searching = False
        elif seconds <= _SHORT:
            far = self._ceiling > _LARGEST  # no larger size is known to be slower
            self._grow(max(2, int(_LONG / seconds)) if far else 2)
            if seconds > _TINY:
                self.current = min(self.current, _ROOMY)
        elif len(rates) >= _TRIES:
            best = self._fastest(below=self.current)
            if best and max(rates) < _GAIN * max(self._rates[best]):
                # A step of more than a factor of 2 may have passed the fastest size, so the search
                # goes on between the fastest size so far and this one.
                self._ceiling, self.current = self.current, best
                self._grow(2)
            elif self.current > _LONG * max(rates):
                self._searching = False
            else:
                self._grow(2)

    def _fastest(self, below: int) -> int:
        """Size with the highest throughput among those tried below ``below``; 0 without any."""
        tried = [rows for rows in self._rates if rows < below]
        return max(tried, key=lambda rows: max(self._rates[rows]), default=0)

    def _grow(self, factor: int) -> None:
        if 2 * self.current >= self._ceiling:
            self.current = self._fastest(below=self._ceiling)
            self._searching = False
        else:
            self.current = min(self.current * factor, self._ceiling - 1)

    def halve(self) -> None:
        """Halve the budget, to at least 1, and end the search, after a pass ran out of memory."""
        self.current = max(1, self.current // 2)
        self._searching = False


def fitting(start: int, end: int, sizes: list[int] | None, room: int) -> int:
    """End (exclusive) of the longest run of items that fits into one pass; at least one item.

    Args:
        start: Index of the first item of the run.
        end: Number of items in all.
        sizes: Size of each item; 1 for each where ``None``.
        room: Largest sum of the sizes.
    """
    if sizes is None:
        return min(start + room, end)
    stop, held = start, 0
    while stop < end and (stop == start or held + sizes[stop] <= room):
        held += sizes[stop]
        stop += 1
    return stop
