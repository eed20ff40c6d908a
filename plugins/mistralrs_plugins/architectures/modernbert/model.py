"""ModernBERT = a pre-norm encoder with rotated heads, gated blocks, and windows on most layers (arXiv 2412.13663)."""

from dataclasses import replace
from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, gated_mlp, gqa, packed_qkv, pre_norm
from mistralrs.modelkit.encoder import both_sides, classifier, no_head, typed_entry
from mistralrs.modelkit.norms import layer_norm_without_bias, unless_first

norm = unless_first(layer_norm_without_bias, "attn_norm")
build = DecoderRecipe(
    attention=partial(gqa, qkv=packed_qkv("Wqkv"), out="Wo", spec=both_sides()),
    mlp=partial(gated_mlp, packed="Wi", names=("", "", "Wo")),
    norm=norm,
    layer=partial(pre_norm, names=("attn_norm", "mlp_norm")),
    entry=typed_entry(positions=None, norm="embeddings.norm", norm_part=norm),
    head=no_head,
    names=Names(embed="embeddings.tok_embeddings", norm="final_norm", attention="attn"),
)
classify = replace(build, head=classifier("head.dense", "classifier", activation="gelu", norm=(norm, "head.norm")))
