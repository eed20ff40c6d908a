"""The text side of a checkpoint that also sees or hears: a config inside config.json, tensors under a name of its own.

Imports no torch.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import Checkpoint
from mistralrs.errors import ModelFormatError
from mistralrs.modelkit.renamed import RenamedCheckpoint

TEXT = "text_config"
# Where transformers puts the text model since version 4.52, where it did before, and the embedding that tells which.
BODIES = ("model.language_model.", "language_model.model.")
EMBEDDING = "embed_tokens.weight"
HEADS = ("lm_head.", "language_model.lm_head.")
# What belongs to the whole checkpoint and not to one side of it.
COMMON = ("architectures", "bos_token_id", "eos_token_id", "pad_token_id", "quantization_config")

log = logging.getLogger(__name__)


def text_kind(metadata: Mapping[str, Any]) -> str | None:
    """The ``model_type`` of the text side, such as ``gemma3_text``; None for a checkpoint that is all text."""
    inner = metadata.get(TEXT)
    return str(inner.get("model_type", "")) if isinstance(inner, dict) else None


def text_side(checkpoint: Checkpoint) -> Checkpoint:
    """The text model alone, as if it had been saved so; a checkpoint without another side is returned as it is.

    Raises :class:`~mistralrs.errors.ModelFormatError` for a file that has no embedding of tokens.
    """
    outer = checkpoint.metadata
    if text_kind(outer) is None:
        return checkpoint
    body = next((body for body in BODIES if body + EMBEDDING in checkpoint.tensors), None)
    if body is None:
        raise ModelFormatError(
            f"the checkpoint has no tensor {BODIES[0] + EMBEDDING!r}", "its text model is not where it usually is"
        )

    def rename(name: str) -> str | None:
        if name.startswith(body):
            return f"model.{name.removeprefix(body)}"
        head = next((head for head in HEADS if name.startswith(head)), None)
        return None if head is None else f"lm_head.{name.removeprefix(head)}"

    config = {**outer[TEXT], **{key: outer[key] for key in COMMON if key in outer}}
    # Configs contradict one another here, and a tied head that was saved equals the embedding.
    config["tie_word_embeddings"] = not any(head + "weight" in checkpoint.tensors for head in HEADS)
    found = RenamedCheckpoint(checkpoint, rename, checkpoint.architecture, config)
    left = len(checkpoint.tensors) - len(found.tensors)
    log.info("only text is served: %d tensors of the checkpoint's other sides are not used", left)
    return found
