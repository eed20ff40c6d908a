"""What hooks are told: plain frozen records, keyword-only so that a later release can add fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class ModelFacts(NamedTuple):
    """What a checkpoint says about itself, handed to ``matches`` when several plugins share its key."""

    metadata: Mapping[str, Any]
    tensors: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One model, as the hooks around loading see it.

    ``architecture`` and ``format`` are names of plugins, ``root`` is the folder of the model's files, and
    ``metadata`` is config.json or the key-value pairs of a GGUF file.
    """

    id: str
    architecture: str
    format: str
    root: Path
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelNeeds:
    """What a model asks of its kernels: layouts of its weights by name, and the type activations have."""

    layouts: frozenset[str]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One finished request. Times are seconds of wall clock; ``reason`` is why it ended; no text, no tokens."""

    id: int
    model: str
    reason: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    queue_seconds: float
    prompt_seconds: float
    completion_seconds: float
