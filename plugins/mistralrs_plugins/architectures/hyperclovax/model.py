"""HyperCLOVA X = Granite whose logits are multiplied, and with norms after each block too if the config says so."""

from functools import partial
from typing import Any

from mistralrs import modelkit as kit

NORMS = ("input_layernorm", "post_norm1", "post_attention_layernorm", "post_norm2")


def norm(cfg: Any, wb: Any, name: str, width: int) -> Any:
    """Any norm; what comes out of a block is scaled after its norm."""
    return (kit.scaled(kit.rms) if name.startswith("post_norm") else kit.rms)(cfg, wb, name, width)


def build(cfg: Any, wb: Any) -> kit.CausalLm:
    """The model described by ``cfg``."""
    both: Any = {"norm": norm, "layer": partial(kit.sandwich_norm, names=NORMS)}
    parts = both if cfg.use_post_norm else {"attention": kit.scaled(kit.gqa), "mlp": kit.scaled(kit.gated_mlp)}
    return kit.DecoderRecipe(**parts, embed_scale=kit.embedding_scale, logit_scale=kit.logits_scaling)(cfg, wb)
