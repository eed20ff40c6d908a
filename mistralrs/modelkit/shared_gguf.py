"""Names of shared keys and of layers' own embeddings in GGUF files, as llama.cpp's converters write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.gguf import SANDWICH_NORMS, GgufMap

SHARED_CONFIG = {
    "num_kv_shared_layers": "{arch}.attention.shared_kv_layers",
    "hidden_size_per_layer_input": "{arch}.embedding_length_per_layer_input",
}
"""Config field to metadata key."""

SHARED_TENSORS = {
    **SANDWICH_NORMS,
    "model.embed_tokens_per_layer": "per_layer_token_embd",
    "model.per_layer_model_projection": "per_layer_model_proj",
    "model.per_layer_projection_norm": "per_layer_proj_norm",
    "per_layer_input_gate": "inp_gate",
    "per_layer_projection": "proj",
    "post_per_layer_input_norm": "post_norm",
}
"""Module of the model to name in the file."""


class SharedGgufMap(GgufMap):
    """The mapping of these decoders, whose tables are measured: files do not state their length."""

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`GgufMap.to_config`."""
        found = super().to_config(metadata, tensors)
        table = tensors.get("per_layer_token_embd.weight")
        if table is not None and table.shape:
            found["vocab_size_per_layer_input"] = table.shape[0]
        return found
