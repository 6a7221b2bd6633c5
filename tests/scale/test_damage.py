"""Folders of runs of which files are missing or cut short."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scale_models
import torch
from torch import Tensor
from torch.utils.data import Dataset

from salience import Explainer, InputError, ResultSet
from salience.runs.folder import RunFolder

METHOD: dict[str, Any] = {"unit_items": 10}
_UNIT = "units/000000002.parquet"


def again(out: Path, data: Any = None) -> ResultSet:
    data = scale_models.rows(50) if data is None else data
    explainer = Explainer(scale_models.table(), "tensor", output="class:0", max_rows=16)
    return explainer.explain_dataset(data, out, **METHOD)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    again(tmp_path / "run")
    return tmp_path / "run"


def refusing(function: Any, what: str) -> Any:
    """A function that the file system refuses where it is called with some path."""

    def called(path: Any, *arguments: Any, **settings: Any) -> Any:
        if what in str(path):
            raise OSError(errno.EROFS, "Read-only file system")
        return function(path, *arguments, **settings)

    return called


@pytest.mark.parametrize(
    ("of", "name", "what", "gone"),
    [(os, "open", ".lock", _UNIT), (np, "save", "index", _UNIT), (np, "save", "index", None)],
)
def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(
    of: Any, name: str, what: str, gone: str | None, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = ResultSet.open(out).digest()
    shutil.rmtree(out / "index")
    if gone is not None:
        (out / gone).unlink()
    with monkeypatch.context() as patched, pytest.raises(InputError, match="cannot be written"):
        patched.setattr(of, name, refusing(getattr(of, name), what))
        again(out)
    assert list(out.glob(".*")) == []
    assert again(out).digest() == digest


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_the_others_can_be_asked_where_a_unit_is_gone(out: Path) -> None:
    (out / _UNIT).unlink()
    results = ResultSet.open(out)
    assert not results.is_complete
    assert results.positions == [*range(20), *range(30, 50)]
    assert list(results.explanation().ids) == results.positions
    assert results.loc[40].positions == [40]


def test_a_unit_that_was_cut_short_is_named(out: Path) -> None:
    cut(out / _UNIT)
    with pytest.raises(InputError, match=r"000000002\.parquet.* is missing or damaged"):
        ResultSet.open(out).explanation()
    (out / _UNIT).unlink()
    assert len(again(out)) == 50


def test_an_index_that_was_cut_short_is_named(out: Path) -> None:
    cut(out / "index" / "failed.npy")
    with pytest.raises(InputError, match=r"index.*delete this folder and run again"):
        ResultSet.open(out)
    shutil.rmtree(out / "index")
    assert len(again(out)) == 50


def test_a_head_that_is_gone_is_made_again(out: Path) -> None:
    digest = ResultSet.open(out).digest()
    (out / "head.salience").unlink()
    assert again(out).digest() == digest


class Absent(Dataset[Tensor]):
    """Rows of which one cannot be read for a time, as where a disk is away."""

    away: bool

    def __len__(self) -> int:
        return 50

    def __getitem__(self, item: int) -> Tensor:
        if self.away and item == 25:
            raise OSError("the disk is away")
        return scale_models.rows(50)[item]


def test_a_unit_that_was_deleted_may_fail_otherwise(tmp_path: Path) -> None:
    data = Absent()
    data.away = True
    assert list(again(tmp_path / "run", data).failed) == [25]
    data.away = False
    (tmp_path / "run" / _UNIT).unlink()
    results = again(tmp_path / "run", data)
    assert results.failed == {} and len(results) == 50
    assert bool(torch.isfinite(results.explanation().values).all())


def test_a_stripe_spares_what_another_is_writing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, (0, 2))
    folder.units.mkdir()
    new, old = tmp_path / ".weights.pt.new", tmp_path / ".weights.pt.old"
    for path in (new, old):
        path.write_bytes(b"begun")
    os.utime(old, (0, 0))
    folder.clean()
    assert new.exists() and not old.exists()
