"""What files of OPT say."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import Activation, CausalConfig


class OptConfig(CausalConfig):
    """config.json with the defaults of OPT. The one model with norms behind its blocks (350m) is refused."""

    hidden_act: Activation = "relu"
    rms_norm_eps: float = 1e-5
    attention_bias: bool = True
    mlp_bias: bool = True
    tie_word_embeddings: bool = True
    do_layer_norm_before: Literal[True] = True
    layer_norm_elementwise_affine: Literal[True] = True

    @model_validator(mode="before")
    @classmethod
    def _names(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        projected = raw.get("word_embed_proj_dim")
        if projected is not None and projected != raw.get("hidden_size"):
            raise ValueError(f"word_embed_proj_dim ({projected}) other than hidden_size is not supported")
        renamed = {"intermediate_size": raw["ffn_dim"]} if "ffn_dim" in raw else {}
        biases = {"bias": raw["enable_bias"]} if "enable_bias" in raw else {}
        return {**raw, **renamed, **biases}
