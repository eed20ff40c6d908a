"""From what the user typed after ``-m`` and ``-f`` to local files, through the source plugin it belongs to.

``-m`` is, in this order: an existing path, a short name of registry.toml, ``SCHEME:REFERENCE`` of an installed source,
``ORG/NAME`` on the hub. Imports no torch, and a source only when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from mistralrs.checkpoint import FetchRequest, ModelFiles, Progress
from mistralrs.checkpoint.selection import listing, shorten
from mistralrs.errors import SourceError, UsageError
from mistralrs.loading.tokenizer import tokenizer_files
from mistralrs.plugin import FormatSpec
from mistralrs.plugin.policy import ModelAlias, Policy

if TYPE_CHECKING:
    from mistralrs.config.model import ModelSelection
    from mistralrs.plugin.host import PluginHost

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+")
HUB, LOCAL = "hf", "file"

# Comes first where a model has several formats: it holds the weights as they were published.
PLAIN = "safetensors"


@dataclass(frozen=True, slots=True)
class Target:
    """A model reference taken apart. ``name`` is the short name it was given by, ``defaults`` what that stands for."""

    scheme: str
    reference: str
    name: str | None = None
    defaults: ModelAlias | None = None


def locate(host: PluginHost, selection: ModelSelection, progress: Progress) -> ModelFiles:
    """Make the selected model's files local.

    Raises:
        UsageError: no model at all, file names that contradict the format or one another.
        SourceError: a reference nobody serves, or what the source reports.
    """
    target, files = _select(host.policy, selection)
    defaults = target.defaults
    wanted = selection.format or (defaults.format if defaults else None)
    formats = _formats(host, files, wanted)
    suffixes = [suffix for spec in formats for suffix in spec.suffixes]
    found = _fetch(
        host,
        target,
        FetchRequest(
            reference=target.reference,
            revision=selection.revision,
            weights=files,
            suffixes=(*suffixes, *(formats[0].shared_suffixes if wanted else ())),
            companions=_companions(host),
            sha256=defaults.sha256 if defaults else None,
            token_source=selection.token_source,
            offline=selection.offline,
            cache_dir=selection.hf_cache,
            progress=progress,
        ),
    )
    if target.name is not None:
        found = replace(found, id=target.name)
    if selection.tok_model_id is not None:
        found = replace(found, companions={**found.companions, **_borrowed(host, selection, progress)})
    return found


def parse_target(text: str, policy: Policy) -> Target:
    """Take a model reference apart. Raises :class:`SourceError` for a word that means nothing."""
    if _exists(text):
        return Target(LOCAL, text)
    if text in policy.models:
        alias = policy.models[text]
        return replace(_parse(alias.source), name=text, defaults=alias)
    target = _parse(text)
    if target.scheme == HUB and target.reference == text and "/" not in text:
        near = get_close_matches(text, policy.models, n=3, cutoff=0.5)
        short = f"short names like it: {listing(near)}; " if near else ""
        raise SourceError(f"no file, folder or short name {shorten(text)}", f"{short}a repository is ORG/NAME")
    return target


def _parse(text: str) -> Target:
    scheme, colon, rest = text.partition(":")
    if colon and SCHEME.fullmatch(scheme):
        return Target(scheme, rest)
    # What cannot be a repository is a path, even if nothing is there: the local source says so best.
    is_path = _exists(text) or text.startswith((".", "/", "~")) or text.count("/") > 1
    return Target(LOCAL if is_path else HUB, text)


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, a home of nobody
        return False


def _select(policy: Policy, selection: ModelSelection) -> tuple[Target, tuple[str, ...]]:
    """The model, and the names of the weight files asked for, if any."""
    if selection.model_id is None and selection.quantized_file:
        return _bare_files(selection.quantized_file)
    text = policy.default_model if selection.model_id is None else selection.model_id
    if text is None:
        raise UsageError("no model is given, and registry.toml has no default_model", "give one with -m MODEL")
    target = parse_target(text, policy)
    preset = target.defaults.file if target.defaults else None
    return target, selection.quantized_file or tuple(preset.split(";") if preset else ())


def _bare_files(names: Sequence[str]) -> tuple[Target, tuple[str, ...]]:
    """``-f`` without ``-m``: local files, whose folder becomes the model's root."""
    paths = [Path(name).expanduser() for name in names]
    for path in paths:
        if not _exists(str(path)):
            raise SourceError(f"no such file: {path}", "without -m, -f names files on this machine")
    if len({path.parent.resolve() for path in paths}) > 1:
        raise UsageError("-f without -m names files in different folders", "put them in one folder")
    return Target(LOCAL, str(paths[0].parent)), tuple(path.name for path in paths)


def _formats(host: PluginHost, files: Sequence[str], wanted: str | None) -> list[FormatSpec]:
    """The formats the weights may have, best first; one if the user or a file's suffix says which."""
    installed: list[FormatSpec] = sorted(host.specs("format"), key=lambda spec: spec.name != PLAIN)
    by_suffix = {suffix: spec for spec in installed for suffix in spec.suffixes}
    if wanted is not None:
        chosen: FormatSpec = host.resolve("format", PLAIN if wanted == "plain" else wanted)
        for name in files:
            other = by_suffix.get(PurePath(name).suffix.lower())
            if other not in (None, chosen):
                raise UsageError(f"{name} does not have the format {wanted!r}", "leave out --format")
        return [chosen]
    for name in files:
        if PurePath(name).suffix.lower() not in by_suffix:
            claimed: str | None = host.decide("mistralrs_claim_format", files=list(files))
            if claimed is not None:
                return [host.resolve("format", claimed)]
            raise UsageError(
                f"the suffix of {name} is of no known format", f"known are {listing(by_suffix)}; or say --format NAME"
            )
    return installed


def _companions(host: PluginHost) -> tuple[str, ...]:
    """Patterns of the small files that travel with a model: what formats read, and tokenizers."""
    wanted = [pattern for spec in host.specs("format") for pattern in spec.companions]
    return tuple(dict.fromkeys((*wanted, *tokenizer_files(host))))


def _fetch(host: PluginHost, target: Target, request: FetchRequest) -> ModelFiles:
    schemes = {scheme for spec in host.specs("source") for scheme in spec.schemes}
    if target.scheme not in schemes:
        raise SourceError(
            f"no source is installed for {target.scheme}:", f"there are {listing(f'{scheme}:' for scheme in schemes)}"
        )
    spec = host.resolve("source", target.scheme)
    found: ModelFiles = host.make(spec, spec.source).fetch(request)
    return found


def _borrowed(host: PluginHost, selection: ModelSelection, progress: Progress) -> dict[str, Path]:
    """``--tok-model-id``: configuration and tokenizer of another model, whose weights are not fetched."""
    target = parse_target(selection.tok_model_id or "", host.policy)
    request = FetchRequest(
        reference=target.reference,
        companions=_companions(host),
        token_source=selection.token_source,
        offline=selection.offline,
        cache_dir=selection.hf_cache,
        progress=progress,
    )
    companions = dict(_fetch(host, target, request).companions)
    if not companions:
        raise SourceError(f"{selection.tok_model_id} has neither configuration nor tokenizer files")
    return companions
