"""The budget: how much one forward pass may hold."""

from __future__ import annotations

from collections import defaultdict
from numbers import Integral

import torch

from salience.errors import InputError

_START = 8
_LARGEST = 2**16
# A pass this short is mostly overhead, so that more rows are sure to pay.
_SHORT = 0.02
# A longer pass has to gain this much throughput by being doubled, best of two tries each.
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
        whole = isinstance(max_rows, Integral) and not isinstance(max_rows, bool)
        if max_rows != "auto" and not (whole and int(max_rows) >= 1):
            raise InputError(f"max_rows={max_rows!r}; pass 'auto' or a whole number from 1")
        self.fixed = max_rows != "auto"
        self.current = int(max_rows) if self.fixed else _START
        self._searching = not self.fixed
        self._kind = ""
        self._rates: dict[int, list[float]] = defaultdict(list)

    @property
    def searching(self) -> bool:
        """Whether passes are still to be timed."""
        return self._searching

    def begin(self, size: float) -> None:
        """Take in the mean size of the items: the search begins with a few of them a pass."""
        if self._searching:
            self.current = max(self.current, round(_START * size))

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
        if seconds > _SHORT:
            rates = self._rates[self.current]
            rates.append(size / seconds)
            if len(rates) < _TRIES:
                return
            before = self._rates.get(self.current // 2)
            if before and max(rates) < _GAIN * max(before):
                self.current //= 2
                self._searching = False
                return
        if self.current >= _LARGEST:
            self._searching = False
        else:
            self.current *= 2

    def halve(self) -> None:
        """Take in that a pass ran out of memory."""
        self.current = max(1, self.current // 2)
        self._searching = False


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a pass did not fit; the CPU allocator's is a RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def too_large(size: int) -> InputError:
    """The error for a single item that does not fit."""
    return InputError(
        f"a single item of size {size} does not fit into memory; "
        f"use a device with more memory or a smaller item"
    )
