"""What a model's files say about it. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistralrs.errors import MistralrsError
from mistralrs_plugins.frontends.show.licence import find_licence

if TYPE_CHECKING:
    from mistralrs.config.model import ModelSelection
    from mistralrs.loading.inspect import Inspected
    from mistralrs.plugin.host import PluginHost

# Sizes that most configurations state, by the names of config.json.
SIZES = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "vocabulary": "vocab_size",
    "experts": "num_experts",
    "sliding_window": "sliding_window",
}


def gather(host: PluginHost, inspected: Inspected, selection: ModelSelection) -> dict[str, Any]:
    """The facts by name, for ``--json``: the names are a promise. Sizes in bytes, the context in tokens.

    A tokenizer or chat template that cannot be used is a fact too: its ``error`` says why.
    """
    checkpoint, files = inspected.checkpoint, inspected.files
    owner = host.owner(inspected.architecture)
    return {
        "model": files.id,
        "source": files.source,
        "files": [str(path) for path in files.weights],
        "format": inspected.format.name,
        "architecture": checkpoint.architecture,
        "plugin": f"architecture/{inspected.architecture.name}",
        "distribution": owner.distribution if owner else None,
        "context_length": inspected.context_length,
        "sizes": dict(_sizes(inspected.config)),
        "tensors": _tensors(inspected),
        **_text_side(host, inspected, selection),
        "license": find_licence(files, checkpoint.metadata),
    }


def _sizes(config: object) -> Iterator[tuple[str, int]]:
    for name, field in SIZES.items():
        if isinstance(value := getattr(config, field, None), int):
            yield name, value


def _tensors(inspected: Inspected) -> list[dict[str, Any]]:
    """One row a type, the one with most bytes first."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for info in inspected.checkpoint.tensors.values():
        count[info.layout.name] += 1
        size[info.layout.name] += info.nbytes
    return [{"type": name, "count": count[name], "bytes": nbytes} for name, nbytes in size.most_common()]


def _text_side(host: PluginHost, inspected: Inspected, selection: ModelSelection) -> dict[str, Any]:
    from mistralrs.api.prepare import read_text_side
    from mistralrs.loading.special import eos_ids

    try:
        prepared = read_text_side(host, selection, inspected)
    except MistralrsError as error:
        return {"tokenizer": {"error": error.message}, "chat_template": None}
    tokenizer, template = prepared.tokenizer, prepared.template
    ends = sorted(eos_ids(inspected, tokenizer))
    return {
        "tokenizer": {
            "source": _tokenizer_source(inspected, selection.tokenizer),
            "kind": type(tokenizer.model).__name__,
            "tokens": tokenizer.get_vocab_size(with_added_tokens=True),
            "end": [{"id": token, "text": tokenizer.id_to_token(token)} for token in ends],
        },
        "chat_template": {"source": template.origin, "names": sorted(template.sources)} if template.sources else None,
    }


def _tokenizer_source(inspected: Inspected, given: Path | None) -> str:
    """In the order in which the loader looks."""
    path = given or inspected.files.companions.get("tokenizer.json")
    return f"the weights of {inspected.files.id}" if path is None else str(path)
