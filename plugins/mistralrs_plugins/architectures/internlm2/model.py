"""InternLM 2 = Llama under other names, with one matrix for queries, keys and values, group by group."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, gated_mlp, gqa, grouped_or_separate, output_head, pre_norm

build = DecoderRecipe(
    attention=partial(gqa, qkv=grouped_or_separate("wqkv"), out="wo"),
    mlp=partial(gated_mlp, names=("w1", "w3", "w2")),
    layer=partial(pre_norm, names=("attention_norm", "ffn_norm")),
    head=partial(output_head, name="output"),
    names=Names(embed="tok_embeddings", attention="attention", mlp="feed_forward"),
)
