"""GLM-4 MoE = biases on queries, keys and values, norms on their heads in the large one, and experts."""

from functools import partial
from typing import Any

from torch import nn

from mistralrs.modelkit import CORRECTION, DecoderRecipe, gqa, moe_block, rms
from mistralrs.weights import WeightBuilder


def attention(cfg: Any, wb: WeightBuilder, index: int, rope: nn.Module) -> nn.Module:
    """Attention, with normed heads where the config says so or the file has the norms."""
    normed = cfg.use_qk_norm or wb.has("q_norm.weight")
    return gqa(cfg, wb, index, rope, out_bias=False, head_norm=rms if normed else None)


build = DecoderRecipe(attention=attention, mlp=partial(moe_block, correction=CORRECTION))
