"""A configuration as the command line that means the same: so a file can say nothing that flags cannot."""

from __future__ import annotations

from typing import Any

from mistralrs.config.also import write_also
from mistralrs.config.from_config import NEGATIONS, USELESS, Configuration, ModelTable, ServerTable
from mistralrs.errors import UsageError


def command_line(config: Configuration) -> list[str]:
    """The words after ``mistralrs``. Raises UsageError for what the command does not take."""
    if config.command == "run" and len(config.models) != 1:
        raise UsageError(f"run takes one model; the file has {len(config.models)}")
    given = config.model_fields_set
    if useless := [key for key in USELESS[config.command] if key in given]:
        raise UsageError(f"{useless[0]} says nothing to {config.command}", "remove it from the file")
    # The first model is the one of requests that name none.
    model, *others = sorted(config.models, key=lambda each: each.model_id != (config.default_model_id or each.model_id))
    before = _options(config.global_.model_dump(exclude_defaults=True))
    after = {
        **_model(model),
        **config.runtime.model_dump(exclude_defaults=True),
        **{name: path for name in ("chat_template", "jinja_explicit") if (path := getattr(model, name))},
        **_paged(config),
        **config.sampling.model_dump(exclude_none=True),
        "reasoning_effort": config.reasoning_effort,
        "thinking": None if config.thinking is None else str(config.thinking).lower(),
    }
    if config.command == "serve":
        after |= {"alias": model.aliases, "also": tuple(_also(each, config) for each in others)}
        after |= _server(config.server)
    return [*before, config.command, model.kind, *_options(after)]


def _also(model: ModelTable, config: Configuration) -> str:
    """A model beside the first one, as ``--also`` has it."""
    values = _model(model)
    values.pop("cpu", None)  # the same for all of them
    for name in ("chat_template", "jinja_explicit"):
        values[name] = getattr(model, name) or getattr(config.runtime, name)
    return write_also(values.pop("model_id"), values, model.aliases)


def _model(model: ModelTable) -> dict[str, Any]:
    single = ("model_id", "revision", "tokenizer", "arch", "dtype")
    values = {name: getattr(model, name) for name in single}
    for table in (model.format, model.quantization, model.device):
        values |= table.model_dump(exclude_defaults=True)
    if layers := values.get("device_layers"):
        values["device_layers"] = ";".join(layers)
    return {name: value for name, value in values.items() if value is not None and (name, value) != ("dtype", "auto")}


def _paged(config: Configuration) -> dict[str, Any]:
    given = config.paged_attn.model_dump(exclude_defaults=True)
    return {"paged_attn" if name == "mode" else f"pa_{name}": value for name, value in given.items()}


def _server(server: ServerTable) -> dict[str, Any]:
    """The settings of the server that are not the defaults; what is switched off by the option that does it."""
    given = server.model_dump(exclude_defaults=True)
    off = {field: key for key, field in NEGATIONS.items()}
    return {off.get(name, name): value if name not in off else not value for name, value in given.items()}


def _options(values: dict[str, Any]) -> list[str]:
    """Long options; a switch stands alone. Values are joined with '=', so that none is taken for an option."""
    words = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif isinstance(value, tuple):
            words += [f"{option}={each}" for each in value]
        elif value is not None and value is not False:
            words.append(f"{option}={value}")
    return words
