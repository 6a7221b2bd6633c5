"""Run the fuzzer and count: ``python -m tests.fuzz --inputs 10000``."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from .classes import CLASSES, run
from .oracle import Figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="of all classes together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--classes", nargs="*", default=list(CLASSES), choices=list(CLASSES))
    parser.add_argument("--faults", type=int, default=40, help="kinds of faults to print")
    parser.add_argument("--traces", type=Path, help="file for the tracebacks")
    given = parser.parse_args()
    torch.set_num_threads(1)
    faulthandler.enable()
    figures = Figures()
    shares = sum(CLASSES[name].share for name in given.classes)
    for name in given.classes:
        began, number = time.perf_counter(), -(-given.inputs * CLASSES[name].share // shares)
        run(name, number, given.seed, figures)
        print(f"{name}: {number} inputs in {time.perf_counter() - began:.0f} s", flush=True)
    print(figures.table())
    kinds = Counter((kind, v.outcome, v.detail[:70]) for kind, _, v in figures.faults)
    for (kind, outcome, detail), number in kinds.most_common(given.faults):
        text = next(t for k, t, v in figures.faults if k == kind and v.detail[:70] == detail)
        full = next(v for k, _, v in figures.faults if k == kind and v.detail[:70] == detail)
        print(f"\n{number} × {kind}, {outcome}: {full.detail[:600]}\n    {text[:600]}")
    if given.traces:
        given.traces.write_text(
            "\n".join(
                f"=== {k}: {t}\n{v.outcome} {v.detail}\n{v.trace}" for k, t, v in figures.faults
            )
        )
    return 1 if figures.faults else 0


sys.exit(main())
