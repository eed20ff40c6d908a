"""Falcon = both blocks side by side after a layer norm, or one each, and one matrix for queries, keys and values."""

from functools import partial
from typing import Any

from mistralrs.modelkit import CausalLm, DecoderRecipe, Names, gqa, grouped_qkv, layer_norm, parallel, plain_mlp

attention = partial(gqa, qkv=grouped_qkv("query_key_value"), out="dense")
mlp = partial(plain_mlp, up="dense_h_to_4h", down="dense_4h_to_h")
names = Names(body="transformer", embed="word_embeddings", layers="h", norm="ln_f", attention="self_attention")


def build(cfg: Any, wb: Any) -> CausalLm:
    """The model described by ``cfg``."""
    norms = ("ln_attn", "ln_mlp") if cfg.two_norms else ("input_layernorm",)
    layer = partial(parallel, names=norms)
    return DecoderRecipe(attention=attention, mlp=mlp, norm=layer_norm, layer=layer, names=names)(cfg, wb)
