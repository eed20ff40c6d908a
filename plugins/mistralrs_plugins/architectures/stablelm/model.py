"""StableLM = Llama with layer norms and a quarter of each head rotated; its larger ones differ in the layer."""

from functools import partial
from typing import Any

from mistralrs import modelkit as kit

norms = kit.per_head(kit.layer_norm_of_each_head, "q_layernorm", "k_layernorm")
attention = partial(kit.gqa, out_bias=False, qk_norm=kit.when("qk_layernorm", norms))


def build(cfg: Any, wb: Any) -> kit.CausalLm:
    """The model described by ``cfg``."""
    layer = kit.parallel if cfg.use_parallel_residual else kit.pre_norm
    return kit.DecoderRecipe(attention=attention, norm=kit.layer_norm, layer=layer)(cfg, wb)
