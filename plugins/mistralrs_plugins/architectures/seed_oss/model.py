"""Seed-OSS = Llama with biases on queries, keys and values, and on the output if the config says so."""

from typing import Any

from mistralrs.modelkit import Attention, DecoderRecipe, gqa


def attention(cfg: Any, wb: Any, index: int, rope: Any) -> Attention:
    """Attention with the two kinds of biases."""
    return gqa(cfg, wb, index, rope, out_bias=cfg.attention_out_bias)


build = DecoderRecipe(attention=attention)
