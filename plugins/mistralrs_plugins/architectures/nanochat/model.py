"""NanoChat = norms without weights, also on embeddings and heads that turn backwards, and squared ReLU ungated."""

from functools import partial
from typing import Any

from mistralrs import modelkit as kit
from mistralrs.layers import Chain

norm = kit.rms_without_weight


def normed(cfg: Any, wb: Any, embed: Any) -> Chain:
    """Hidden states start as normed embeddings."""
    return Chain(embed, norm(cfg, wb, "", cfg.hidden_size))


attention = partial(kit.gqa, qk_norm=kit.per_head(norm), block=kit.RotateThenNorm)
mlp = partial(kit.plain_mlp, up="fc1", down="fc2")
build = kit.DecoderRecipe(attention=attention, mlp=mlp, norm=norm, entry=normed, rope=kit.rope_backwards)
