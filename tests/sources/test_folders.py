"""Folders that change while they are read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mistralrs.checkpoint import files_below, oldest_first


def test_files_are_found_at_every_depth_with_their_status(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "a/b/three").write_bytes(b"123")
    (tmp_path / "a/link").symlink_to(tmp_path / "one")
    (tmp_path / "a/dangling").symlink_to(tmp_path / "none")
    os.mkfifo(tmp_path / "a/pipe")
    sizes = {path.relative_to(tmp_path).as_posix(): status.st_size for path, status in files_below(tmp_path)}
    assert sizes == {"one": 1, "a/b/three": 3, "a/link": 1}


def test_what_is_removed_meanwhile_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(b"")
    for name in ("a", "b"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep/file").write_bytes(b"")
    found = files_below(tmp_path)
    assert next(found)[0].name == "first"
    shutil.rmtree(tmp_path / "a")
    assert [path.relative_to(tmp_path).as_posix() for path, _ in found] == ["b/deep/file"]
    assert list(files_below(tmp_path / "a")) == []


def test_the_oldest_file_comes_first_and_those_that_are_gone_not_at_all(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("new", "gone", "old")]
    for path, seconds in ((paths[0], 20), (paths[2], 10)):
        path.write_bytes(b"")
        os.utime(path, (seconds, seconds))
    assert oldest_first(paths) == [paths[2], paths[0]]
