"""A decoder as a choice of parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from mistralrs.modelkit.decoder import CausalLm
from mistralrs.modelkit.parts import NormPart, gated_mlp, gqa, one, pre_norm, rms
from mistralrs.modelkit.rope import rope_per_layer

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


@dataclass(frozen=True, slots=True)
class DecoderRecipe:
    """The common decoder with replaceable parts; calling it builds the model.

    ``attention(cfg, wb, index, rope)`` and ``mlp(cfg, wb)`` make a layer's blocks, ``norm(cfg, wb, name, width)`` any
    norm, ``layer(norm, attn, mlp)`` puts one together. ``embed_scale(cfg)`` multiplies the embeddings.
    """

    attention: Callable[..., nn.Module] = gqa
    mlp: Callable[..., nn.Module] = gated_mlp
    norm: NormPart = rms
    layer: Callable[..., nn.Module] = pre_norm
    embed_scale: Callable[[Any], float] = one

    def __call__(self, cfg: Any, wb: WeightBuilder) -> CausalLm:
        """The model described by ``cfg``, with its weights from ``wb``."""
        body = wb.pp("model")
        ropes = rope_per_layer(cfg, body)
        embed = body.embedding("embed_tokens", cfg.vocab_size, cfg.hidden_size, scale=self.embed_scale(cfg))
        each = dict(body.pp("layers").each(cfg.num_hidden_layers))
        layers = [self._layer(cfg, at, i, ropes[i].on(at.device)) for i, at in each.items()]
        norm = self.norm(cfg, body, "norm", cfg.hidden_size)
        tied = cfg.tie_word_embeddings
        head: Any = wb.head(embed) if tied else wb.linear("lm_head", cfg.hidden_size, cfg.vocab_size)
        return CausalLm(
            embed,
            layers,
            norm,
            head,
            logit_softcap=cfg.final_logit_softcapping,
            home=wb.slot,
            slots=[at.slot for at in each.values()],
        )

    def _layer(self, cfg: Any, wb: WeightBuilder, index: int, rope: nn.Module) -> nn.Module:
        def norm(name: str) -> nn.Module:
            return self.norm(cfg, wb, name, cfg.hidden_size)

        attention = self.attention(cfg, wb.pp("self_attn"), index, rope)
        return self.layer(norm, attention, self.mlp(cfg, wb.pp("mlp")))
