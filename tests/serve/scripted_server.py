"""``mistralrs serve`` with the scripted engine, in a process of its own: ``scripted_server.py SETTINGS OPTIONS``.

Both are JSON objects: settings of the engine, and of the server's section.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from mistralrs.cli.console import print_error
from mistralrs.config.section import build
from mistralrs.config.server import ServerConfig
from mistralrs.errors import MistralrsError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import load_policy
from mistralrs_plugins.frontends.serve.models.model import ModelPlan
from mistralrs_plugins.frontends.serve.server import Plan, bind, load_keys, load_tracing, serve
from tests.serve.scripted_text import recipe, text_side


def models(settings: dict[str, Any]) -> tuple[ModelPlan, ...]:
    """The scripted model, and others like it for each entry of ``more``: id to settings."""
    light, more = settings.pop("light"), settings.pop("more", {})
    first = _model("scripted", settings, light=light, names=("alias",))
    others = [_model(name, changes, light=light) for name, changes in more.items()]
    return (first, *others)


def _model(name: str, settings: dict[str, Any], *, light: bool, names: tuple[str, ...] = ()) -> ModelPlan:
    memory, task = settings.pop("memory_mb", None), settings.pop("task", "generate")
    return ModelPlan(
        recipe=recipe(settings, light=light),
        text=text_side(name, None if memory is None else memory << 20, task),
        max_seqs=settings.get("max_seqs", 32),
        names=names,
    )


def main() -> int:
    settings, options = (json.loads(text) for text in sys.argv[1:])
    logging.basicConfig(stream=sys.stderr)
    try:
        config = build(ServerConfig, options)
        plan = Plan(
            config=config,
            models=models(settings),
            keys=load_keys(config),
            listener=bind(config),
            host=PluginHost(load_policy()),
            tracing=load_tracing(config),
        )
        serve(plan)
    except MistralrsError as error:
        print_error(error.message, error.hint)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
