"""GPT BigCode = GPT-2 with one key head, and matrices stored as usual."""

from functools import partial

from mistralrs import modelkit as kit

build = kit.DecoderRecipe(
    attention=partial(kit.gqa, qkv=kit.grouped_qkv("c_attn"), out="c_proj"),
    mlp=partial(kit.plain_mlp, up="c_fc", down="c_proj"),
    norm=kit.layer_norm,
    layer=partial(kit.pre_norm, names=("ln_1", "ln_2")),
    entry=kit.with_positions("wpe"),
    rope=kit.no_rope,
    names=kit.Names(body="transformer", embed="wte", layers="h", norm="ln_f", attention="attn"),
)
