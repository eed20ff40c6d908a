"""A configuration as the command line that means the same: so a file can say nothing that flags cannot."""

from __future__ import annotations

from typing import Any

from mistralrs.config.from_config import Configuration, ModelTable
from mistralrs.errors import UsageError

RUN = "run"


def command_line(config: Configuration) -> list[str]:
    """The words after ``mistralrs``. Raises UsageError for what no command of this release can run."""
    if config.command != RUN:
        raise UsageError(f"command = {config.command!r} is not supported yet", f"this release starts: {RUN}")
    if len(config.models) != 1:
        raise UsageError(f"{RUN} takes one model; the file has {len(config.models)}")
    model = config.models[0]
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
    return [*before, RUN, model.kind, *_options(after)]


def _model(model: ModelTable) -> dict[str, Any]:
    single = ("model_id", "revision", "tokenizer", "arch", "dtype")
    values = {name: getattr(model, name) for name in single}
    for table in (model.format, model.quantization, model.device):
        values |= table.model_dump()
    return {name: value for name, value in values.items() if value is not None and (name, value) != ("dtype", "auto")}


def _paged(config: Configuration) -> dict[str, Any]:
    given = config.paged_attn.model_dump(exclude_defaults=True)
    return {"paged_attn" if name == "mode" else f"pa_{name}": value for name, value in given.items()}


def _options(values: dict[str, Any]) -> list[str]:
    """Long options; a switch stands alone. Values are joined with '=', so that none is taken for an option."""
    words = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words.append(f"{option}={value}")
    return words
