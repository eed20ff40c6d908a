"""A decoder as a choice of parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

from mistralrs.modelkit.decoder import CausalLm
from mistralrs.modelkit.parts import NormPart, gated_mlp, gqa, pre_norm, rms, rope_from

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


def _one(_cfg: Any) -> float:
    return 1.0


def _nothing(_cfg: Any) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class DecoderRecipe:
    """The common decoder with replaceable parts; calling it builds the model.

    ``attention(cfg, wb, index, rope)`` and ``mlp(cfg, wb)`` make a layer's blocks, ``norm(wb, name, width, eps)`` any
    norm, ``layer(norm, attn, mlp)`` puts one together. ``embed_scale`` and ``logit_softcap`` read the config.
    """

    attention: Callable[..., nn.Module] = gqa
    mlp: Callable[..., nn.Module] = gated_mlp
    norm: NormPart = rms
    layer: Callable[..., nn.Module] = pre_norm
    embed_scale: Callable[[Any], float] = _one
    logit_softcap: Callable[[Any], float | None] = _nothing

    def __call__(self, cfg: Any, wb: WeightBuilder) -> CausalLm:
        """The model described by ``cfg``, with its weights from ``wb``."""
        body = wb.pp("model")
        rope = rope_from(cfg, body)
        embed = body.embedding("embed_tokens", cfg.vocab_size, cfg.hidden_size, scale=self.embed_scale(cfg))
        layers = [self._layer(cfg, each, i, rope) for i, each in body.pp("layers").each(cfg.num_hidden_layers)]
        norm = self.norm(body, "norm", cfg.hidden_size, cfg.rms_norm_eps)
        tied = cfg.tie_word_embeddings
        head: Any = wb.head(embed) if tied else wb.linear("lm_head", cfg.hidden_size, cfg.vocab_size)
        return CausalLm(embed, layers, norm, head, logit_softcap=self.logit_softcap(cfg))

    def _layer(self, cfg: Any, wb: WeightBuilder, index: int, rope: nn.Module) -> nn.Module:
        attention = self.attention(cfg, wb.pp("self_attn"), index, rope)
        norm = partial(self.norm, wb, width=cfg.hidden_size, eps=cfg.rms_norm_eps)
        return self.layer(norm, attention, self.mlp(cfg, wb.pp("mlp")))
