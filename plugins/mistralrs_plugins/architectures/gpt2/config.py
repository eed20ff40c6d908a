"""What files of GPT-2 say; in GGUF matrices are stored as usual."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import Activation, CausalConfig
from mistralrs.modelkit.gguf import BY_POSITION, GgufMap


class Gpt2Config(CausalConfig):
    """config.json with the defaults of GPT-2. Scores scaled by the layer's number (a training aid) are refused."""

    hidden_act: Activation = "gelu_pytorch_tanh"
    rms_norm_eps: float = 1e-5
    attention_bias: bool = True
    mlp_bias: bool = True
    tie_word_embeddings: bool = True
    transposed: bool = True
    scale_attn_weights: Literal[True] = True
    scale_attn_by_inverse_layer_idx: Literal[False] = False

    @model_validator(mode="before")
    @classmethod
    def _inner(cls, raw: Any) -> Any:
        width = raw.get("n_embd") if isinstance(raw, dict) else None
        return {**raw, "n_inner": raw.get("n_inner") or 4 * width} if isinstance(width, int) else raw


GGUF = GgufMap(
    layers="transformer.h",
    constants={"transposed": False},
    tensors=BY_POSITION,
)
