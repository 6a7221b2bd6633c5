"""A task and those who compete in it: found right, timed in turn, weighed in memory, reported."""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import report
import salience
from machine import tune_allocator
from measure import fastest, interleaved, peak_in_own_process, peak_of, say
from report import OURS, Report, Row

#: Saliency; with its standard error, where draws are compared.
Found = Tensor | tuple[Tensor, Tensor]


def _same(values: Tensor) -> Tensor:
    return values


@dataclass(frozen=True)
class Contender:
    """One way to do the task.

    Args:
        run: Does it with batches of a size and returns the saliency.
        batches: Sizes to find the fastest of before anything is timed; it is run with 0 where
            there are none.
        share: The share of the work that it does; its times are divided by it.
        part: Picks of salience's values those that it computes.
        compare: ``"values"`` with salience's; ``"draws"`` where it draws random numbers of its own,
            so that values agree within their errors only; or ``"nothing"``.
        own: It is salience as well, in another setting.
        may_fail: Failing or being wrong is what is to be shown.
    """

    run: Callable[[int], Found]
    batches: Sequence[int] = ()
    share: float = 1.0
    part: Callable[[Tensor], Tensor] = _same
    compare: str = "values"
    own: bool = False
    may_fail: bool = False


@dataclass(frozen=True)
class Goal:
    """The time of a contender by salience's must be at least so much."""

    contender: str
    least: float


@dataclass(frozen=True)
class Check:
    """A difference that must be small."""

    what: str
    difference: float
    tolerance: float


@dataclass(frozen=True)
class Task:
    """What is to be done, and by whom.

    Args:
        title: A few words.
        about: Data, model and settings, in a sentence or two.
        contenders: Name → contender; the first is salience.
        tolerance: Largest difference of values by the largest value that counts as agreement.
        goals: What is to be reached.
        checks: Makes further checks of the numbers.
    """

    title: str
    about: str
    contenders: Mapping[str, Contender]
    tolerance: float
    goals: Sequence[Goal] = ()
    checks: Callable[[], Sequence[Check]] = tuple


def main(make: Callable[[bool], Task], *, allocator: bool = False, repeats: int = 5) -> None:
    """Measure as the command line asks, and print the table.

    Args:
        make: Makes the task, from whether it is to be small; called in each process.
        allocator: Whether the allocator is tuned where the command line does not say.
        repeats: Rounds, where the command line does not say.
    """
    parser = arguments(allocator, repeats)
    parser.add_argument("--profile", action="store_true", help="show where salience's time goes")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    tuned = prepare(options)
    task = make(options.quick)
    if options.only:
        contender = task.contenders[options.only]
        print(peak_of(lambda: contender.run(options.batch)))
    elif options.profile:
        _profile(task.contenders[OURS])
    else:
        print_report(_measure(task, options.repeats, tuned), options.json)


def arguments(allocator: bool, repeats: int) -> argparse.ArgumentParser:
    """The command line that all scripts share."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="little work, to see that it runs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--allocator",
        action=argparse.BooleanOptionalAction,
        default=allocator,
        help="tune the memory allocator for all contenders alike (%(default)s)",
    )
    return parser


def prepare(options: argparse.Namespace) -> str:
    """Set the process up.

    Returns:
        What is said of the allocator.
    """
    warnings.simplefilter("ignore")  # peers warn on every call
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if not options.allocator:
        return "Allocator as it comes, for all."
    return "Allocator tuned for all." if tune_allocator() else "The allocator cannot be tuned here."


def print_report(done: Report, json: bool) -> None:
    """Print it; where a contender computed something else than it should, that is a failure."""
    print(done.json() if json else done.markdown())
    if done.wrong:
        raise SystemExit("these differ from salience: " + "; ".join(done.wrong))


def found(explanation: salience.Explanation) -> Found:
    """The saliency of an explanation, all elements in a row, with its standard error."""
    return explanation.only.flat, explanation.only.flat_error


def relative(one: Tensor, other: Tensor) -> float:
    """Largest difference by the largest value."""
    return float((one - other).abs().max() / other.abs().max())


def _measure(task: Task, repeats: int, allocator: str) -> Report:
    say(task.title)
    failed, differs, wrong = {}, {}, []
    results: dict[str, Found] = {}
    batches = dict.fromkeys(task.contenders, 0)
    for name, contender in task.contenders.items():
        say(f"first run: {name}")
        try:
            # A first run fills caches and is not timed; it shows whether the numbers are right.
            results[name] = contender.run(max(contender.batches, default=0))
        except Exception as error:
            if not contender.may_fail:
                raise
            failed[name] = f"fails: {type(error).__name__}"
            continue
        agrees, differs[name] = _compare(results[OURS], results[name], contender, task.tolerance)
        if not agrees and not contender.may_fail:
            wrong.append(f"{name} ({differs[name]})")
        if contender.batches:
            say(f"best batch: {name}")
            batches[name] = fastest(contender.run, contender.batches)
    runs = {
        name: lambda contender=contender, name=name: contender.run(batches[name])
        for name, contender in task.contenders.items()
        if name not in failed
    }
    shares = {name: contender.share for name, contender in task.contenders.items()}
    times = interleaved(runs, shares, repeats)
    differs[OURS] = ""
    rows = []
    for name, contender in task.contenders.items():
        title = name + (f", batch {batches[name]}" if contender.batches else "")
        if name in failed:
            rows.append(Row(title, contender.own, None, 0, 0, 0, 0, failed[name]))
            continue
        say(f"memory: {name}")
        peak = peak_in_own_process("--only", name, "--batch", str(batches[name]))
        took = times[name]
        rows.append(
            Row(
                title,
                contender.own,
                *(took.seconds, took.ratio, took.low, took.high),
                peak,
                differs[name],
            )
        )
    reached, missed = [], []
    for goal in task.goals:
        ratio = times[goal.contender].ratio
        line = f"Goal: {goal.contender} takes at least {goal.least:.3g} times as long as salience: "
        short = f"missed by {1 - ratio / goal.least:.1%}, {ratio:.3g} times"
        reached.append(line + (f"reached, {ratio:.3g} times" if ratio >= goal.least else short))
        if ratio < goal.least:
            missed.append(f"{task.title}: {reached[-1]}")
    remarks = []
    for check in task.checks():
        good = check.difference <= check.tolerance
        remarks.append(f"{check.what}: {check.difference:.1e}, at most {check.tolerance:.0e} asked")
        if not good:
            wrong.append(remarks[-1])
    return Report(
        task.title,
        f"{task.about} {allocator}",
        report.contenders(rows, repeats),
        remarks,
        report.behind(task.title, rows),
        reached,
        missed,
        wrong,
    )


def _compare(
    ours: Found, theirs: Found, contender: Contender, tolerance: float
) -> tuple[bool, str]:
    """Whether two results agree, and how far they are apart."""
    if contender.compare == "nothing":
        return True, ""
    values, error = ours if isinstance(ours, tuple) else (ours, None)
    other = theirs[0] if isinstance(theirs, tuple) else theirs
    values = contender.part(values)
    if contender.compare == "values":
        difference = relative(other, values)
        return difference <= tolerance, f"{difference:.0e}"
    assert error is not None
    # Two means of independent draws differ by √2 standard errors, in the root mean square.
    expected = 2 * contender.part(error).square().mean()
    ratio = float(((other - values).square().mean() / expected).sqrt())
    return 0.5 < ratio < 2, f"draws: {ratio:.2f}"


def _profile(contender: Contender) -> None:
    contender.run(0)
    profiler = cProfile.Profile()
    profiler.runcall(contender.run, 0)
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(30)
    pstats.Stats(profiler).strip_dirs().sort_stats("cumtime").print_stats(
        "salience|score|probe", 40
    )
