"""Files that are written: complete or absent, in the place asked for; damage is found."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import Explanation, InputError
from salience.support.files import write_whole

LABELLED = [{"words": ("a", "b")}, {"marks": {1, 2}}, {1: "one", "$x": 2}, {"raw": b"ab"}]


@pytest.fixture
def mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def explained(**options: Any) -> Explanation:
    torch.manual_seed(0)
    data = torch.randn(4, 3)
    return salience.explain(
        nn.Linear(3, 2), data, salience.Tensors(), samplers=["gaussian"], n_samples=3, **options
    )


def write(path: Path, content: bytes = b"new") -> None:
    write_whole(path, lambda stream: stream.write(content))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- Damage ---------------------------------------------------------------------------------------


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.salience"
    explained(ids=list("abcd")).save(path)
    sound = path.read_bytes()
    chosen = random.Random(0)
    # The length of the header and its beginning, and bits from anywhere.
    bits = [*range(64 + 400), *(chosen.randrange(8 * len(sound)) for _ in range(400))]
    bits += [8 * sound.index(b"sha256") + n for n in range(8 * 80)]
    for bit in bits:
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(InputError) as caught:
            Explanation.load(path)
        assert len(str(caught.value)) <= 300
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1, -9])
def test_a_file_that_is_cut_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.salience"
    explained().save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError):
        Explanation.load(path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputError):
        Explanation.load(path)


# --- What a file holds ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "note",
    [
        *LABELLED,
        {"at": Path("a/b"), "bits": frozenset((1, (2, 3)))},
        {"none": None, "far": float("inf"), "long": 2**70, "deep": [({"a": (1,)},)]},
    ],
    ids=["tuple", "set", "keys", "bytes", "path", "numbers"],
)
def test_annotations_come_back_as_they_were(tmp_path: Path, note: dict[Any, Any]) -> None:
    found = replace(explained(), annotations=[note] * 4)
    found.save(tmp_path / "a.salience")
    loaded = Explanation.load(tmp_path / "a.salience").annotations
    assert list(loaded) == [note] * 4
    assert [type(v) for v in loaded[0].values()] == [type(v) for v in note.values()]


def test_arrays_and_tensors_of_annotations_keep_their_type(tmp_path: Path) -> None:
    note = {"array": np.eye(2, dtype=np.int16), "tensor": torch.eye(2).half()}
    replace(explained(), annotations=[note] * 4).save(tmp_path / "a.salience")
    loaded = Explanation.load(tmp_path / "a.salience").annotations[3]
    assert isinstance(loaded["array"], np.ndarray)
    assert loaded["array"].dtype == np.int16
    assert torch.equal(loaded["tensor"], note["tensor"])
    assert loaded["tensor"].dtype == torch.float16


@pytest.mark.parametrize(
    "held",
    [object(), print, 1j, np.array(["a"], object), torch.eye(2) * 1j, range(3)],
    ids=["object", "function", "complex", "array", "tensor", "range"],
)
def test_what_a_file_cannot_hold_is_refused_not_named(tmp_path: Path, held: Any) -> None:
    found = replace(explained(), annotations=[{"held": held}] * 4)
    with pytest.raises(InputError, match="annotation of item 0 holds"):
        found.save(tmp_path / "a.salience")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "ids", [list("abcd"), [2**63 - 1, -(2**63), 0, "0"]], ids=["words", "numbers"]
)
def test_ids_come_back(tmp_path: Path, ids: list[Any]) -> None:
    found = explained(ids=ids)
    found.save(tmp_path / "a.salience")
    loaded = Explanation.load(tmp_path / "a.salience")
    assert list(loaded.ids) == ids
    assert list(loaded.provenance["ids"]) == ids


# --- Where it is written --------------------------------------------------------------------------


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o664, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(
    tmp_path: Path, mask: None, permissions: int
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(permissions)
    write(path)
    assert (path.read_bytes(), mode(path)) == (b"new", permissions)


@pytest.mark.parametrize("hidden", [0o022, 0o077, 0])
def test_a_new_file_has_the_permissions_of_the_mask(
    tmp_path: Path, mask: None, hidden: int
) -> None:
    os.umask(hidden)
    write(tmp_path / "a")
    assert mode(tmp_path / "a") == 0o666 & ~hidden


@pytest.mark.parametrize("there", [True, False])
def test_a_link_leads_to_the_file_that_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "target", tmp_path / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to("deep/target")
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "link"]
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to folder").symlink_to("folder")
    for name in ("pipe", "folder", "loop", "to folder"):
        with pytest.raises(InputError):
            write(tmp_path / name)
    with pytest.raises(InputError, match="no regular file"):
        write(Path("/dev/null"))
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert Path("/dev/null").is_char_device()
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "a" / "b")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(stream: Any) -> None:
        stream.write(b"half")
        raise error

    with pytest.raises(error):
        write_whole(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert path.read_bytes() == b"old"


def test_bytes_and_name_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write(tmp_path / "a")
    assert synced == [False, True]


# --- Records --------------------------------------------------------------------------------------


def test_a_record_tells_of_files_before_they_are_opened(tmp_path: Path) -> None:
    net, rows = nn.Linear(3, 2), torch.randn(4, 3)
    paths = [tmp_path / f"{name}.pt" for name in "ab"]
    for path in paths:
        torch.save(nn.Linear(3, 2).state_dict(), path)
    sampler = salience.Ensemble([str(path) for path in paths])
    found = salience.explain(net, rows, salience.Tensors(), samplers=[sampler], n_samples=2)
    with pytest.warns(salience.Notice, match=r"names files, which are opened now: .*a\.pt"):
        salience.rerun(net, rows, found.provenance)
    paths[0].write_bytes(b"no weights")
    with pytest.warns(salience.Notice, match="names files"), pytest.raises(InputError):
        salience.rerun(net, rows, found.provenance)
