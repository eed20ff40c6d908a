"""The tokenizer of a model: the file the user names, else one beside the weights, else what the weights carry."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.errors import SourceError
from mistralrs.plugin import TokenizerSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.plugin.host import PluginHost


def load_tokenizer(
    host: PluginHost, files: ModelFiles, checkpoint: Checkpoint, explicit: Path | None = None
) -> Tokenizer:
    """The model's tokenizer. Raises :class:`SourceError` when there is none, ModelFormatError when it is broken."""
    if explicit is not None:
        return _open(host, _spec_for(host, explicit), explicit, files)
    beside = _beside(host, files)
    if beside is not None and beside[0].priority >= 0:
        return _open(host, *beside, files)
    embedded = checkpoint.tokenizer()
    if embedded is not None:
        return embedded
    if beside is not None:
        return _open(host, *beside, files)
    raise SourceError(
        f"{files.id} has no tokenizer: none of {', '.join(tokenizer_files(host))}, and the weights carry none",
        "give one with --tokenizer FILE, or a repository that has one with --tok-model-id",
    )


def tokenizer_files(host: PluginHost) -> tuple[str, ...]:
    """Patterns of the names that tokenizer files go by, the most complete kind first."""
    specs: list[TokenizerSpec] = sorted(host.specs("tokenizer"), key=lambda spec: -spec.priority)
    return tuple(dict.fromkeys(pattern for spec in specs for pattern in spec.files))


def _beside(host: PluginHost, files: ModelFiles) -> tuple[TokenizerSpec, Path] | None:
    """The file of the highest priority among the model's own, and what reads it."""
    for pattern in tokenizer_files(host):
        for name in sorted(files.companions):
            if fnmatchcase(name, pattern):
                return host.resolve("tokenizer", pattern), files.companions[name]
    return None


def _spec_for(host: PluginHost, path: Path) -> TokenizerSpec:
    """What reads a file the user names: by its name, else by its suffix."""
    for pattern in tokenizer_files(host):
        if fnmatchcase(path.name, pattern):
            spec: TokenizerSpec = host.resolve("tokenizer", pattern)
            return spec
    suffix = path.suffix.lower()
    if host.provides("tokenizer", suffix):
        spec = host.resolve("tokenizer", suffix)
        return spec
    raise SourceError(
        f"{path} is no tokenizer file by its name", f"names are {', '.join(tokenizer_files(host))}; or a .json"
    )


def _open(host: PluginHost, spec: TokenizerSpec, path: Path, files: ModelFiles) -> Tokenizer:
    tokenizer: Tokenizer = host.make(spec, spec.opener, path, files.companions)
    # What some files were trained with: no request may be padded, or shortened without a word.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
