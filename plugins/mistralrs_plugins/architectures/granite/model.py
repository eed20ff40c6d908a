"""Granite = Llama with multipliers on embeddings, attention, residuals and logits."""

from mistralrs.modelkit import DecoderRecipe, embedding_scale, gated_mlp, gqa, logits_divisor, scaled

build = DecoderRecipe(
    attention=scaled(gqa),
    mlp=scaled(gated_mlp),
    embed_scale=embedding_scale,
    logit_scale=logits_divisor,
)
