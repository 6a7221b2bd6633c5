"""The contenders of a task: found right, timed in turn, weighed in memory, reported."""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import warnings
from collections.abc import Callable, Mapping

import torch

import report
import salience
from measure import Times, fastest, interleaved, peak_in_own_process, peak_of, release, say
from report import OURS, Report, Row
from task import Contender, Found, Task, compare


def main(make: Callable[[bool], Task], *, allocator: bool = True, repeats: int = 3) -> None:
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
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--allocator",
        action=argparse.BooleanOptionalAction,
        default=allocator,
        help="tune the memory allocator, for all contenders alike",
    )
    return parser


def prepare(options: argparse.Namespace) -> str:
    """Set the process up.

    Returns:
        What is said of the allocator.
    """
    # Before anything else, so that what is loaded lies where the settings put it.
    tuned = options.allocator and salience.tune_allocator()
    warnings.simplefilter("ignore")  # peers warn on every call
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if tuned:
        return "Allocator tuned, for all."
    return "Allocator as it comes, for all" + (
        ", since it has no settings here." * options.allocator or "."
    )


def print_report(done: Report, json: bool) -> None:
    """Print it; where a contender computed something else than it should, that is a failure."""
    print(done.json() if json else done.markdown())
    if done.wrong:
        raise SystemExit("these differ from salience: " + "; ".join(done.wrong))


def _measure(task: Task, repeats: int, allocator: str) -> Report:
    say(task.title)
    differs, failed, bad = _first_runs(task)
    wrong = [f"{n} ({differs[n]})" for n in bad if not task.contenders[n].may_fail]
    able = {n: c for n, c in task.contenders.items() if n not in failed}
    batches = dict.fromkeys(able, 0)
    for name, contender in able.items():
        if contender.batches:
            say(f"best batch: {name}")
            batches[name] = fastest(contender.run, contender.batches)
    runs = {n: lambda c=c, n=n: c.run(batches[n]) for n, c in able.items()}
    times = interleaved(runs, {n: c.share for n, c in able.items()}, repeats)
    release()  # a hungry contender needs room in its own process
    rows = []
    for name, contender in task.contenders.items():
        if name in failed:
            rows.append(Row(name, contender.own, None, 0.0, failed[name]))
            continue
        say(f"memory: {name}")
        peak = peak_in_own_process("--only", name, "--batch", str(batches[name]))
        title = name + (f", batch {batches[name]}" if contender.batches else "")
        rows.append(Row(title, contender.own, times[name], peak, differs[name], name in bad))
    remarks = []
    for check in task.checks():
        remarks.append(f"{check.what}: {check.difference:.1e}, at most {check.tolerance:.0e} asked")
        if not check.difference <= check.tolerance:
            wrong.append(remarks[-1])
    goals, missed = _goals(task, times)
    return Report(
        task.title,
        f"{task.about} {allocator}",
        report.contenders(rows, repeats),
        remarks,
        report.behind(task.title, rows),
        goals,
        missed,
        wrong,
    )


def _first_runs(task: Task) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Run everyone once, which fills caches and shows whether the numbers are right.

    Returns:
        By name how values differ from salience's, by name why one failed, and whose are wrong.
    """
    differs, failed, bad = {}, {}, []
    results: dict[str, Found] = {}
    for name, contender in task.contenders.items():
        say(f"first run: {name}")
        try:
            results[name] = contender.run(max(contender.batches, default=0))
        except Exception as error:
            if not contender.may_fail:
                raise
            failed[name] = f"fails: {type(error).__name__}"
            continue
        agrees, differs[name] = compare(results[OURS], results[name], contender, task.tolerance)
        if not agrees:
            bad.append(name)
    differs[OURS] = ""
    return differs, failed, bad


def _goals(task: Task, times: Mapping[str, Times]) -> tuple[list[str], list[str]]:
    """What is said of each goal, and those that are missed."""
    said, missed = [], []
    for goal in task.goals:
        ratio = times[goal.contender].ratio
        verdict = "reached" if ratio >= goal.least else f"missed by {1 - ratio / goal.least:.1%}"
        said.append(
            f"Goal: {goal.contender} takes at least {goal.least:.3g} times as long as salience: "
            f"{verdict}, {ratio:.3g} times"
        )
        if ratio < goal.least:
            missed.append(f"{task.title}: {said[-1]}")
    return said, missed


def _profile(contender: Contender) -> None:
    contender.run(0)
    profiler = cProfile.Profile()
    profiler.runcall(contender.run, 0)
    for order in ("tottime", "cumtime"):
        pstats.Stats(profiler).strip_dirs().sort_stats(order).print_stats(40)
