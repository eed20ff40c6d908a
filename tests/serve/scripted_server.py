"""``mistralrs serve`` with the scripted engine, in a process of its own: ``scripted_server.py SETTINGS OPTIONS``.

Both are JSON objects: settings of the engine, and of the server's section.
"""

from __future__ import annotations

import json
import logging
import sys

from mistralrs.cli.console import print_error
from mistralrs.config.section import build
from mistralrs.config.server import ServerConfig
from mistralrs.errors import MistralrsError
from mistralrs_plugins.frontends.serve.server import Plan, bind, load_keys, serve
from tests.serve.scripted_text import recipe, text_side


def main() -> int:
    settings, options = (json.loads(text) for text in sys.argv[1:])
    logging.basicConfig(stream=sys.stderr)
    try:
        config = build(ServerConfig, options)
        plan = Plan(
            config=config,
            recipe=recipe(settings, light=settings.pop("light")),
            text=text_side(),
            keys=load_keys(config),
            listener=bind(config),
            max_seqs=settings.get("max_seqs", 32),
            names=("alias",),
        )
        serve(plan)
    except MistralrsError as error:
        print_error(error.message, error.hint)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
