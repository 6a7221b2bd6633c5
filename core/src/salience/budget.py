"""The budget: how much one forward pass may hold."""

from __future__ import annotations

from collections import defaultdict

from salience.errors import InputError

_START = 8
_LARGEST = 2**16
# A doubling has to pay this much in throughput to be kept.
_GAIN = 1.1
_TRIES = 2


class Budget:
    """Rows (elements, where data is ragged) that one forward pass may hold.

    ``"auto"`` begins small and doubles while throughput grows, measured on the real work; what was
    computed meanwhile counts. Running out of memory halves it and ends the search.

    Args:
        max_rows: The number, or ``"auto"``.

    Raises:
        InputError: ``max_rows`` is neither ``"auto"`` nor at least 1.
    """

    def __init__(self, max_rows: int | str = "auto") -> None:
        whole = isinstance(max_rows, int) and not isinstance(max_rows, bool)
        if max_rows != "auto" and not (whole and int(max_rows) >= 1):
            raise InputError(f"max_rows={max_rows!r}; pass 'auto' or a whole number from 1")
        self.fixed = max_rows != "auto"
        self.current = int(max_rows) if self.fixed else _START
        self._searching = not self.fixed
        self._rates: dict[tuple[str, int], list[float]] = defaultdict(list)

    def record(self, kind: str, size: int, seconds: float) -> None:
        """Take in that a pass of this kind and size took so long."""
        if not self._searching or not self.current * 0.75 <= size <= self.current:
            return
        rates = self._rates[kind, self.current]
        rates.append(size / max(seconds, 1e-9))
        before = self._rates.get((kind, self.current // 2))
        if len(rates) < _TRIES:
            return
        if before and max(rates) < _GAIN * max(before):
            self.current //= 2
            self._searching = False
        elif self.current >= _LARGEST:
            self._searching = False
        else:
            self.current *= 2

    def halve(self) -> None:
        """Take in that a pass ran out of memory."""
        self.current = max(1, self.current // 2)
        self._searching = False
