"""From local files to "which plugin builds this, from which configuration". Imports no torch.

Everything a wrong or damaged file can be refused for is checked here, so that it is refused at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.errors import ModelFormatError, PluginError, UsageError
from mistralrs.modelkit.text_side import text_side
from mistralrs.plugin import ArchitectureSpec, FormatSpec, ModelFacts, ModelInfo

if TYPE_CHECKING:
    from mistralrs.config.model import ModelSelection
    from mistralrs.plugin.host import PluginHost

MAX_JSON = 16 << 20
MODULES, SENTENCES = "modules.json", "config_sentence_transformers.json"
"""What sentence-transformers writes beside a model that it trained."""
ANSWERS, YES_OR_NO = "LogitScore", "yes-or-no"
"""Its module for a decoder that scores two texts by what it would answer about them, and the capability of such."""
MAX_MODULES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A model that can be loaded.

    ``config`` is validated by the architecture's own schema; ``raw`` is the dictionary it was read from;
    ``generation`` is generation_config.json, or empty. ``modules`` are class names and folders of what
    sentence-transformers puts behind the model, ``max_text`` the tokens that it reads at most; None where no file says.
    """

    files: ModelFiles
    format: FormatSpec
    checkpoint: Checkpoint
    architecture: ArchitectureSpec
    config: BaseModel
    raw: Mapping[str, Any]
    generation: Mapping[str, Any]
    modules: tuple[tuple[str, str], ...] | None = None
    max_text: int | None = None

    @property
    def info(self) -> ModelInfo:
        """What hooks are told about the model."""
        return ModelInfo(
            id=self.files.id,
            architecture=self.architecture.name,
            format=self.format.name,
            root=self.files.root,
            metadata=self.checkpoint.metadata,
        )

    @property
    def task(self) -> str:
        """What the model is for: ``generate`` text, ``embed`` texts or ``score`` pairs of them.

        A decoder with sentence-transformers' files beside it was trained to embed, or to answer whether texts fit.
        """
        tasks = self.architecture.tasks
        if "generate" not in tasks:
            return tasks[0]
        if any(kind == ANSWERS for kind, _ in self.modules or ()):
            return "score"
        return "embed" if {MODULES, SENTENCES} <= self.files.companions.keys() else "generate"

    @property
    def answers(self) -> bool:
        """Whether the model is asked about a pair of texts, and scores them by what it would answer."""
        stated = any(kind == ANSWERS for kind, _ in self.modules or ())
        return self.task == "score" and (stated or YES_OR_NO in self.architecture.capabilities)

    @property
    def context_length(self) -> int:
        """Most tokens, prompt and answer together, that the model was made for."""
        known = int(getattr(self.config, "max_position_embeddings", 2048))
        return known if self.task == "generate" or self.max_text is None else min(known, self.max_text)


def inspect(host: PluginHost, files: ModelFiles, selection: ModelSelection) -> Inspected:
    """Open the files and find their architecture. Raises ModelFormatError or PluginError with what to do about it."""
    spec = _format(host, files, selection.format)
    checkpoint: Checkpoint = host.make(spec, spec.opener, files)
    architecture = _architecture(host, checkpoint, selection.arch)
    if architecture.modalities == ("text",):
        checkpoint = text_side(checkpoint)
    raw = _raw_config(host, architecture, checkpoint)
    config = _validate(host, architecture, raw, files)
    if selection.gqa not in (None, 1):  # mistral.rs takes one when nothing is said
        _check_groups(config, selection.gqa)
    return Inspected(
        files=files,
        format=spec,
        checkpoint=checkpoint,
        architecture=architecture,
        config=config,
        raw=raw,
        generation=read_json(files, "generation_config.json"),
        modules=read_modules(files),
        max_text=_max_text(files),
    )


def read_json(files: ModelFiles, name: str) -> dict[str, Any]:
    """A companion file as a dictionary, empty when there is none. Raises ModelFormatError naming the file."""
    path = files.companions.get(name)
    found = {} if path is None else parse_json(path)
    if not isinstance(found, dict):
        raise ModelFormatError(f"{path} must hold a JSON object")
    return found


def parse_json(path: Path) -> Any:
    """What a small JSON file holds. Raises ModelFormatError naming the file."""
    try:
        if path.stat().st_size > MAX_JSON:
            raise ModelFormatError(f"{path} is larger than {MAX_JSON >> 20} MiB: not a configuration file")
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path} is not valid JSON") from error


def read_modules(files: ModelFiles) -> tuple[tuple[str, str], ...] | None:
    """The class names and folders of sentence-transformers' modules in their order, None without any.

    Raises ModelFormatError naming the file.
    """
    path = files.companions.get(MODULES)
    if path is None:
        return None
    found = parse_json(path)
    if not isinstance(found, list) or len(found) > MAX_MODULES:
        raise ModelFormatError(f"{path} must hold a list of at most {MAX_MODULES} modules")
    modules = []
    for item in found:
        kind, folder = (item.get("type"), item.get("path")) if isinstance(item, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(folder, str):
            raise ModelFormatError(f"{path}: every module needs a type and a path")
        modules.append((kind.rpartition(".")[2], folder))
    return tuple(modules)


def _max_text(files: ModelFiles) -> int | None:
    stated = read_json(files, "sentence_bert_config.json").get("max_seq_length")
    return stated if isinstance(stated, int) and stated > 0 else None


def _format(host: PluginHost, files: ModelFiles, wanted: str | None) -> FormatSpec:
    key = files.weights[0].suffix.lower() if wanted in (None, "plain") else wanted
    if not host.provides("format", key):
        names = [path.name for path in files.weights]
        key = host.decide("mistralrs_claim_format", files=names) or key
    spec: FormatSpec = host.resolve("format", key)
    return spec


def _architecture(host: PluginHost, checkpoint: Checkpoint, wanted: str | None) -> ArchitectureSpec:
    facts = ModelFacts(checkpoint.metadata, checkpoint.tensors.keys())
    key = wanted or checkpoint.architecture
    if not host.provides("architecture", key):
        key = host.decide("mistralrs_claim_architecture", config=checkpoint.metadata) or key
    try:
        spec: ArchitectureSpec = host.resolve("architecture", key, facts=facts)
    except PluginError as error:
        if "auto_map" not in checkpoint.metadata:
            raise
        message = f"config.json: code of the model's own (auto_map) is never run, and {error.message}"
        raise PluginError(message, error.hint) from error
    return spec


def _raw_config(host: PluginHost, architecture: ArchitectureSpec, checkpoint: Checkpoint) -> Mapping[str, Any]:
    """config.json as it is, or one made from a GGUF's metadata by the architecture's own table."""
    if not checkpoint.architecture.startswith("gguf:"):
        return checkpoint.metadata
    if architecture.gguf is None:
        raise ModelFormatError(f"architecture/{architecture.name} cannot read GGUF files", "use its safetensors files")
    config: Mapping[str, Any] = host.load_ref(architecture, architecture.gguf).to_config(
        checkpoint.metadata, checkpoint.tensors
    )
    return config


def _check_groups(config: BaseModel, stated: int | None) -> None:
    """Refuse a model that is not what the user says."""
    found = getattr(config, "num_attention_heads", 0) // getattr(config, "num_key_value_heads", 1)
    if stated != found:
        raise UsageError(f"the model has {found} query heads for each of keys, not {stated}", "leave out --gqa")


def _validate(host: PluginHost, architecture: ArchitectureSpec, raw: Mapping[str, Any], files: ModelFiles) -> BaseModel:
    schema: type[BaseModel] = host.load_ref(architecture, architecture.config)
    try:
        return schema.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "config"
        message = first["msg"].removeprefix("Value error, ")
        raise ModelFormatError(
            f"the configuration of {files.id} does not fit architecture/{architecture.name}: {where}: {message}"
        ) from None
