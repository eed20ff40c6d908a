"""Under which licence a model comes: what its file, its model card or a licence file beside it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from mistralrs.checkpoint import ModelFiles

CARD = "README.md"
TEXTS = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
MAX_CARD_BYTES = 1 << 20
MAX_CHARS = 200
GGUF_KEYS = {"name": "general.license", "title": "general.license.name", "link": "general.license.link"}
CARD_KEYS = {"name": "license", "title": "license_name", "link": "license_link"}

# A model card begins with YAML between lines of three dashes: huggingface.co/docs/hub/model-cards
FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)


def find_licence(files: ModelFiles, metadata: Mapping[str, Any]) -> dict[str, str] | None:
    """``name`` and, as far as they are stated, ``title`` and ``link``; ``source`` says who states it. None: nobody."""
    if found := _texts(metadata, GGUF_KEYS):
        return {**found, "source": files.weights[0].name}
    card = files.companions.get(CARD, files.root / CARD)
    if found := _texts(_front_matter(card), CARD_KEYS):
        return {**found, "source": CARD}
    for name in TEXTS:
        if title := _first_line(files.root / name):
            return {"name": title, "source": name}
    return None


def _texts(stated: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, key in keys.items():
        value = stated.get(key)
        parts = value if isinstance(value, list) else [value]
        if text := ", ".join(part for part in islice(parts, 8) if isinstance(part, str)):
            texts[name] = text[:MAX_CHARS]
    return texts if "name" in texts else {}


def _front_matter(card: Path) -> Mapping[str, Any]:
    match = FRONT_MATTER.match(_text(card))
    if match is None:
        return {}
    try:
        found = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _first_line(path: Path) -> str:
    lines = (line.strip(" #\t") for line in _text(path).splitlines())
    return next((line[:MAX_CHARS] for line in lines if line), "")


def _text(path: Path) -> str:
    """The beginning of a file; empty when there is none."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_CARD_BYTES).decode(errors="replace")
    except OSError:
        return ""
