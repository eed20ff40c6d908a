"""Builds the pages that come from the code: ``python scripts/reference.py docs/reference``. They are not committed."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Final

from mistralrs.config.from_config import Configuration
from mistralrs.plugin import hookspecs
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS


def hooks() -> Iterator[str]:
    """Every hook with its arguments and its docstring."""
    yield "# Hooks\n"
    yield f"{inspect.getdoc(hookspecs)}\n"
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith(hookspecs.PREFIX):
            yield f"## {name}\n"
            signature = str(inspect.signature(function)).replace("'", "")  # annotations are text until they are needed
            yield f"```python\n{name}{signature}\n```\n"
            yield f"{inspect.getdoc(function)}\n"


def records() -> Iterator[str]:
    """Every kind with its group and the fields of its record."""
    yield "# Records\n"
    for kind in KINDS.values():
        if kind.spec is None:
            continue
        yield f"## {kind.spec.__name__}\n"
        yield f"Kind `{kind.name}`, group `{kind.group}`.\n"
        yield f"{inspect.getdoc(kind.spec)}\n"
        yield "| field | type | default |\n| --- | --- | --- |"
        for item in fields(kind.spec):
            default = "" if item.default is MISSING else f"`{item.default!r}`"
            kind_of = str(item.type).replace("|", "\\|")
            yield f"| `{item.name}` | `{kind_of}` | {default} |"
        yield ""


def models() -> Iterator[str]:
    """The installed architectures and what they serve."""
    yield "# Supported models\n"
    yield "| architecture | models | class names | GGUF |\n| --- | --- | --- | --- |"
    for spec in PluginHost().specs("architecture"):
        yield f"| `{spec.name}` | {spec.summary} | {', '.join(spec.hf_names)} | {', '.join(spec.gguf_names)} |"
    yield ""


def schema() -> Iterator[str]:
    """The JSON schema of configuration files, for editors."""
    yield json.dumps(Configuration.model_json_schema(by_alias=True), indent=2)


def commands() -> Iterator[str]:
    """``--help`` of every command that can run here."""
    yield "# Commands\n"
    others = [spec.name for spec in PluginHost().specs("frontend")]
    for command in ("", "plugins", "plugins list", "plugins show", *others):
        yield f"## {f'mistralrs {command}'.rstrip()}\n"
        yield f"```\n{_help(command.split())}\n```\n"


def _help(command: list[str]) -> str:
    """What ``mistralrs COMMAND --help`` prints, 100 columns wide."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    arguments = [sys.executable, "-m", "mistralrs", *command, "--help"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


PAGES: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "cli.md": commands,
    "hooks.md": hooks,
    "records.md": records,
    "models.md": models,
    "from-config.schema.json": schema,
}


def main(folder: Path) -> None:
    """Write all pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text("\n".join(page()).rstrip() + "\n", encoding="utf-8")
        print(f"wrote {folder / name}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))
