"""The driver: what a run still lacks is computed, unit by unit, whatever happens to processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from salience.engine.executors.chosen import in_order
from salience.errors import InputError
from salience.plugins.faults import Asked
from salience.runs.ranges import ItemRange, Report
from salience.runs.run import Run
from salience.runs.work import UnitWriter
from salience.support.notices import tell

#: How often a range whose process dies is tried before it is taken apart, or recorded.
TRIES = 3
# Parts into which a range is taken whose process dies.
_PARTS = 16
# How often a unit whose process dies is searched for items that kill it.
_SEARCHES = 3


@dataclass
class Driver:
    """Computes the units that are missing.

    Args:
        run: The run.
        writer: Explains ranges and writes them.
        report: Called with the number of draws that were computed.
        lost: Position of the first item of each range whose process died, and how it ended.
    """

    run: Run
    writer: UnitWriter
    report: Callable[[int], object]
    lost: dict[int, str] = field(default_factory=dict)

    def compute(self, units: Iterable[int]) -> None:
        """Compute units; where the process of one dies each time, without the item that kills it.

        Args:
            units: Numbers of the units.

        Raises:
            InputError: An item fails, where errors are not recorded; or the folder cannot be
                written.
        """
        lost = self._done(self._range(unit) for unit in units)
        left_out: dict[int, list[tuple[int, str]]] = {}
        for _ in range(_SEARCHES):
            if not lost:
                return
            for unit, items in self._searched(lost).items():
                left_out.setdefault(unit, []).extend(items)
            lost = self._done(
                self._range(each.unit, tuple(left_out.get(each.unit, ()))) for each in lost
            )
        if lost:
            first = lost[0]
            raise InputError(
                f"the process that explains items {first.start} to {first.stop - 1} dies "
                f"({self.lost[first.start]}), though it does for none of them by itself; pass "
                f"fewer unit_items, or fewer processes where memory is short"
            )

    def _range(self, unit: int, left_out: tuple[tuple[int, str], ...] = ()) -> ItemRange:
        start, stop = self.run.manifest.bounds.of(unit)
        return replace(self.run.items(start, stop, unit, writes=True), left_out=left_out)

    def _done(self, ranges: Iterator[ItemRange]) -> list[ItemRange]:
        """Compute ranges; return those whose process died each time that they were tried.

        A range is tried several times, but for a part of many items that is only tried to find the
        one that kills its process.
        """
        again: deque[ItemRange] = deque()
        tries: dict[tuple[int, int, int], int] = {}
        lost: list[ItemRange] = []

        def following() -> Iterator[ItemRange]:
            for each in ranges:
                while again:
                    yield self._anew(again.popleft())
                yield each
            while again:
                yield self._anew(again.popleft())

        while True:
            with closing(self._reports(following())) as reports:
                for report in reports:
                    own = report.range
                    if report.lost is None:
                        self._take(report)
                        continue
                    key = own.unit, own.start, own.stop
                    tries[key] = tries.get(key, 0) + 1
                    once = not own.writes and len(own) > 1
                    if once or tries[key] == TRIES:
                        self.lost[own.start] = report.lost
                        lost.append(own)
                    else:
                        again.append(own)
            if not again:
                return lost

    def _anew(self, own: ItemRange) -> ItemRange:
        part = self.run.items(own.start, own.stop, own.unit, own.writes)
        return replace(part, left_out=own.left_out)

    def _reports(self, ranges: Iterator[ItemRange]) -> Generator[Report]:
        return in_order(self.run.executor, self.writer, ranges, _check)

    def _take(self, report: Report) -> None:
        for sentence in report.notices:
            tell(sentence)
        if report.range.writes:
            self.report(report.n_draws)

    def _searched(self, lost: Sequence[ItemRange]) -> Mapping[int, list[tuple[int, str]]]:
        """The items of units that kill their process: unit → position and reason of each.

        Raises:
            InputError: There is one, and errors are not recorded.
        """
        found: dict[int, list[tuple[int, str]]] = {}
        going = list(lost)
        while going:
            parts = [part for each in going for part in self._cut(each)]
            dying = self._done(iter(parts))
            going = [own for own in dying if len(own) > 1]
            for own in dying:
                if len(own) == 1:
                    found.setdefault(own.unit, []).append((own.start, self._reason(own)))
        return found

    def _reason(self, own: ItemRange) -> str:
        reason = f"its process died at each of {TRIES} tries: {self.lost[own.start]}"
        if self.writer.record_errors:
            return reason
        raise InputError(
            f"item {own.start} cannot be explained ({reason}); leave it out, or pass "
            f"on_error='record'"
        )

    def _cut(self, own: ItemRange) -> Iterator[ItemRange]:
        size = max(1, -(-len(own) // _PARTS))
        for start in range(own.start, own.stop, size):
            yield self.run.items(start, min(start + size, own.stop), own.unit)


def _check(asked: Asked, report: Report, own: ItemRange) -> bool:
    """Raise InputError unless a report is that of a range."""
    asked.expect(isinstance(report, Report), report, "the reports of ranges")
    if report.range != own.bare:
        raise asked.broken("reports in another order than the ranges", "one for each, in order")
    return True
