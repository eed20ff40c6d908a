"""What files of MiniCPM 3 say."""

import math
from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.config import ScaledConfig
from mistralrs.modelkit.latent_config import LATENT_CONFIG, LATENT_TENSORS, LatentConfig, LatentGgufMap

SCALES = {"scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 256}
"""What GGUF leaves out, as all published models have it."""


class MiniCPM3Config(LatentConfig, ScaledConfig):
    """config.json with the defaults of MiniCPM 3, whose scales depend on its depth and width."""

    rms_norm_eps: float = 1e-5
    tie_word_embeddings: bool = True

    @model_validator(mode="before")
    @classmethod
    def _scales(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {**SCALES, **{key: value for key, value in raw.items() if value is not None}}
        names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "scale_depth", "dim_model_base")
        numbers: list[Any] = [known.get(name) for name in names]
        if not all(isinstance(number, int | float) and 0 < number < 1e9 for number in numbers):
            return raw  # the schema says which
        layers, width, heads, depth, base = map(float, numbers)
        known.setdefault("v_head_dim", int(width / heads))
        known["embedding_multiplier"] = known["scale_emb"]
        known["residual_multiplier"] = depth / math.sqrt(layers)
        known["logits_scaling"] = width / base
        return known


GGUF = LatentGgufMap(config=LATENT_CONFIG, tensors=LATENT_TENSORS)
