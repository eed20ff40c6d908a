"""Where model files come from: what a source plugin is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Progress(Protocol):
    """Told how far a long action is: ``total`` is None while unknown, ``unit`` is ``"bytes"`` or ``"steps"``."""

    def __call__(self, label: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Report ``done`` of ``total``; called often, must be cheap."""


def no_progress(label: str, done: int, total: int | None, unit: str = "bytes") -> None:
    """Swallow progress: the default of everything that takes a :class:`Progress`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One model reference to turn into local files.

    ``reference`` is what the user typed, without its scheme. ``weights`` are file names the user asked for; when
    empty, the source offers what ends with one of ``suffixes`` (best first). ``companions`` are glob patterns of the
    small files that travel with a model (config, tokenizer, templates).
    """

    reference: str
    revision: str | None = None
    weights: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    sha256: str | None = None
    token_source: str = "cache"
    offline: bool = False
    cache_dir: Path | None = None
    progress: Progress = no_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The local files of one model. Every path exists.

    ``id`` is the name shown to users and in the API. ``companions`` maps names within the model
    (``config.json``, ``1_Pooling/config.json``) to their paths.
    """

    id: str
    source: str
    root: Path
    weights: tuple[Path, ...]
    companions: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedModel:
    """One downloaded model: what ``cache list`` shows. ``reference`` is what ``-m`` and ``cache delete`` take."""

    reference: str
    source: str
    size: int
    last_used: float | None
    path: Path


class Source(Protocol):
    """A place models come from. One instance serves one scheme."""

    def fetch(self, request: FetchRequest) -> ModelFiles:
        """Make the model's files local. Raises :class:`~mistralrs.errors.SourceError` naming what is missing."""

    def cached(self, cache_dir: Path | None = None) -> Iterable[CachedModel]:
        """Everything this source has downloaded."""

    def delete(self, model: CachedModel) -> int:
        """Remove one downloaded model; returns the bytes freed."""
