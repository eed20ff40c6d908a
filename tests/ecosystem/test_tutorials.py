"""The tutorials, run from the first line to the last."""

from __future__ import annotations

from pathlib import Path

import pytest
from ecosystem import REPOSITORY, Environment
from literate import blocks, run_page

PAGES = sorted((REPOSITORY / "docs" / "plugins").glob("tutorial-*.md"))
FIRST = "tutorial-architecture.md"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_runs(page: Path, environment: Environment, tmp_path: Path) -> None:
    # No index is asked: the build backend and the dependencies are those that are installed.
    run_page(page, environment, tmp_path, PIP_NO_INDEX="1", PIP_NO_BUILD_ISOLATION="0")


def test_the_first_one_is_short() -> None:
    """A new architecture takes under ten commands and under forty lines of one's own."""
    page = next(page for page in PAGES if page.name == FIRST)
    commands = [line for block in blocks(page) if block.info == "sh" for line in block.content.splitlines() if line]
    own = [line for block in blocks(page) if "file=" in block.info for line in block.content.splitlines()]
    assert len(commands) < 10
    assert len(own) < 40
