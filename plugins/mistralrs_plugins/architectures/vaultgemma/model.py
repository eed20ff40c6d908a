"""VaultGemma = Gemma 2 without the norms after its blocks."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, pre_norm, root_of_width

layer = partial(pre_norm, names=("input_layernorm", "pre_feedforward_layernorm"))
build = DecoderRecipe(layer=layer, embed_scale=root_of_width)
