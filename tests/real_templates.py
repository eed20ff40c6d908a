"""Chat templates as models are published with them: llama.cpp collects them, a source package carries them along."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import urllib.request
from pathlib import Path

ADDRESS = (
    "https://files.pythonhosted.org/packages/ec/e9/e7de2b0463ea3ffbf0ede6cb21b58c1258a8f6521aae45ca773a59fe7cf3/"
    "llama_cpp_python-0.3.36.tar.gz"
)
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
INSIDE = "/vendor/llama.cpp/models/templates/"


def template_files() -> list[Path]:
    """Every template, kept between runs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mistralrs-tests"
    folder = cache / f"templates-{SHA256[:12]}"
    if not folder.exists():
        part = folder.with_suffix(f".{os.getpid()}.part")
        part.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(_download()), mode="r:gz") as files:
            for member in files:
                if INSIDE in member.name and member.name.endswith(".jinja"):
                    content = files.extractfile(member)
                    assert content is not None
                    (part / Path(member.name).name).write_bytes(content.read())
        part.rename(folder)
    return sorted(folder.iterdir())


def _download() -> bytes:
    with urllib.request.urlopen(ADDRESS, timeout=100) as answer:
        archive: bytes = answer.read()
    if hashlib.sha256(archive).hexdigest() != SHA256:
        raise ValueError(f"{ADDRESS} is not the archive that it was")
    return archive
