"""Compare the times of this checkout, as it is on disk, with those of a commit.

python benchmarks/compare.py main~1                    # every row: 10 to 20 minutes on two cores
python benchmarks/compare.py main~1 cnn_ig "one row"   # rows whose names hold one of these words
python benchmarks/compare.py --list

Two separate runs of a benchmark differ by more than most changes do, because the machine does other
things as well. Here a process of either tree waits for its turn, and only one of them works at a
time. A round times a row four times, in the order commit, here, here, commit, and the next round in
the opposite order: a drift of the machine, and what the first turn does to the second, cancel.

A round gives one ratio, the time here by the time at the commit. The table has their median and its
confidence interval between two order statistics, which holds whatever the distribution of the
ratios (David and Nagaraja, Order Statistics, 3rd edition, 2003, section 7.1): the k-th smallest and
the k-th largest of n ratios enclose the median with probability 1 − 2 P(Bin(n, ½) < k). k is the
largest number for which this is at least 95 %; for 9 rounds it is 2, and 96.1 %. A disturbance of
one round hardly moves it, as it would move one made from a mean and a variance. The interval is for
this pair of processes: two processes of one and the same tree may differ by a percent or so for as
long as they run, as memory happens to lie.

Threads of torch sleep while they wait (OMP_WAIT_POLICY=passive, where it is not set): seconds are
up to a third longer than in the other benchmarks, but other work on the machine does less to them.

The exit status is 1 if the lower end of a row's interval is above the limit, or if a row fails here
only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from measure import say
from report import duration, table

HERE = Path(__file__).resolve().parent
TREE = HERE.parent
#: Fewest rounds, in earnest and to see that it runs.
LEAST, LEAST_QUICK = 9, 3
CONFIDENCE = 0.95
#: Threads that wait in a loop take the core away from the one that they wait for, as soon as other
#: work is on the machine: operations of microseconds then take milliseconds, now and then.
WAITING = {"OMP_WAIT_POLICY": "passive"}


class RowError(Exception):
    """A tree cannot run a row."""


class Worker(Protocol):
    """Times the rows of a tree."""

    def ask(self, do: str, **settings: object) -> Mapping[str, Any]:
        """The answer to a command of ``compare_worker.Rows``."""


@dataclass(frozen=True)
class Interval:
    """Where a median lies.

    Args:
        median: The median of what was measured.
        low: Lower end of its confidence interval.
        high: Upper end.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """A row that both trees have.

    Args:
        row: Its name.
        there: Seconds at the commit, one number a round.
        here: Seconds of this checkout.
        difference: How far the values are apart, in words.
        remark: What a reader must know besides; empty if nothing.
    """

    row: str
    there: Sequence[float]
    here: Sequence[float]
    difference: str
    remark: str = ""

    @property
    def ratio(self) -> Interval:
        """The time here by the time there."""
        return interval([h / t for h, t in zip(self.here, self.there, strict=True)])


@dataclass(frozen=True)
class LeftOut:
    """A row that cannot be compared.

    Args:
        row: Its name.
        why: The reason.
        bad: Whether this checkout is to blame.
    """

    row: str
    why: str
    bad: bool = False


class Process:
    """A worker in a process of its own, which lives until the end.

    Args:
        name: What the tree is called.
        tree: Its folder.
        threads: Threads of torch; 0 leaves them as they are.
    """

    def __init__(self, name: str, tree: Path, threads: int) -> None:
        self._name = name
        own = [tree / "benchmarks", tree / "core" / "src", *sorted(tree.glob("plugins/*/src"))]
        before = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([*map(str, own), *([before] if before else [])])
        self._process = subprocess.Popen(
            # -P: the modules beside the worker are this checkout's, whatever the tree is.
            [sys.executable, "-P", str(HERE / "compare_worker.py"), str(tree), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tree / "benchmarks",
            # Sets of strings have the same order in both, and threads wait asleep.
            env={**WAITING, **os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
            # Ctrl-C reaches this process alone, which ends the others.
            start_new_session=True,
        )

    def ask(self, do: str, **settings: object) -> Mapping[str, Any]:
        """Send a command and wait for the answer.

        Raises:
            RowError: The tree cannot do it.
            RuntimeError: The process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            print(json.dumps({"do": do, **settings}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            status = self._process.wait()
            raise RuntimeError(f"the process of {self._name} ended with status {status}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RowError(answer["error"])
        return answer

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def main() -> int:
    """Run from the command line."""
    parser = _parser()
    options = parser.parse_intermixed_args()
    least = LEAST_QUICK if options.quick else LEAST
    rounds = least if options.rounds is None else options.rounds
    if rounds < least:
        parser.error(f"--rounds is {rounds}; at least {least} are needed for an interval")
    if options.list:
        with Process("this checkout", TREE, options.threads) as here:
            rows, _ = _list(here)
        _check_words(parser, options.rows, rows)
        print("\n".join(row for row in rows if chosen(row, options.rows)))
        return 0
    if options.ref is None:
        parser.error("name the commit to compare with")
    found = _git("rev-parse", "--verify", "--quiet", f"{options.ref}^{{commit}}")
    if found.returncode:
        parser.error(f"{options.ref!r} is not a commit")
    _end_orderly()
    with (
        worktree(found.stdout.strip()) as tree,
        Process(options.ref, tree, options.threads) as there,
        Process("this checkout", TREE, options.threads) as here,
    ):
        rows, missing = listed(there, here)
        _check_words(parser, options.rows, [*rows, *(one.row for one in missing)])
        done = [one for one in missing if chosen(one.row, options.rows)]
        for row in rows:
            if chosen(row, options.rows):
                done.append(compare(row, there, here, rounds, options.quick))
    compared = [one for one in done if isinstance(one, Compared)]
    left_out = [one for one in done if isinstance(one, LeftOut)]
    print(f"Time of this checkout by that of {options.ref} ({found.stdout[:7]}).\n")
    print(markdown(compared, left_out, rounds))
    lines = verdict(compared, left_out, options.limit)
    print("\n" + "\n".join(lines or [f"No row is slower than {options.limit:g} times."]))
    return 1 if lines else 0


def listed(there: Worker, here: Worker) -> tuple[list[str], list[LeftOut | Compared]]:
    """The rows that both trees have, and the others, which are left out.

    A script that fails in both trees stands in the place of its rows.
    """
    (old, old_broken), (new, new_broken) = _list(there), _list(here)
    missing: list[LeftOut | Compared] = [
        LeftOut(row, "only in this checkout" + _because(old_broken.get(_script(row))))
        for row in new
        if row not in old
    ]
    for row in old:
        if row not in new:
            error = new_broken.get(_script(row))
            missing.append(LeftOut(row, "only at the commit" + _because(error), bad=bool(error)))
    for script in old_broken.keys() & new_broken.keys():
        missing.append(LeftOut(script, f"which fails in both trees: {new_broken[script]}"))
    return [row for row in new if row in old], missing


def chosen(row: str, words: Sequence[str]) -> bool:
    """Whether a name holds one of the words; all do where there are none."""
    return not words or any(word in row for word in words)


def compare(
    row: str, there: Worker, here: Worker, rounds: int, quick: bool = False
) -> Compared | LeftOut:
    """Time a row in both trees, in turn.

    Args:
        row: Its name.
        there: The commit.
        here: This checkout.
        rounds: Number of rounds; each times either tree twice.
        quick: Whether its task is to be small.
    """
    say(f"prepare: {row}")
    workers = (there, here)
    try:
        new = here.ask("prepare", row=row, quick=quick, batch=None)
    except RowError as error:
        return LeftOut(row, f"fails here: {error}", bad=_runs(there, row, quick))
    try:
        # The same size for both, so that the search for it is no part of what is compared.
        old = there.ask("prepare", row=row, quick=quick, batch=new["batch"])
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: {row}")
            order = (0, 1, 1, 0) if number % 2 == 0 else (1, 0, 0, 1)
            turns = [(which, workers[which].ask("time")["seconds"]) for which in order]
            for i, seconds in enumerate(taken):
                seconds.append(statistics.fmean(took for which, took in turns if which == i))
    except RowError as error:
        return LeftOut(row, f"fails: {error}")
    finally:
        for worker in workers:
            worker.ask("drop")
    same = old["about"] == new["about"]
    remark = "" if same else "the trees describe the task in other words; is it the same work?"
    name = row + (f", batch {new['batch']}" if new["batch"] else "")
    return Compared(name, *taken, difference(old["values"], new["values"]), remark)


def interval(ratios: Sequence[float]) -> Interval:
    """The median of ratios and its distribution-free confidence interval.

    Args:
        ratios: Positive, one a round.
    """
    logs = sorted(math.log(ratio) for ratio in ratios)
    k = rank(len(logs))
    return Interval(*(math.exp(x) for x in (statistics.median(logs), logs[k - 1], logs[-k])))


def rank(n: int) -> int:
    """The largest k for which the k-th smallest and largest of n are an interval of 95 %.

    It is 1 where there is none, for fewer than 6.
    """
    return max((k for k in range(1, n // 2 + 1) if coverage(n, k) >= CONFIDENCE), default=1)


def coverage(n: int, k: int) -> float:
    """The probability that the k-th smallest and the k-th largest of n enclose the median."""
    return 1.0 - 2.0 * sum(math.comb(n, i) for i in range(k)) / float(2**n)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """How far two summaries of values are apart, in words.

    It is the largest of the relative differences of sum, norm, and entries. The sum is taken by the
    largest sum that values of this norm can have, since values of both signs may sum to nothing.
    """
    if old["shape"] != new["shape"]:
        return f"shape {old['shape']} → {new['shape']}"
    if old["digest"] == new["digest"]:
        return "none"
    most = max(map(abs, old["entries"]), default=0.0)
    entries = max((abs(a - b) for a, b in zip(old["entries"], new["entries"], strict=True)))
    bound = old["norm"] * math.sqrt(math.prod(old["shape"]))
    parts = [
        (entries, most),
        (abs(old["norm"] - new["norm"]), old["norm"]),
        (abs(old["sum"] - new["sum"]), bound),
    ]
    return f"{max(part / whole if whole else math.inf for part, whole in parts if part):.0e}"


def markdown(compared: Sequence[Compared], left_out: Sequence[LeftOut], rounds: int) -> str:
    """The table, and what is said of rows besides."""
    share = coverage(rounds, rank(rounds))
    head = ["", "at the commit", "here", "ratio", f"{share:.1%} interval", "values differ by"]
    lines = []
    for one in compared:
        ratio = one.ratio
        seconds = [duration(statistics.median(taken)) for taken in (one.there, one.here)]
        ends = f"{ratio.low:.3f} to {ratio.high:.3f}"
        lines.append([one.row, *seconds, f"{ratio.median:.3f}", ends, one.difference])
    remarks = [f"- {one.row}: {one.remark}" for one in compared if one.remark]
    remarks += [f"- not compared: {one.row}, {one.why}" for one in left_out]
    return "\n".join([table(head, lines), *(["", *remarks] if remarks else [])])


def verdict(compared: Sequence[Compared], left_out: Sequence[LeftOut], limit: float) -> list[str]:
    """What is wrong with this checkout, a line a row; empty if nothing is."""
    lines = [
        f"Slower: {one.row}, at least {one.ratio.low:.3f} times; the limit is {limit:g}"
        for one in compared
        if one.ratio.low > limit
    ]
    return lines + [f"Broken: {one.row}, {one.why}" for one in left_out if one.bad]


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """A folder with the files of a commit, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="compare-"))
    tree = folder / "tree"
    try:
        done = _git("worktree", "add", "--detach", str(tree), commit)
        if done.returncode:
            raise SystemExit(f"git worktree add: {done.stderr.strip()}")
        yield tree
    finally:
        # Twice by force: git locks a worktree until all of its files are there.
        _git("worktree", "remove", "--force", "--force", str(tree))
        shutil.rmtree(folder, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ref", nargs="?", metavar="REF", help="the commit to compare with")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="part of a row's name; all if none")
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"at least {LEAST}, or {LEAST_QUICK} if quick; the default is that",
    )
    parser.add_argument("--limit", type=float, default=1.05, help="of the ratio (%(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="of torch; its own number if 0")
    parser.add_argument("--quick", action="store_true", help="little work, to see that it runs")
    parser.add_argument("--list", action="store_true", help="print the rows")
    return parser


def _list(worker: Worker) -> tuple[list[str], dict[str, str]]:
    """The names of a tree's rows, and by script why one has none."""
    answer = worker.ask("list")
    for script, error in answer["broken"].items():
        say(f"no rows of {script}: {error}")
    return answer["rows"], answer["broken"]


def _check_words(parser: argparse.ArgumentParser, words: list[str], rows: list[str]) -> None:
    for word in words:
        if not any(word in row for row in rows):
            parser.error(f"no row has {word!r} in its name; --list prints them")


def _script(row: str) -> str:
    return row.split(": ")[0]


def _because(error: str | None) -> str:
    return f"; in the other tree its script fails: {error}" if error else ""


def _runs(worker: Worker, row: str, quick: bool) -> bool:
    """Whether a tree can run a row that another cannot."""
    try:
        worker.ask("prepare", row=row, quick=quick, batch=None)
        worker.ask("drop")
    except RowError:
        return False
    return True


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(TREE), *words], capture_output=True, text=True)


def _end_orderly() -> None:
    """Leave by an exception where the system asks the process to end, so that all is tidied up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


if __name__ == "__main__":
    raise SystemExit(main())
