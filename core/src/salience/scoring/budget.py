"""The budget: how much one forward pass may hold."""

from __future__ import annotations

from collections import defaultdict
from numbers import Integral

from salience.errors import InputError

# The search begins with so many rows, or with more of them while they hold so few numbers.
_START = 8
_MANY, _FEW_NUMBERS = 256, 2**13
_LARGEST = 2**16
# A pass this short is mostly overhead, so that more rows are sure to pay.
_SHORT = 0.02
# In a pass this long, what does not grow with the rows is lost in the rest; no step aims beyond.
_LONG = 0.1
# A pass between has to gain this much throughput by being doubled, best of two tries each.
_GAIN = 1.1
_TRIES = 2


class Budget:
    """Rows (elements, where data is ragged) that one forward pass may hold.

    ``"auto"`` begins small and doubles while throughput grows, measured on the real work; what was
    computed meanwhile counts. It doubles several times at once where passes are far too short to
    be worth measuring, and no more where a pass takes so long that more rows only cost memory.
    Running out of memory halves it and ends the search.

    Args:
        max_rows: The number, or ``"auto"``.

    Raises:
        InputError: ``max_rows`` is neither ``"auto"`` nor at least 1.
    """

    def __init__(self, max_rows: int | str = "auto") -> None:
        whole_number = isinstance(max_rows, Integral) and not isinstance(max_rows, bool)
        if max_rows != "auto" and not (whole_number and int(max_rows) >= 1):
            raise InputError(f"max_rows={max_rows!r}; pass 'auto' or a whole number from 1")
        self.fixed = max_rows != "auto"
        self.current = int(max_rows) if self.fixed else _START
        self._searching = not self.fixed
        self._kind = ""
        self._ceiling = _LARGEST + 1
        self._rates: dict[int, list[float]] = defaultdict(list)

    @property
    def searching(self) -> bool:
        """Whether passes are still to be timed."""
        return self._searching

    def begin(self, size: float) -> None:
        """Take in the mean size of the items: the search begins with a few of them a pass."""
        if self._searching:
            self.current = max(self.current, round(_START * size))

    def widen(self, numbers: int) -> bool:
        """Take in how many numbers an item holds: the search begins with more items if few.

        Returns:
            Whether a pass may hold more now.
        """
        rows = min(_MANY, _FEW_NUMBERS // max(1, numbers))
        if not self._searching or self._rates or rows <= self.current:
            return False
        self.current = rows
        return True

    def record(self, kind: str, size: int, seconds: float) -> None:
        """Take in how long a pass took.

        Args:
            kind: ``"gradient"`` or ``"value"``; once there are gradients, values are not judged by.
            size: Rows (or elements) of the pass; passes that leave much of the budget are ignored.
            seconds: Its duration.
        """
        if kind == "gradient" and self._kind != kind:
            self._kind = kind
            self._rates.clear()
        if not self._searching or kind != (self._kind or kind) or size < 0.75 * self.current:
            return
        seconds = max(seconds, 1e-9)
        rates = self._rates[self.current]
        rates.append(size / seconds)
        if seconds <= _SHORT:
            far = self._ceiling > _LARGEST  # nothing slower is known ahead
            self._grow(max(2, int(_LONG / seconds)) if far else 2)
        elif len(rates) >= _TRIES:
            best = self._fastest(below=self.current)
            if best and max(rates) < _GAIN * max(self._rates[best]):
                # A long step may have gone past the fastest: look between.
                self._ceiling, self.current = self.current, best
                self._grow(2)
            elif self.current > _LONG * max(rates):
                self._searching = False
            else:
                self._grow(2)

    def _fastest(self, below: int) -> int:
        """The fastest of the sizes that were tried below this one; 0 if there are none."""
        tried = [rows for rows in self._rates if rows < below]
        return max(tried, key=lambda rows: max(self._rates[rows]), default=0)

    def _grow(self, factor: int) -> None:
        if 2 * self.current >= self._ceiling:
            self.current = self._fastest(below=self._ceiling)
            self._searching = False
        else:
            self.current = min(self.current * factor, self._ceiling - 1)

    def halve(self) -> None:
        """Take in that a pass ran out of memory."""
        self.current = max(1, self.current // 2)
        self._searching = False
