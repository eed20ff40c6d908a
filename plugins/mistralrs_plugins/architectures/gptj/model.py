"""GPT-J = both blocks side by side after one layer norm, neighbours rotated together, and a bias on the head."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, gqa, layer_norm, output_head, parallel, plain_mlp

build = DecoderRecipe(
    attention=partial(gqa, bias=False, out="out_proj"),
    mlp=partial(plain_mlp, up="fc_in", down="fc_out", bias=True),
    norm=layer_norm,
    layer=partial(parallel, names=("ln_1",)),
    head=partial(output_head, bias=True),
    names=Names(body="transformer", embed="wte", layers="h", norm="ln_f", attention="attn"),
)
