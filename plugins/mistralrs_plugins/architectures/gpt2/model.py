"""GPT-2 = learned positions, layer norms, blocks without a gate, and matrices that may be stored as ``[in, out]``."""

from functools import partial

from mistralrs import modelkit as kit

decoder = kit.DecoderRecipe(
    attention=partial(kit.gqa, qkv=kit.packed_qkv("c_attn"), out="c_proj"),
    mlp=partial(kit.plain_mlp, up="c_fc", down="c_proj"),
    norm=kit.layer_norm,
    layer=partial(kit.pre_norm, names=("ln_1", "ln_2")),
    entry=kit.with_positions("wpe"),
    rope=kit.no_rope,
    names=kit.Names(body="transformer", embed="wte", layers="h", norm="ln_f", attention="attn"),
)
build = kit.transposing(decoder, "c_attn.weight", "c_fc.weight", "c_proj.weight")
