"""Runs a page of documentation from its first line to its last.

Fenced blocks count by their info string: ``sh`` is run with bash in the folder the last block left, ``LANGUAGE
file=PATH`` is written to that file, ``text`` holds lines that the last ``sh`` block must have printed. Everything else
is prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecosystem import Environment

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\w+ file=(\S+)")


@dataclass(frozen=True)
class Block:
    """One fenced block; ``info`` is what stands behind the fence."""

    info: str
    content: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        yield Block(match[1].strip(), match[2])


def run_page(page: Path, environment: Environment, folder: Path, **variables: str) -> None:
    """Run a page, starting in ``folder``."""
    printed = ""
    path = f"{environment.root / 'bin'}:/usr/bin:/bin"
    for block in blocks(page):
        if block.info == "sh":
            script = f"set -euo pipefail\ncd {folder}\n{block.content}\npwd\n"
            printed = environment.run("bash", "-c", script, PATH=path, **variables)
            folder = Path(printed.splitlines()[-1])
        elif match := FILE.fullmatch(block.info):
            file = folder / match[1]
            assert file.parent.is_dir(), f"{page.name} writes {match[1]} into a folder that is not there"
            file.write_text(block.content, encoding="utf-8")
        elif block.info == "text":
            for line in block.content.splitlines():
                words = " ".join(line.split())
                assert words in " ".join(printed.split()), f"{page.name} promises {words!r}:\n{printed}"
