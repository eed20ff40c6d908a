"""What files of GPT BigCode say; in GGUF queries, keys and values are stacked."""

from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.config import Activation, CausalConfig
from mistralrs.modelkit.gguf import BY_POSITION, GgufMap


class GptBigCodeConfig(CausalConfig):
    """config.json with the defaults of GPT BigCode."""

    hidden_act: Activation = "gelu_pytorch_tanh"
    rms_norm_eps: float = 1e-5
    attention_bias: bool = True
    mlp_bias: bool = True
    tie_word_embeddings: bool = True

    @model_validator(mode="before")
    @classmethod
    def _sizes(cls, raw: Any) -> Any:
        width = raw.get("n_embd") if isinstance(raw, dict) else None
        if not isinstance(width, int):
            return raw
        heads = 1 if raw.get("multi_query", True) else raw.get("n_head")
        return {**raw, "n_inner": raw.get("n_inner") or 4 * width, "num_key_value_heads": heads}


GGUF = GgufMap(
    layers="transformer.h",
    constants={"qkv_by_group": False},
    tensors=BY_POSITION,
)
