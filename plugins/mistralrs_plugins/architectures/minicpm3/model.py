"""MiniCPM 3 = latent attention, and scales on embeddings, blocks and logits."""

from mistralrs.modelkit import DecoderRecipe, gated_mlp, latent_attention, scaled

build = DecoderRecipe(
    attention=scaled(latent_attention, lambda cfg: cfg.residual_multiplier),
    mlp=scaled(gated_mlp, lambda cfg: cfg.residual_multiplier),
    embed_scale=lambda cfg: float(cfg.embedding_multiplier),
    logit_scale=lambda cfg: 1 / cfg.logits_scaling,
)
