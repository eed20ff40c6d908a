"""A new architecture as a variant of an installed one: its modules under a new name, and a declaration like its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from mistralrs.errors import PluginError
from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin.ref import Ref
from mistralrs.plugin.specs import API_VERSION, ArchitectureSpec

DECLARATION: Final = "plugin.py"

_PLUGIN: Final = '''"""{title}: the declaration."""

from collections.abc import Iterable

{imports}

MISTRALRS_API = "{api}"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """{title}."""
    yield ArchitectureSpec(
{fields}
    )
'''


_IMPORTS: Final = "from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl"
_TINY: Final = "from mistralrs.modelkit.tiny import TINY"


def variant_of(spec: ArchitectureSpec, name: str, package: str) -> dict[str, str]:
    """The modules of a variant called ``name`` in ``package``, by file name.

    Raises PluginError when the source of the original cannot be found.
    """
    origin = spec.build.module.rpartition(".")[0]
    modules = _sources(spec, origin)
    title = " ".join(word.capitalize() for word in name.split("-"))
    files = {file: source.replace(origin, package) for file, source in modules.items()}
    files[DECLARATION] = _PLUGIN.format(
        title=title,
        imports="\n".join([*([_TINY] if _is_tiny(spec.tiny) else []), _IMPORTS]),
        api=".".join(map(str, API_VERSION)),
        fields=_fields(spec, name, title, origin, package),
    )
    return files


def _sources(spec: ArchitectureSpec, origin: str) -> dict[str, str]:
    """The Python files beside the implementation, without the declaration."""
    found = importlib.util.find_spec(origin)
    places = list(found.submodule_search_locations or ()) if found else []
    if not places:
        raise PluginError(f"the source of architecture/{spec.name} cannot be found in {origin!r}")
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(Path(places[0]).glob("*.py"))
        if path.name not in (DECLARATION, "__init__.py") and "hookimpl" not in path.read_text(encoding="utf-8")
    }


def _fields(spec: ArchitectureSpec, name: str, title: str, origin: str, package: str) -> str:
    """The arguments of the new declaration: those of the old one that say something, under new names and keys."""
    own = {
        "name": name,
        "summary": f"{title}, a variant of {spec.name}",
        "hf_names": (f"{title.replace(' ', '')}ForCausalLM",),
        "gguf_names": (name,) if spec.gguf else (),
    }
    lines = []
    for item in fields(spec):
        value = own.get(item.name, getattr(spec, item.name))
        if item.name == "tiny" and _is_tiny(spec.tiny):
            more = [f"{_literal(k, '', '')}: {_literal(v, '', '')}" for k, v in spec.tiny.items() if k not in TINY]
            lines.append(f"tiny={{**TINY, {', '.join(more)}}}," if more else "tiny=TINY,")
            continue
        if item.name in own and not value:
            continue
        if item.name in own or item.name in ("config", "build") or value != _default(item.name, spec):
            lines.append(f"{item.name}={_literal(value, origin, package)},")
    return "\n".join(" " * 8 + line for text in lines for line in text.splitlines())


def _is_tiny(tiny: Mapping[str, Any]) -> bool:
    """Whether the sizes are the usual ones, and perhaps some more."""
    return TINY.items() <= tiny.items()


def _default(name: str, spec: ArchitectureSpec) -> object:
    empty = ArchitectureSpec(name="x", summary="", config=spec.config, build=spec.build)
    return getattr(empty, name)


def _literal(value: object, origin: str, package: str) -> str:
    if isinstance(value, Ref):
        return f'Ref("{value.target.replace(origin, package)}")'
    if isinstance(value, frozenset):
        return f"frozenset({_literal(sorted(value), origin, package)})"
    if isinstance(value, Mapping):
        items = "".join(
            f"    {_literal(k, origin, package)}: {_literal(v, origin, package)},\n" for k, v in value.items()
        )
        return "{\n" + items + "}" if items else "{}"
    if isinstance(value, tuple):
        inside = ", ".join(_literal(item, origin, package) for item in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item, origin, package) for item in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
