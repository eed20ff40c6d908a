"""What plugins rely on does not change unnoticed: the interface is compared with a copy that was checked in."""

from __future__ import annotations

import importlib
import inspect
import json
import os
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from mistralrs.plugin import API_VERSION, hookspecs
from mistralrs.plugin.kinds import KINDS
from mistralrs.testing import paged, pytest_plugin, tiny
from mistralrs.testing.exams import EXAMS

SNAPSHOT = Path(__file__).with_name("public_api.json")
CHANGES = Path(__file__).parents[2] / "docs" / "plugins" / "api-changes.md"
PACKAGES = ("checkpoint", "layers", "layouts", "modelkit", "ops", "plugin", "weights", "testing.conformance")
FIXTURES = ("plugin_host", "tiny_checkpoint", "tiny_tokenizer")


def public_functions(module: Any) -> dict[str, str]:
    """Signatures of the functions a module defines."""
    found = inspect.getmembers(module, inspect.isfunction)
    return {
        name: str(inspect.signature(function))
        for name, function in found
        if not name.startswith("_") and function.__module__ == module.__name__
    }


def overridable(exam: type) -> list[str]:
    """What a subclass of an exam may give: its settings and its fixtures, not its tests."""
    names = {name for each in exam.__mro__[:-1] for name in vars(each)}
    return sorted(name for name in names if not name.startswith(("_", "test_")))


def interface() -> dict[str, Any]:
    """All of it, as plain data."""
    specs = {kind.spec for kind in KINDS.values() if kind.spec}
    return {
        "api": list(API_VERSION),
        "kinds": {kind.name: kind.group for kind in KINDS.values()},
        "hooks": {name: text for name, text in public_functions(hookspecs).items() if name.startswith("mistralrs_")},
        "records": {
            spec.__name__: {
                item.name: f"{item.type}{'' if item.default is MISSING else f' = {item.default!r}'}"
                for item in fields(spec)
            }
            for spec in sorted(specs, key=lambda spec: spec.__name__)
        },
        "names": {name: sorted(importlib.import_module(f"mistralrs.{name}").__all__) for name in PACKAGES},
        "exams": {kind: overridable(exam) for kind, exam in sorted(EXAMS.items())},
        "kit": {"tiny": public_functions(tiny), "paged": public_functions(paged)},
        "fixtures": [name for name in FIXTURES if hasattr(pytest_plugin, name)],
    }


def test_the_interface_is_the_one_that_was_checked_in() -> None:
    current = json.loads(json.dumps(interface()))
    if os.environ.get("MISTRALRS_UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(current, indent=1) + "\n", encoding="utf-8")
    stated = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    changed = [part for part in current if current[part] != stated.get(part)]
    assert not changed, f"the plugin interface changed ({', '.join(changed)}); see docs/plugins/api-changes.md"
    assert current == stated


def test_every_exam_belongs_to_a_kind() -> None:
    assert EXAMS.keys() == KINDS.keys()


def test_changes_are_described() -> None:
    text = CHANGES.read_text(encoding="utf-8")
    assert f"\n## {'.'.join(map(str, API_VERSION))}\n" in text
    described = interface()
    for name in (*described["hooks"], *described["records"]):
        assert f"`{name}`" in text, name
