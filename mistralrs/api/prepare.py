"""The part of loading that needs no torch, while torch is imported beside it.

Importing torch takes most of the time until the first token, and a wrong file is found in milliseconds. So the files
are located and inspected first; then one thread imports torch while this one builds the tokenizer and checks the
chat template.
"""

from __future__ import annotations

import importlib
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mistralrs.api.interrupts import HeldInterrupts
from mistralrs.checkpoint import Progress
from mistralrs.config.model import ModelSelection
from mistralrs.loading.chat import ChatTemplate
from mistralrs.loading.inspect import Inspected, inspect
from mistralrs.loading.locate import locate
from mistralrs.loading.templates.renderer import renderer
from mistralrs.loading.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.plugin.host import PluginHost

JOIN_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model whose files are good and whose text side is ready; the weights are still in the file."""

    inspected: Inspected
    tokenizer: Tokenizer
    template: ChatTemplate


def prepare(host: PluginHost, selection: ModelSelection, progress: Progress) -> Prepared:
    """Locate and inspect the model, then read its tokenizer and chat template.

    Raises a :class:`~mistralrs.errors.MistralrsError` naming the file, before torch is imported if it is a weight file.
    """
    files = locate(host, selection, progress)
    inspected = inspect(host, files, selection)
    importing = threading.Thread(target=_import_torch, name="import-torch", daemon=True)
    with HeldInterrupts() as interrupts:
        importing.start()
        prepared = read_text_side(host, selection, inspected)
        while importing.is_alive() and not interrupts.pending:
            importing.join(JOIN_SECONDS)
    return prepared


def _import_torch() -> None:
    # If it fails it fails again, in front of the user, where it is needed; and when the process ends meanwhile, the
    # interpreter is taken apart under the import's feet.
    with suppress(Exception):
        importlib.import_module("torch")


def read_text_side(host: PluginHost, selection: ModelSelection, inspected: Inspected) -> Prepared:
    """The tokenizer and the chat template of an inspected model. Imports no torch."""
    files, checkpoint = inspected.files, inspected.checkpoint
    if inspected.answers and inspected.modules is None and selection.jinja_explicit is None:
        # What lies beside such a model is for conversations, and the question is part of what it was trained on.
        name = inspected.architecture.chat_template
        selection = selection.model_copy(update={"jinja_explicit": name and Path(name)})
    renderer.warm_up()
    tokenizer = load_tokenizer(host, files, checkpoint, selection.tokenizer)
    template = ChatTemplate.load(
        files,
        checkpoint,
        selection,
        tokenizer,
        fallback=inspected.architecture.chat_template,
        ask_plugins=lambda: host.decide("mistralrs_chat_template", model=inspected.info),
    )
    return Prepared(inspected=inspected, tokenizer=tokenizer, template=template)
