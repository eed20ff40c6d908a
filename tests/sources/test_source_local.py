"""The local source: folders and files where the user put them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mistralrs.checkpoint import FetchRequest, ModelFiles
from mistralrs.errors import MistralrsError, SourceError, UsageError
from mistralrs_plugins.sources.local.source import LocalSource

Fetch = Callable[..., ModelFiles]


def fetch(path: Path | str, **changes: object) -> ModelFiles:
    request = {"suffixes": (".safetensors", ".gguf"), "companions": ("config.json", "tokenizer*.json")}
    return LocalSource().fetch(FetchRequest(reference=str(path), **(request | changes)))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "my model"
    root.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "README.md"):
        (root / name).write_text(name)
    return root


def test_a_folder(folder: Path) -> None:
    files = fetch(folder)
    assert (files.id, files.source, files.root) == ("my model", "local", folder)
    assert files.weights == (folder / "model.safetensors",)
    assert set(files.companions) == {"config.json", "tokenizer.json", "tokenizer_config.json"}


def test_a_file_with_what_is_beside_it(folder: Path) -> None:
    (folder / "q4.gguf").write_text("x")
    files = fetch(folder / "q4.gguf")
    assert files.id == "q4.gguf"
    assert files.weights == (folder / "q4.gguf",)
    assert "tokenizer.json" in files.companions


def test_one_part_stands_for_all(tmp_path: Path) -> None:
    names = [f"big-{number:05d}-of-00003.gguf" for number in (1, 2, 3)]
    for name in names:
        (tmp_path / name).write_text("x")
    for reference in (tmp_path, tmp_path / names[2]):
        assert [path.name for path in fetch(reference).weights] == names


def test_files_named_with_f(folder: Path) -> None:
    (folder / "q").mkdir()
    for name in ("a.gguf", "b.gguf", "q/c.gguf"):
        (folder / name).write_text("x")
    assert fetch(folder, weights=("b.gguf",)).weights == (folder / "b.gguf",)
    assert fetch(folder, weights=("q/c.gguf",)).weights == (folder / "q/c.gguf",)


def test_links_of_the_hubs_cache_are_followed(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "abc").write_text("x")
    snapshot = tmp_path / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
    assert fetch(snapshot).weights[0].read_text() == "x"


def test_the_current_folder_has_a_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert fetch(".").id == "my model"


@pytest.mark.parametrize(
    ("reference", "changes", "message", "hint"),
    [
        ("my modle", {}, "no such file or folder", "my model"),
        ("nowhere/at/all", {}, "no such file or folder", ""),
        ("x" * 5000, {}, "cannot read the path", ""),
        ("a\0b", {}, "no such file or folder", ""),
        ("my model", {"weights": ("x.gguf",)}, "has no file 'x.gguf'", "model.safetensors"),
        ("my model", {"weights": ("../secret.gguf",)}, "has no file '../secret.gguf'", ""),
        ("my model", {"weights": ("/etc/passwd",)}, "has no file '/etc/passwd'", ""),
        ("my model", {"suffixes": (".gguf",)}, "has no weights (.gguf)", "README.md"),
        ("empty", {}, "has no weights (.safetensors or .gguf)", "it is empty"),
        ("pickles", {}, "pickle files (pytorch_model.bin)", ".safetensors"),
        ("pickles/pytorch_model.bin", {}, "pickle", ".safetensors"),
        ("two", {}, "several models: a.gguf, b.gguf", "-f"),
        ("deep", {}, "in subfolders only: q/a.gguf", "-f"),
    ],
)
def test_each_failure_has_its_line(
    folder: Path, reference: str, changes: dict[str, object], message: str, hint: str
) -> None:
    for name in ("empty", "pickles", "two", "deep/q"):
        (folder.parent / name).mkdir(parents=True)
    for name in ("pickles/pytorch_model.bin", "two/a.gguf", "two/b.gguf", "deep/q/a.gguf", "secret.gguf"):
        (folder.parent / name).write_text("x")
    os.chdir(folder.parent)
    with pytest.raises(SourceError) as caught:
        fetch(reference, **changes)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert str(caught.value).isprintable()


@pytest.fixture(autouse=True)
def _stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(".")  # so that whatever folder a test goes to is left again


def test_a_hostile_index_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "x.safetensors")
    (folder.parent / "y.safetensors").write_text("outside")
    for shard in ("../y.safetensors", str(folder.parent / "y.safetensors"), "gone.safetensors"):
        (folder / "model.safetensors.index.json").write_text(f'{{"weight_map": {{"a": "{shard}"}}}}')
        with pytest.raises(MistralrsError):
            fetch(folder)


def test_a_pinned_digest_is_checked(folder: Path) -> None:
    good = hashlib.sha256(b"model.safetensors").hexdigest()
    assert fetch(folder, sha256=good)
    with pytest.raises(SourceError, match="does not match its sha256"):
        fetch(folder, sha256="0" * 64)


def test_a_revision_means_nothing_here(folder: Path) -> None:
    with pytest.raises(UsageError, match="--revision"):
        fetch(folder, revision="main")


def test_nothing_is_cached_or_deleted() -> None:
    assert list(LocalSource().cached()) == []
