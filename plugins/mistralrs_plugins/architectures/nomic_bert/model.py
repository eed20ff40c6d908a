"""Nomic BERT = BERT with rotated heads and gated blocks, without biases (arXiv 2402.01613)."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, gated_mlp, gqa, layer_norm, packed_qkv
from mistralrs.modelkit.encoder import both_sides, no_head, normed_sum, typed_entry

build = DecoderRecipe(
    attention=partial(gqa, qkv=packed_qkv("Wqkv"), out="out_proj", spec=both_sides()),
    mlp=partial(gated_mlp, names=("fc12", "fc11", "fc2")),
    norm=layer_norm,
    layer=partial(normed_sum, names=("norm1", "norm2")),
    entry=typed_entry(positions=None, norm="emb_ln"),
    head=no_head,
    names=Names(embed="embeddings.word_embeddings", layers="encoder.layers", norm="", attention="attn"),
)
