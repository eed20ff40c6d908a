"""Builds the pages that come from the code: ``python scripts/reference.py docs/reference``. They are not committed."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Final

from mistralrs.config.from_config import Configuration
from mistralrs.plugin import ArchitectureSpec, hookspecs
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
    host = PluginHost()
    yield "# Supported models\n"
    yield "Quantization works on projections and kernels on operations, whatever the architecture."
    yield "No plugin makes adapters yet."
    yield f"Installed quantizations: {_names(host, 'quantization')}. Installed kernels: {_names(host, 'kernels')}.\n"
    specs = list(host.specs("architecture"))
    sizes = sorted({spec.build.target.partition(":")[0] for spec in specs})
    median = int(statistics.median(_file_lines(module) for module in sizes))
    yield f"*Lines* are those of the plugin, its tables included; the median model file has {median}.\n"
    yield "| architecture | models | class names | GGUF | tasks | modalities | lines |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for spec in specs:
        served = [", ".join(each) for each in (spec.hf_names, spec.gguf_names, spec.tasks, spec.modalities)]
        cells = [f"`{spec.name}`", spec.summary, *served, str(_lines(spec))]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _names(host: PluginHost, kind: str) -> str:
    return ", ".join(f"`{spec.name}`" for spec in host.specs(kind)) or "none"


def _file_lines(module: str) -> int:
    """Lines of a module's file."""
    return len(Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8").splitlines())


def _lines(spec: ArchitectureSpec) -> int:
    """Lines of the folder that a build is in."""
    module = importlib.import_module(spec.build.target.partition(":")[0])
    return sum(
        len(path.read_text(encoding="utf-8").splitlines()) for path in Path(str(module.__file__)).parent.glob("*.py")
    )


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
