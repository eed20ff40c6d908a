"""GPT-NeoX = both blocks side by side, each after its own layer norm, and one matrix for queries, keys and values."""

from functools import partial
from typing import Any

from mistralrs import modelkit as kit

attention = partial(kit.gqa, qkv=kit.grouped_qkv("query_key_value"), out="dense")
mlp = partial(kit.plain_mlp, up="dense_h_to_4h", down="dense_4h_to_h", bias=True)
names = kit.Names(body="gpt_neox", embed="embed_in", norm="final_layer_norm", attention="attention")
NORMS = ("input_layernorm", "post_attention_layernorm")


def build(cfg: Any, wb: Any) -> kit.CausalLm:
    """The model described by ``cfg``."""
    layer = partial(kit.parallel, names=NORMS) if cfg.use_parallel_residual else kit.pre_norm
    head = partial(kit.output_head, name="embed_out" if wb.has("embed_out.weight") else "lm_head")
    parts: Any = {"attention": attention, "mlp": mlp, "norm": kit.layer_norm, "layer": layer}
    return kit.DecoderRecipe(**parts, head=head, names=names)(cfg, wb)
