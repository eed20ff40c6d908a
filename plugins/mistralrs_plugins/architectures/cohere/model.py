"""Command R = both blocks side by side after one norm, scaled logits; in the large one a norm for each head."""

from functools import partial

from mistralrs import modelkit as kit

norms = kit.when("use_qk_norm", kit.per_head(kit.layer_norm_of_each_head))

build = kit.DecoderRecipe(
    attention=partial(kit.gqa, qk_norm=norms),
    norm=kit.layer_norm_without_bias,
    layer=kit.parallel,
    logit_scale=lambda cfg: float(cfg.logit_scale),
)
