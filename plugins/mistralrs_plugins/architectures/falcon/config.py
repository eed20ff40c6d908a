"""What files of Falcon say; in GGUF queries, keys and values are stacked."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import Activation, CausalConfig
from mistralrs.modelkit.gguf import GgufMap


class FalconConfig(CausalConfig):
    """config.json with the defaults of Falcon. ``alibi`` and layers in sequence (Falcon RW) are refused."""

    hidden_act: Activation = "gelu"
    rms_norm_eps: float = 1e-5
    tie_word_embeddings: bool = True
    alibi: Literal[False] = False
    parallel_attn: Literal[True] = True
    new_decoder_architecture: bool = False
    num_ln_in_parallel_attn: int | None = None

    @property
    def two_norms(self) -> bool:
        """Whether each block has a norm of its own."""
        return self.new_decoder_architecture and self.num_ln_in_parallel_attn != 1

    @model_validator(mode="before")
    @classmethod
    def _sizes(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("hidden_size"), int):
            return raw
        known = {"ffn_hidden_size": 4 * raw["hidden_size"], **raw}
        if "multi_query" in raw and not raw.get("new_decoder_architecture"):
            known["num_kv_heads"] = 1 if raw["multi_query"] else raw.get("num_attention_heads")
        return known


GGUF = GgufMap(
    layers="transformer.h",
    constants={"qkv_by_group": False},
    flags={"new_decoder_architecture": "blk.0.attn_norm_2.weight"},
    tensors={
        "transformer.word_embeddings": "token_embd",
        "transformer.ln_f": "output_norm",
        "ln_attn": "attn_norm_2",
        "ln_mlp": "attn_norm",
        "self_attention.query_key_value": "attn_qkv",
        "self_attention.dense": "attn_output",
        "mlp.dense_h_to_4h": "ffn_up",
        "mlp.dense_4h_to_h": "ffn_down",
    },
)
