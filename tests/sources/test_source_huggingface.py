"""The Hugging Face source against a small hub on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakehub import COMMIT, FakeHub, serving

from mistralrs.checkpoint import FetchRequest, ModelFiles
from mistralrs.errors import MistralrsError, SourceError, UsageError
from mistralrs_plugins.sources.huggingface.source import HubSource

REPO = "org/tiny"
WEIGHTS = bytes(range(256)) * 40
CONFIG = b'{"a": 1}'

Fetch = Callable[..., ModelFiles]


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    def run(reference: str = REPO, **changes: object) -> ModelFiles:
        request = {
            "suffixes": (".safetensors", ".gguf"),
            "companions": ("config.json", "tokenizer*.json"),
            "token_source": "none",
            "cache_dir": tmp_path / "cache",
        }
        return HubSource().fetch(FetchRequest(reference=reference, **(request | changes)))  # type: ignore[arg-type]

    return run


@pytest.fixture
def tiny(hub: FakeHub) -> FakeHub:
    hub.repos[REPO] = {
        "config.json": CONFIG,
        "model.safetensors": WEIGHTS,
        "pytorch_model.bin": b"pickle" * 50,
        "README.md": b"# tiny",
    }
    return hub


def test_only_the_needed_files_are_fetched(tiny: FakeHub, fetch: Fetch) -> None:
    files = fetch()
    assert files.id == REPO
    assert [path.name for path in files.weights] == ["model.safetensors"]
    assert files.weights[0].read_bytes() == WEIGHTS
    assert files.companions["config.json"].read_bytes() == CONFIG
    assert not [path for path in tiny.paths("GET") if path.endswith((".bin", "README.md"))]


def test_a_second_fetch_downloads_nothing(tiny: FakeHub, fetch: Fetch) -> None:
    fetch()
    tiny.requests.clear()
    fetch()
    assert tiny.paths("GET") == [f"/api/models/{REPO}/revision/main"]
    assert tiny.paths("HEAD") == []


def test_everything_is_of_the_pinned_commit_and_the_revision_is_recorded(
    tiny: FakeHub, fetch: Fetch, tmp_path: Path
) -> None:
    tiny.commits["v2"] = "f" * 40
    files = fetch(revision="v2")
    assert files.root.name == "f" * 40
    assert (tmp_path / "cache/models--org--tiny/refs/v2").read_text() == "f" * 40
    resolved = [path for path in tiny.paths("GET") + tiny.paths("HEAD") if "/resolve/" in path]
    assert resolved
    assert all(f"/resolve/{'f' * 40}/" in path for path in resolved)


def test_progress_counts_all_bytes_once(tiny: FakeHub, fetch: Fetch) -> None:
    seen: list[tuple[int, int | None]] = []
    fetch(progress=lambda label, done, total, unit="bytes": seen.append((done, total)))
    assert seen[-1] == (len(WEIGHTS) + len(CONFIG),) * 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_dropped_connection_is_taken_up_again(tiny: FakeHub, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500)
    tiny.cut["model.safetensors"] = [1000]
    assert fetch().weights[0].read_bytes() == WEIGHTS
    ranges = [headers.get("Range") for headers in tiny.headers("GET", "model.safetensors")]
    assert ranges == [None, "bytes=1000-"]


def test_where_xet_does_not_work_plain_http_does(tiny: FakeHub, fetch: Fetch) -> None:
    tiny.extra = {"X-Xet-Hash": "a" * 64, "X-Xet-Refresh-Route": f"{tiny.endpoint}/nowhere"}
    seen: list[int] = []
    files = fetch(progress=lambda label, done, total, unit="bytes": seen.append(done))
    assert files.weights[0].read_bytes() == WEIGHTS
    assert "/nowhere" in tiny.paths("GET")
    assert seen[-1] == len(WEIGHTS) + len(CONFIG)


def test_a_download_of_an_earlier_run_is_taken_up_again(tiny: FakeHub, fetch: Fetch, tmp_path: Path) -> None:
    blobs = tmp_path / "cache/models--org--tiny/blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hashlib.sha256(WEIGHTS).hexdigest()}.incomplete").write_bytes(WEIGHTS[:4321])
    assert fetch().weights[0].read_bytes() == WEIGHTS
    assert [headers.get("Range") for headers in tiny.headers("GET", "model.safetensors")] == ["bytes=4321-"]
    assert not list(blobs.glob("*.incomplete"))


def test_a_killed_download_goes_on_where_it_stopped(tiny: FakeHub, fetch: Fetch, tmp_path: Path) -> None:
    big = os.urandom(1 << 20) * 24  # more than one of the hub's 10 MB pieces
    tiny.repos[REPO]["model.safetensors"] = big
    tiny.cut["model.safetensors"] = [12 << 20]
    script = (
        "import os; from pathlib import Path\n"
        "from mistralrs.checkpoint import FetchRequest\n"
        "from mistralrs_plugins.sources.huggingface.source import HubSource\n"
        "def die(label, done, total, unit='bytes'):\n"
        "    if done > 10 << 20: os._exit(9)\n"
        f"HubSource().fetch(FetchRequest(reference={REPO!r}, suffixes=('.safetensors',), token_source='none',\n"
        f"    cache_dir=Path({str(tmp_path / 'cache')!r}), progress=die))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 9
    tiny.requests.clear()
    assert fetch().weights[0].read_bytes() == big
    (resumed,) = tiny.headers("GET", "model.safetensors")
    assert int(resumed["Range"].removeprefix("bytes=").removesuffix("-")) >= 10 << 20


def test_altered_content_is_refused_and_removed(tiny: FakeHub, fetch: Fetch, tmp_path: Path) -> None:
    tiny.corrupt.add("model.safetensors")
    with pytest.raises(SourceError, match=r"model.safetensors of org/tiny does not match its sha256"):
        fetch()
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size > 5000]
    tiny.corrupt.clear()
    assert fetch().weights[0].read_bytes() == WEIGHTS


def test_a_truncated_file_in_the_cache_is_fetched_anew(tiny: FakeHub, fetch: Fetch) -> None:
    blob = fetch().weights[0].resolve()
    blob.write_bytes(WEIGHTS[:10])
    assert fetch().weights[0].read_bytes() == WEIGHTS


def test_a_pinned_digest_is_checked_before_anything_large_is_fetched(tiny: FakeHub, fetch: Fetch) -> None:
    with pytest.raises(SourceError, match="does not match the sha256 in registry"):
        fetch(sha256="0" * 64)
    assert not tiny.headers("GET", "model.safetensors")
    assert fetch(sha256=hashlib.sha256(WEIGHTS).hexdigest().upper()).weights


@pytest.mark.parametrize(
    ("reference", "changes", "message", "hint"),
    [
        ("org/none", {}, "no model 'org/none' on 127.0.0.1", "--token-source"),
        (REPO, {"revision": "nope"}, "org/tiny has no revision 'nope'", "branch"),
        (REPO, {"weights": ("modl.safetensors",)}, "org/tiny has no file 'modl.safetensors'", "model.safetensors"),
        ("org/gated", {}, "org/gated is gated", "ask for access at http://127.0.0.1"),
        ("org/secret", {}, "does not allow access to org/secret", "--token-source"),
        ("org/token", {}, "refuses the token for org/token", "--token-source"),
        ("org/busy", {}, "failed with status 503 for org/busy", "HF_HUB_OFFLINE"),
        ("org/often", {}, "limits how often", "--token-source"),
        ("a/b/c", {}, "neither a file here nor a repository", "org/name"),
        ("../etc", {}, "neither a file here nor a repository", "org/name"),
        (REPO, {"revision": "../../x"}, "not a revision", "branch"),
        (REPO, {"revision": "a\nb"}, "not a revision", "branch"),
    ],
)
def test_each_failure_has_its_line(
    tiny: FakeHub, fetch: Fetch, reference: str, changes: dict[str, object], message: str, hint: str
) -> None:
    tiny.errors |= {
        "org/gated": (403, "GatedRepo"),
        "org/secret": (403, ""),
        "org/token": (401, ""),
        "org/busy": (503, ""),
        "org/often": (429, ""),
    }
    with pytest.raises(SourceError) as caught:
        fetch(reference, **changes)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_gated_without_a_token_is_gated_too(tiny: FakeHub, fetch: Fetch) -> None:
    tiny.errors["org/gated"] = (401, "GatedRepo")
    with pytest.raises(SourceError, match="org/gated is gated"):
        fetch("org/gated")


def test_a_file_that_vanishes_is_named(tiny: FakeHub, fetch: Fetch) -> None:
    tiny.repos[REPO]["tokenizer.json"] = b"{}"
    listed = dict(tiny.repos[REPO])
    gone = {name: content for name, content in listed.items() if name != "tokenizer.json"}

    class Vanishing(dict[str, dict[str, bytes]]):
        def __getitem__(self, key: str) -> dict[str, bytes]:
            return listed if len(tiny.requests) == 1 else gone

    tiny.repos = Vanishing(tiny.repos)
    with pytest.raises(SourceError, match=r"org/tiny has no file 'tokenizer\.json'"):
        fetch()


def test_gguf_repositories_need_a_file_name(tiny: FakeHub, fetch: Fetch) -> None:
    tiny.repos["org/gguf"] = {"a.Q4_0.gguf": WEIGHTS, "a.Q8_0.gguf": WEIGHTS + b"x", "config.json": CONFIG}
    with pytest.raises(SourceError, match=r"several models: a\.Q4_0\.gguf, a\.Q8_0\.gguf") as caught:
        fetch("org/gguf")
    assert "-f" in caught.value.hint
    files = fetch("org/gguf", weights=("a.Q8_0.gguf",))
    assert [path.name for path in files.weights] == ["a.Q8_0.gguf"]
    assert not tiny.headers("GET", "a.Q4_0.gguf")


def test_pickles_are_never_fetched(tiny: FakeHub, fetch: Fetch) -> None:
    tiny.repos["org/old"] = {"config.json": CONFIG, "pytorch_model.bin": WEIGHTS}
    for changes in ({}, {"weights": ("pytorch_model.bin",)}, {"companions": ("*",)}):
        with pytest.raises(SourceError, match="pickle"):
            fetch("org/old", **changes)
    assert not tiny.headers("GET", ".bin")


def test_shards_come_from_the_index(tiny: FakeHub, fetch: Fetch) -> None:
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    tiny.repos["org/shards"] = {
        "one.safetensors": WEIGHTS,
        "two.safetensors": WEIGHTS[::-1],
        "three.safetensors": WEIGHTS * 2,
        "model.safetensors.index.json": json.dumps(index).encode(),
    }
    files = fetch("org/shards")
    assert [path.name for path in files.weights] == ["one.safetensors", "two.safetensors"]
    assert "model.safetensors.index.json" in files.companions
    assert not tiny.headers("GET", "three.safetensors")


@pytest.mark.parametrize("shard", ["../../escape.safetensors", "/etc/passwd", "", "a\x00b", "missing.safetensors", 5])
def test_a_hostile_index_is_refused(tiny: FakeHub, fetch: Fetch, shard: object) -> None:
    index = json.dumps({"weight_map": {"a": shard}}).encode()
    tiny.repos["org/evil"] = {"x.safetensors": WEIGHTS, "model.safetensors.index.json": index}
    with pytest.raises(MistralrsError):
        fetch("org/evil")


@pytest.mark.parametrize(
    "name",
    ["../config.json", "/etc/config.json", "a/../../config.json", "config\n.json", "config\0.json", "c" * 4096, "a\\b"],
)
def test_hostile_file_names_are_refused(tiny: FakeHub, fetch: Fetch, tmp_path: Path, name: str) -> None:
    tiny.repos["org/evil"] = {name: CONFIG, "model.safetensors": WEIGHTS}
    with pytest.raises(SourceError, match="org/evil has a file with an unsafe name") as caught:
        fetch("org/evil")
    assert len(str(caught.value)) < 300
    assert not (tmp_path / "config.json").exists()


def test_a_hostile_commit_is_refused(tiny: FakeHub, fetch: Fetch) -> None:
    tiny.commits["main"] = "../../../../tmp/x"
    with pytest.raises(SourceError, match="does not answer as a Hugging Face hub"):
        fetch()


def test_offline_uses_the_cache_and_never_the_network(tiny: FakeHub, fetch: Fetch) -> None:
    fetch()
    tiny.requests.clear()
    assert fetch(offline=True).weights[0].read_bytes() == WEIGHTS
    assert tiny.requests == []


@pytest.mark.parametrize(
    ("fetched", "changes", "message"),
    [
        (False, {}, "org/tiny at revision 'main' is not in the cache"),
        (True, {"revision": "v9"}, "org/tiny at revision 'v9' is not in the cache"),
        (True, {"weights": ("other.gguf",)}, "the cached copy of org/tiny has no file 'other.gguf'"),
        (True, {"suffixes": (".gguf",)}, "the cached copy of org/tiny has no weights"),
    ],
)
def test_offline_names_what_is_missing(
    tiny: FakeHub, fetch: Fetch, fetched: bool, changes: dict[str, object], message: str
) -> None:
    if fetched:
        fetch()
    tiny.requests.clear()
    with pytest.raises(SourceError, match=message):
        fetch(offline=True, **changes)
    assert tiny.requests == []


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a port that is taken, at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_without_a_network_the_error_says_so(monkeypatch: pytest.MonkeyPatch, fetch: Fetch, nobody: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        fetch()
    assert "HF_HUB_OFFLINE=1" in caught.value.hint


def test_without_a_network_the_cached_copy_serves(
    tiny: FakeHub, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, nobody: str
) -> None:
    fetch()
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    assert fetch().weights[0].read_bytes() == WEIGHTS
    assert "using the copy in the cache" in caplog.text


def test_something_that_is_no_hub_is_said_to_be_none(
    tiny: FakeHub, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("json.dumps", lambda value: "<html>please log in</html>")
    with pytest.raises(SourceError, match="does not answer as a Hugging Face hub"):
        fetch()


def test_the_token_stays_with_the_hub(tiny: FakeHub, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hf_secret")
    with serving() as store:
        store.repos = tiny.repos
        tiny.elsewhere = store.endpoint.replace("127.0.0.1", "localhost")
        files = fetch(token_source="env:MY_TOKEN")
        assert files.weights[0].read_bytes() == WEIGHTS
        assert store.requests
        assert not [1 for _, _, headers in store.requests if "authorization" in {name.lower() for name in headers}]
    assert tiny.headers("GET", "revision/main")[0]["authorization"] == "Bearer hf_secret"


@pytest.mark.parametrize(
    "source", ["env:NOT_SET_ANYWHERE", "path:/no/such/file", "literal:", "literal:a b", "literal:a\nb", "what", "env"]
)
def test_a_useless_token_source_is_refused_without_showing_it(tiny: FakeHub, fetch: Fetch, source: str) -> None:
    with pytest.raises(UsageError) as caught:
        fetch(token_source=source)
    assert "a b" not in str(caught.value)


def test_tokens_are_found(tiny: FakeHub, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_file\n")
    fetch(token_source=f"path:{tmp_path / 'token'}")
    fetch(token_source="literal:hf_typed")
    sent = [headers["authorization"] for headers in tiny.headers("GET", "revision/main")]
    assert sent == ["Bearer hf_file", "Bearer hf_typed"]


def test_a_full_disk_is_noticed_before_the_download(
    tiny: FakeHub, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: os.statvfs_result and type("U", (), {"free": 10})())
    with pytest.raises(SourceError, match="GB free"):
        fetch()
    assert not tiny.headers("GET", "model.safetensors")


def test_cached_models_are_listed_and_deleted(tiny: FakeHub, fetch: Fetch, tmp_path: Path) -> None:
    fetch()
    source = HubSource()
    (model,) = source.cached(tmp_path / "cache")
    assert (model.reference, model.source) == (REPO, "huggingface")
    assert model.size >= len(WEIGHTS) + len(CONFIG)
    assert model.last_used is not None
    assert source.delete(model) == model.size
    assert list(source.cached(tmp_path / "cache")) == []
    with pytest.raises(SourceError, match="not in the cache any more"):
        source.delete(model)


def test_companions_alone_can_be_fetched(tiny: FakeHub, fetch: Fetch) -> None:
    files = fetch(suffixes=())
    assert files.weights == ()
    assert set(files.companions) == {"config.json"}


def test_commits_are_what_the_hub_says(tiny: FakeHub, fetch: Fetch) -> None:
    assert fetch().root.name == COMMIT
