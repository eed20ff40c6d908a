"""The files of the web page by name, read once. What is not among them does not exist, whatever a path says."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
INDEX = "index.html"


@dataclass(frozen=True)
class Asset:
    """One file. ``etag`` changes with its content."""

    content: bytes
    media_type: str
    etag: str


@functools.cache
def assets() -> Mapping[str, Asset]:
    """All files that browsers may ask for, by their path below the page's folder."""
    return dict(_below(resources.files(__package__), ""))


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Asset]]:
    for found in folder.iterdir():
        if found.is_dir():
            yield from _below(found, f"{prefix}{found.name}/")
        elif (kind := TYPES.get(found.name.rpartition(".")[2])) is not None:
            content = found.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:32]
            yield prefix + found.name, Asset(content, kind, f'"{digest}"')
