"""Holds the size rules: files of one page, functions of one screen, variants of a few lines, a small core."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE_LINES, KIT_LINES = 13_000, 7_000
FILE_LINES = 400
FUNCTION_LINES = 80
VARIANT_MODEL_LINES, VARIANT_FOLDER_LINES, LONGHAND_LINES = 20, 45, 250
TABLES, TABLE_LINES = ("config.py", "gguf.py"), 80  # schemas and tables of names: data beside a variant's code
DECLARATION_LINES = 12  # of each further model that a folder declares
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# What plugins are built from grows with them; see docs/decisions/0009.
KIT = ("modelkit/", "layers/", "ops/", "textkit/", "api/openai/")
OUTSIDE_CORE = ("testing/", "scaffold/", *KIT)


def lines(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def long_functions(path: Path) -> Iterator[str]:
    """Functions of a file that do not fit on a screen."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, FUNCTIONS) and own_lines(node) > FUNCTION_LINES:
            place = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
            yield f"{place} has {own_lines(node)} lines (at most {FUNCTION_LINES})"


def own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without those of the functions that it makes."""
    inner = [node for node in ast.walk(function) if isinstance(node, FUNCTIONS) and node is not function]
    outermost = [node for node in inner if not any(node in ast.walk(other) for other in inner if other is not node)]
    return _span(function) - sum(_span(node) for node in outermost)


def _span(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def architecture_problems(folder: Path) -> Iterator[str]:
    """A variant is a recipe of a few lines; what builds its own layers may take a page."""
    model = folder / "model.py"
    longhand = "nn.Module" in model.read_text(encoding="utf-8")
    limit = LONGHAND_LINES if longhand else VARIANT_MODEL_LINES
    if lines(model) > limit:
        yield f"{model.relative_to(ROOT)} has {lines(model)} lines (at most {limit})"
    code = [path for path in folder.glob("*.py") if path.name not in TABLES]
    for path in {*folder.glob("*.py")} - {*code}:
        if lines(path) > TABLE_LINES:
            yield f"{path.relative_to(ROOT)} has {lines(path)} lines (at most {TABLE_LINES})"
    total = sum(map(lines, code))
    models = (folder / "plugin.py").read_text(encoding="utf-8").count("yield ArchitectureSpec(")
    most = VARIANT_FOLDER_LINES + DECLARATION_LINES * max(0, models - 1)
    if not longhand and total > most:
        yield f"{folder.relative_to(ROOT)} has {total} lines (a variant has at most {most})"


def problems() -> Iterator[str]:
    """Every rule that does not hold, one line each."""
    sources = [*ROOT.glob("mistralrs/**/*.py"), *ROOT.glob("plugins/**/*.py"), *ROOT.glob("tests/**/*.py")]
    for path in sources:
        if lines(path) > FILE_LINES:
            yield f"{path.relative_to(ROOT)} has {lines(path)} lines (at most {FILE_LINES})"
        yield from long_functions(path)
    for folder in ROOT.glob("plugins/mistralrs_plugins/architectures/*/"):
        if (folder / "model.py").exists():
            yield from architecture_problems(folder)
    package = ROOT / "mistralrs"
    counts = {path.relative_to(package).as_posix(): lines(path) for path in package.rglob("*.py")}
    core = sum(count for name, count in counts.items() if not name.startswith(OUTSIDE_CORE))
    kit = sum(count for name, count in counts.items() if name.startswith(KIT))
    if core > CORE_LINES:
        yield f"the core has {core} lines (at most {CORE_LINES})"
    if kit > KIT_LINES:
        yield f"the kit has {kit} lines (at most {KIT_LINES})"
    print(f"{len(sources)} files, core {core} lines, kit {kit} lines")


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found), file=sys.stderr)
    sys.exit(bool(found))
