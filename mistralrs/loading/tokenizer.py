"""The tokenizer of a model: the file the user names, else ``tokenizer.json``, else what the weights carry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.errors import ModelFormatError, SourceError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
MAX_FILE_BYTES = 256 << 20
UNSUPPORTED = {
    "tekken.json": "Mistral's tekken.json",
    "tokenizer.model": "SentencePiece's tokenizer.model",
    "tiktoken.model": "tiktoken's vocabulary",
}


def load_tokenizer(files: ModelFiles, checkpoint: Checkpoint, explicit: Path | None = None) -> Tokenizer:
    """The model's tokenizer. Raises :class:`SourceError` when there is none, :class:`ModelFormatError` when broken."""
    path = explicit or files.companions.get(TOKENIZER_FILE)
    if path is not None:
        return read_tokenizer(path)
    embedded = checkpoint.tokenizer()
    if embedded is not None:
        return embedded
    found = next((what for name, what in UNSUPPORTED.items() if name in files.companions), None)
    reason = f"{found} cannot be read yet" if found else f"no {TOKENIZER_FILE}, and the weights carry none"
    raise SourceError(
        f"{files.id} has no tokenizer: {reason}",
        "give one with --tokenizer FILE, or a repository that has one with --tok-model-id",
    )


def read_tokenizer(path: Path) -> Tokenizer:
    """Read one ``tokenizer.json``. The file is named in every error."""
    from tokenizers import Tokenizer

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFormatError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB: not a tokenizer")
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read the tokenizer {path}: {error.strerror}") from error
    try:
        return Tokenizer.from_buffer(content)
    # The library raises bare Exception for whatever it does not like.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFormatError(f"{path} is not a tokenizer.json: {reason}") from error
