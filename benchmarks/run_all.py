"""Run every benchmark, each in a process of its own, and write the tables to a page.

python benchmarks/run_all.py                      # what docs/benchmarks.md holds
python benchmarks/run_all.py --quick --repeats 1 --out quick.md
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

import torch

from machine import facts
from report import Report

HERE = Path(__file__).parent
TASKS = (
    "cnn_smoothgrad",
    "cnn_ig",
    "cnn_smoothgrad_ig",
    "cnn_occlusion",
    "table_gradient",
    "table_ig",
    "table_bayesgrad",
    "graph_ig",
    "memory",
    "until",
    "units",
    "pictures",
)

INTRO = """\
# Benchmarks

Written by `{command}` on {day}; `make bench` writes it anew.
Every script in `benchmarks/` can be run alone and prints its table.

All contenders of a table run in one process, in turn, and every figure of time is a median over
rounds; a turn is repeated for 0.3 seconds where it is shorter, and its mean taken. "Time by
salience's" is the contender's time by salience's of the same round, the median and
the smallest and largest over rounds: above 1, salience is faster. Peak memory is the resident
memory above that before the run, each in a process of its own. "Difference" is the largest
difference of the values from salience's, by the largest value; where a contender draws numbers of
its own, it is the root mean square difference by what two means of such draws differ by, 1 where
both draw from the same distribution.

- **salience** is one call of `salience.explain`, with everything that it does besides: reading and
  checking the data, the prediction, standard errors, completeness gaps, the search for the fastest
  batch. *max_rows by hand* spares it that search.
- **Captum** is as it comes; *tuned* has the fastest batch, frozen parameters, and channels last
  for photos. *Scores summed by hand* wraps the model so that it returns a single number for all
  rows, which spares Captum an autograd root a row.
- **seed's loop** is the algorithm of chainer-chemistry's saliency module as a plain loop, one item
  and one draw or path point at a time.
- **bare loop** is written by hand for the one task, with the fastest batch, frozen parameters,
  channels last for photos, and the classes known beforehand: the limit.

Where the allocator is tuned, it is tuned for all contenders of the table.
"""


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}; or all")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "benchmarks.md")
    parser.add_argument("--repeats", type=int, help="rounds; each script's own where left out")
    parser.add_argument("--quick", action="store_true", help="little work, to see that it runs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    for task in options.tasks:
        if task not in TASKS:
            parser.error(f"unknown task {task!r}; known are {', '.join(TASKS)}")
    torch.set_num_threads(options.threads)
    machine = facts()
    settings = ["--threads", str(options.threads)]
    settings += ["--quick"] if options.quick else []
    settings += [] if options.repeats is None else ["--repeats", str(options.repeats)]
    reports, broken = [], []
    for task in options.tasks or TASKS:
        command = [sys.executable, str(HERE / f"{task}.py"), "--json", *settings]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        try:
            reports.append(Report(**json.loads(done.stdout)))
        except json.JSONDecodeError:
            broken.append(f"{task} broke off with status {done.returncode}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(_page(reports, broken, machine), encoding="utf-8")
    print(f"wrote {options.out.name}")
    return 1 if broken or any(report.wrong for report in reports) else 0


def _page(reports: list[Report], broken: list[str], machine: list[str]) -> str:
    words = [word for word in sys.argv[1:] if not word.endswith(".md") and word != "--out"]
    command = shlex.join(["python", "benchmarks/run_all.py", *words])
    wrong = [f"{report.title}: {line}" for report in reports for line in report.wrong]
    sections = [
        INTRO.format(command=command, day=date.today().isoformat()),
        _list("The machine", machine),
        _list(
            "Where salience is not ahead",
            [line for report in reports for line in report.behind],
            "Nowhere, in this run.",
            "Contenders whose values are wrong are left out.",
        ),
        _list(
            "Goals that were missed",
            [line for report in reports for line in report.missed],
            "None, in this run.",
        ),
        *([_list("Broken or wrong", broken + wrong)] if broken or wrong else []),
        "## The tables\n",
        *(report.markdown() for report in reports),
    ]
    return "\n".join(sections).rstrip() + "\n"


def _list(title: str, lines: list[str], none: str = "", before: str = "") -> str:
    head = [f"## {title}", "", *([before, ""] if before else [])]
    return "\n".join([*head, *([f"- {line}" for line in lines] or [none]), ""])


if __name__ == "__main__":
    raise SystemExit(main())
