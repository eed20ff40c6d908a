"""Ministral 3 = Mistral whose queries grow with the logarithm of their position."""

from functools import partial
from typing import Any

from mistralrs.modelkit import Attention, DecoderRecipe, TemperedAttention, gqa, windowed


def attention(cfg: Any, wb: Any, index: int, rope: Any) -> Attention:
    """Attention with or without growing queries, as the config says."""
    beta, trained = cfg.rope_parameters.llama_4_scaling_beta, cfg.rope_parameters.original_max_position_embeddings
    if not beta or not trained:
        return gqa(cfg, wb, index, rope, spec=windowed)
    block = partial(TemperedAttention, stretch=trained, factor=beta, first=0)
    return gqa(cfg, wb, index, rope, spec=windowed, block=block)


build = DecoderRecipe(attention=attention)
