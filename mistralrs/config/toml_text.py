"""Writes a configuration as the TOML file that says the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from mistralrs.config.from_config import USELESS, Configuration, DeviceTable
from mistralrs.config.section import build

if TYPE_CHECKING:
    from mistralrs.config.also import FurtherModel
    from mistralrs.config.model import ModelSelection
    from mistralrs.config.paged import PagedAttentionConfig
    from mistralrs.config.runtime import RuntimeConfig

SECRET = "literal:"


def leaves(model: BaseModel, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted name, as a file would write it: ``models[0].format.quantized_file``."""
    for name, field in type(model).model_fields.items():
        shown = field.alias if name.endswith("_") and field.alias else name
        value = getattr(model, name)
        path = f"{where}.{shown}" if where else shown
        if isinstance(value, BaseModel):
            yield from leaves(value, path)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for index, item in enumerate(value):
                yield from leaves(item, f"{path}[{index}]")
        else:
            yield path, value


def to_toml(config: Configuration, origin: Callable[[str], str] | None = None) -> Iterator[str]:
    """The lines of a file. With ``origin``, which says where a value is from, unset keys are shown too, as comments.

    A token that is written out, and keys that let people in, are not repeated.
    """
    table = ""
    for name, value in leaves(config):
        above, _, key = name.rpartition(".")
        if name.partition(".")[0] in USELESS[config.command]:
            continue
        unset = value is None or value in ({}, ())
        if unset and origin is None:
            continue
        if above != table:
            table = above
            yield from ("", _header(above))
        if unset:
            yield f"# {key} is not set"
        else:
            yield f"{key} = {_value(name, value)}" + (f"  # {origin(name)}" if origin else "")


def _header(table: str) -> str:
    """``[models.format]``, or ``[[models]]`` for ``models[0]``."""
    plain = ".".join(part.partition("[")[0] for part in table.split("."))
    return f"[[{plain}]]" if table.endswith("]") else f"[{plain}]"


def _value(name: str, value: Any) -> str:
    import tomlkit

    if name.endswith("token_source") and value.startswith(SECRET):
        value = f"{SECRET}..."
    if name == "server.api_key":
        value = ["..."] * len(value)
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table.as_string()
    return tomlkit.item(str(value) if isinstance(value, Path) else value).as_string()


def from_sections(
    command: str,
    selection: ModelSelection,
    runtime: RuntimeConfig,
    paged: PagedAttentionConfig,
    others: Mapping[str, Any],
    *,
    kind: str = "auto",
    aliases: Sequence[str] = (),
    further: Sequence[FurtherModel] = (),
) -> Configuration:
    """The configuration that a command line stands for. ``others`` are further top-level keys, tables included.

    ``aliases`` are names of the first model, ``further`` the models beside it. Local paths become absolute, so that
    the file may lie anywhere.
    """
    models = [(selection, aliases), *further]
    entries = [_entry(each, kind, names) for each, names in models]
    tables = {"runtime": runtime.model_dump(), "paged_attn": paged.model_dump()}
    return build(Configuration, {"command": command, "models": entries, **tables, **others})


def _entry(selection: ModelSelection, kind: str, aliases: Sequence[str]) -> dict[str, Any]:
    """One ``[[models]]`` table."""
    model = selection.model_dump(exclude_none=True, mode="json")
    files = [Path(name) for name in selection.quantized_file]
    if selection.model_id is None and files:
        model["model_id"] = str(files[0].parent)
        files = [Path(file.name) for file in files]
    for name in ("model_id", "tok_model_id", "tokenizer", "chat_template", "jinja_explicit", "hf_cache", "topology"):
        if name in model and Path(model[name]).exists():
            model[name] = str(Path(model[name]).absolute())
    format_table: dict[str, Any] = {name: model[name] for name in ("format", "tok_model_id", "gqa") if name in model}
    if files:
        format_table["quantized_file"] = ";".join(map(str, files))
    single = ("model_id", "revision", "tokenizer", "arch", "dtype", "chat_template", "jinja_explicit")
    entry: dict[str, Any] = {"kind": kind, "aliases": tuple(aliases)}
    entry |= {name: model[name] for name in single if name in model}
    entry |= {"format": format_table, "quantization": {name: model[name] for name in ("isq",) if name in model}}
    entry |= {"device": {name: model[name] for name in DeviceTable.model_fields if name in model}}
    return entry
