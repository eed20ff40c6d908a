"""The pages say all there is: every hook, every kind, every command, every exam."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mistralrs.cli.plugins import app
from mistralrs.config.from_config import Configuration
from mistralrs.plugin.hookspecs import DECIDERS, EVENTS
from mistralrs.plugin.kinds import KINDS
from mistralrs.testing.exams import EXAMS
from mistralrs_plugins.frontends.from_config.toml_file import EXPANDED, tables

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "plugins"


def text(page: str) -> str:
    return (PAGES / page).read_text(encoding="utf-8")


def test_every_hook_is_listed() -> None:
    registrations = {kind.hook for kind in KINDS.values() if kind.hook}
    listed = set(re.findall(r"^\| `(mistralrs_\w+)` \|", text("hooks.md"), re.MULTILINE))
    assert listed == registrations | set(DECIDERS) | EVENTS


def test_every_kind_is_listed() -> None:
    for kind in KINDS.values():
        assert f"| `{kind.name}` | `{kind.group}` |" in text("overview.md")


def test_every_command_is_listed() -> None:
    names = {command.name for command in app.registered_commands} | set(app.info.cls.later)  # type: ignore[union-attr]
    for name in names:
        assert f"`plugins {name}" in text("overview.md"), name


def test_every_exam_is_described() -> None:
    for exam in EXAMS.values():
        assert f"| `{exam.__name__}` |" in text("test-kit.md")


def test_every_table_of_a_configuration_is_shown() -> None:
    page = (ROOT / "docs" / "guides" / "from-config.md").read_text(encoding="utf-8")
    for name, inner in tables(Configuration).items():
        assert f"[{name}" in page if inner else name in page, name
    for key in EXPANDED:
        assert f"`{key}`" in page or f"{key} =" in page, key


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_reference_is_built(tmp_path: Path) -> None:
    import runpy

    build = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["main"]
    build(tmp_path)
    hooks = (tmp_path / "hooks.md").read_text(encoding="utf-8")
    assert all(f"## {name}" in hooks for name in (*DECIDERS, *EVENTS))
    assert {path.name for path in tmp_path.iterdir()} >= {"records.md", "models.md", "from-config.schema.json"}
