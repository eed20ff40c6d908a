"""What files of BERT say. A GGUF of this name may hold RoBERTa or DistilBERT too.

Of RoBERTa's positions it leaves out the rows that mean nothing, of DistilBERT's tokens there are no types.
"""

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.encoder import EncoderConfig
from mistralrs.modelkit.gguf import GgufMap


class BertConfig(EncoderConfig):
    """config.json with the defaults of BERT."""

    type_vocab_size: int = 2
    max_position_embeddings: int = 512


class BertGgufMap(GgufMap):
    """The kinds of token are counted by their table: files of DistilBERT state one and have none."""

    __slots__ = ()

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        table = tensors.get("token_types.weight")
        kinds = 0 if table is None else table.shape[0] if len(table.shape) == 2 else 1
        return {**super().to_config(metadata, tensors), "type_vocab_size": kinds}


GGUF = BertGgufMap(
    layers="bert.encoder.layer",
    tensors={
        "bert.embeddings.word_embeddings": "token_embd",
        "bert.embeddings.position_embeddings": "position_embd",
        "bert.embeddings.token_type_embeddings": "token_types",
        "bert.embeddings.LayerNorm": "token_embd_norm",
        "attention.self.query": "attn_q",
        "attention.self.key": "attn_k",
        "attention.self.value": "attn_v",
        "attention.output.dense": "attn_output",
        "attention.output.LayerNorm": "attn_output_norm",
        "intermediate.dense": "ffn_up",
        "output.dense": "ffn_down",
        "output.LayerNorm": "layer_output_norm",
    },
)
