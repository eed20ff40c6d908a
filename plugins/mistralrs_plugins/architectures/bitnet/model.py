"""BitNet = Llama with one more norm before each output projection, and squared ReLU."""

from typing import Any

from torch import nn

from mistralrs.layers import Chain
from mistralrs.modelkit import Attention, DecoderRecipe, gated_mlp, gqa, rms


def attention(cfg: Any, wb: Any, index: int, rope: Any) -> Attention:
    """Attention whose heads are normed together."""
    block = gqa(cfg, wb, index, rope)
    block.out = Chain(rms(cfg, wb, "attn_sub_norm", cfg.num_attention_heads * cfg.head_dim), block.out)
    return block


def mlp(cfg: Any, wb: Any) -> nn.Module:
    """The gated block with a norm inside."""
    block = gated_mlp(cfg, wb)
    block.down = Chain(rms(cfg, wb, "ffn_sub_norm", cfg.intermediate_size), block.down)
    return block


build = DecoderRecipe(attention=attention, mlp=mlp)
