"""InternLM 3 = Llama whose inputs to attention may have biases of their own."""

from typing import Any

from mistralrs.modelkit import Attention, DecoderRecipe, gqa


def attention(cfg: Any, wb: Any, index: int, rope: Any) -> Attention:
    """Attention with the two kinds of biases."""
    return gqa(cfg, wb, index, rope, bias=cfg.qkv_bias, out_bias=cfg.attention_bias)


build = DecoderRecipe(attention=attention)
