"""What `benchmarks/compare.py` concludes from times, and that it runs."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.scripts import loaded

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "benchmarks"


def script(name: str) -> ModuleType:
    """A script as a module, whose neighbours are imported by name and then forgotten."""
    before = dict(sys.modules)
    sys.path.insert(0, str(SCRIPTS))
    try:
        return loaded(SCRIPTS / f"{name}.py", f"benchmarks_{name}")
    finally:
        sys.path.remove(str(SCRIPTS))
        for new in ("measure", "report"):
            if new not in before:
                sys.modules.pop(new, None)


compare = script("compare")
worker = script("compare_worker")


def values(*numbers: float) -> dict[str, Any]:
    found: dict[str, Any] = worker.summary(torch.tensor(numbers, dtype=torch.float64))
    return found


@dataclass
class Tree:
    """A tree that takes the times it is told to."""

    times: Mapping[str, float]
    broken: Mapping[str, str] = field(default_factory=dict)
    fails: tuple[str, ...] = ()
    log: list[str] = field(default_factory=list)
    name: str = ""
    batch: int = 0
    row: str = ""

    def ask(self, do: str, **settings: Any) -> Mapping[str, Any]:
        return getattr(self, do)(**settings)  # type: ignore[no-any-return]

    def list(self) -> Mapping[str, Any]:
        return {"rows": list(self.times), "broken": self.broken}

    def prepare(self, row: str, quick: bool, batch: int | None) -> Mapping[str, Any]:
        if row in self.fails:
            raise compare.RowError("ValueError")
        self.row = row
        chosen = self.batch if batch is None else batch
        self.log.append(f"{self.name}{chosen}")
        return {"about": row, "batch": chosen, "values": values(1.0, 2.0)}

    def time(self) -> Mapping[str, Any]:
        self.log.append(self.name)
        return {"seconds": self.times[self.row]}

    def drop(self) -> Mapping[str, Any]:
        self.row = ""
        return {}


# --- Statistics -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "k", "share"), [(3, 1, 0.75), (6, 1, 0.96875), (9, 2, 1 - 20 / 512), (20, 6, 0.9586)]
)
def test_the_ranks_are_those_of_the_tables(n: int, k: int, share: float) -> None:
    assert compare.rank(n) == k
    assert compare.coverage(n, k) == pytest.approx(share, abs=5e-5)
    assert n < 6 or compare.coverage(n, k + 1) < 0.95


def test_the_interval_ends_at_the_second_smallest_and_largest_of_nine() -> None:
    ratios = [1.3, 0.9, 1.0, 1.1, 7.0, 1.02, 1.01, 0.1, 1.2]
    found = compare.interval(ratios)
    assert (found.low, found.median, found.high) == pytest.approx((0.9, 1.02, 1.3))


def test_the_median_of_an_even_number_of_ratios_is_a_geometric_mean() -> None:
    assert compare.interval([0.5, 2.0]).median == pytest.approx(1.0)


def test_swapping_the_trees_inverts_the_ratio() -> None:
    one = compare.Compared("row", [1.0, 2.0, 3.0], [1.5, 2.5, 9.0], "none").ratio
    other = compare.Compared("row", [1.5, 2.5, 9.0], [1.0, 2.0, 3.0], "none").ratio
    assert one.median * other.median == pytest.approx(1.0)
    assert one.low * other.high == pytest.approx(1.0)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    # Skewed, with a heavy tail and median 1, as times on a busy machine are.
    normal = torch.randn(4000, 9, generator=generator)
    ratios = torch.where(normal > 0, normal.mul(3).exp(), normal.mul(0.1).exp())
    covered = [
        found.low <= 1 <= found.high for found in map(compare.interval, ratios.double().tolist())
    ]
    assert sum(covered) / len(covered) == pytest.approx(compare.coverage(9, 2), abs=0.012)


# --- Rounds and rows ------------------------------------------------------------------------------


def test_trees_take_turns_in_an_order_that_is_swapped_each_round() -> None:
    log: list[str] = []
    there, here = Tree({"a": 2.0}, log=log, name="t", batch=9), Tree({"a": 3.0}, log=log, name="h")
    here.batch = 4
    found = compare.compare("a", there, here, rounds=3)
    assert "".join(log) == "h4t4" + "thht" + "htth" + "thht"
    assert found.ratio.median == pytest.approx(1.5)
    assert found.row == "a, batch 4" and found.difference == "none" and found.remark == ""
    assert there.row == here.row == ""


def test_a_row_that_only_one_tree_has_is_not_compared() -> None:
    there, here = Tree({"both": 1.0, "old: x": 1.0}), Tree({"both": 1.0, "new: x": 1.0})
    rows, missing = compare.listed(there, here)
    assert rows == ["both"]
    assert [(one.row, one.why, one.bad) for one in missing] == [
        ("new: x", "only in this checkout", False),
        ("old: x", "only at the commit", False),
    ]
    said = compare.markdown([], missing, 9)
    assert "not compared: new: x, only in this checkout" in said
    assert compare.verdict([], missing, 1.05) == []


def test_a_script_that_fails_here_only_is_a_fault() -> None:
    there, here = Tree({"task: x": 1.0}), Tree({}, broken={"task": "ValueError"})
    _, missing = compare.listed(there, here)
    assert compare.verdict([], missing, 1.05) == [
        "Broken: task: x, only at the commit; in the other tree its script fails: ValueError"
    ]
    assert compare.verdict([], compare.listed(here, there)[1], 1.05) == []


def test_a_script_that_fails_in_both_trees_is_named() -> None:
    broken = Tree({}, broken={"task": "AssertionError"})
    _, (missing,) = compare.listed(broken, broken)
    assert (missing.row, missing.bad) == ("task", False) and "AssertionError" in missing.why


def test_a_row_that_fails_here_only_is_a_fault() -> None:
    good, bad = Tree({"a": 1.0}), Tree({"a": 1.0}, fails=("a",))
    assert compare.compare("a", good, bad, 3).bad
    assert not compare.compare("a", bad, good, 3).bad
    assert not compare.compare("a", bad, bad, 3).bad
    assert good.row == ""


def test_only_a_row_whose_whole_interval_is_above_the_limit_is_slower() -> None:
    # Of nine ratios the second smallest counts.
    same, slow = [1.0] * 9, [1.1] * 9
    doubtful = compare.Compared("doubtful", same, [1.0, 1.0, *slow[2:]], "none")
    slower = compare.Compared("slower", same, [1.0, *slow[1:]], "none")
    assert compare.verdict([doubtful], [], 1.05) == []
    assert compare.verdict([doubtful, slower], [], 1.05) == [
        "Slower: slower, at least 1.100 times; the limit is 1.05"
    ]
    assert compare.verdict([slower], [], 1.2) == []


# --- Values ---------------------------------------------------------------------------------------


def test_the_same_bits_do_not_differ() -> None:
    assert compare.difference(values(1.0, -1.0), values(1.0, -1.0)) == "none"
    assert compare.difference(values(math.nan), values(math.nan)) == "none"


def test_a_difference_is_taken_by_the_largest_value() -> None:
    assert compare.difference(values(1.0, 4.0), values(1.0, 4.04)) == "1e-02"
    assert compare.difference(values(0.0, 0.0), values(0.0, 1.0)) == "inf"
    assert compare.difference(values(1.0), values(1.0, 1.0)) == "shape [1] → [2]"


def test_a_difference_between_the_entries_that_are_kept_is_seen() -> None:
    old = torch.ones(10_000)
    new = old.clone()
    new[1] = 1.5
    found = compare.difference(worker.summary(old), worker.summary(new))
    assert 0 < float(found) < 1e-3
    assert len(worker.summary(old)["entries"]) <= worker.ENTRIES


# --- The command line -----------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "compare.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("HEAD", "--rounds", "8"), "at least 9"),
        (("HEAD", "--rounds", "2", "--quick"), "at least 3"),
        (("no-such-commit",), "not a commit"),
        ((), "name the commit"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and message in done.stderr


def test_salience_must_come_from_the_tree(tmp_path: Path) -> None:
    worker.check_origin(ROOT)
    with pytest.raises(ImportError, match="not from"):
        worker.check_origin(tmp_path)


@pytest.mark.slow
def test_a_commit_is_compared_with_the_files_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worktrees() -> str:
        command = ["git", "-C", str(ROOT), "worktree", "list"]
        return subprocess.run(command, capture_output=True, text=True).stdout

    if not worktrees():
        pytest.skip("this is no git repository")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # The limit is out of reach of noise: that is not what is tested.
    done = run("HEAD", "--quick", "--limit", "1000", "one row of a small")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    row = next(line for line in lines if line.startswith("| one row of a small network"))
    assert float(row.split("|")[4]) > 0
    assert "No row is slower than 1000 times." in lines
    assert run("HEAD", "--quick", "--limit", "0", "one row of a small").returncode == 1
    # Others may have worktrees too, but those of these runs are gone.
    assert not list(tmp_path.glob("compare-*"))
    assert str(tmp_path) not in worktrees()
