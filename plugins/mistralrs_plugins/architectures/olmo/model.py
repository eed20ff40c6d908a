"""OLMo = Llama with layer norms that have no weights, and queries, keys and values kept within limits."""

from typing import Any

from mistralrs.modelkit import Attention, ClampedQkv, DecoderRecipe, gqa, layer_norm_without_weight


def attention(cfg: Any, wb: Any, index: int, rope: Any) -> Attention:
    """Attention of what is within the limits."""
    block = gqa(cfg, wb, index, rope)
    if cfg.clip_qkv is not None:
        block.qkv = ClampedQkv(block.qkv, cfg.clip_qkv)
    return block


build = DecoderRecipe(attention=attention, norm=layer_norm_without_weight)
