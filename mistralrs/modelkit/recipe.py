"""A decoder as a choice of parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from mistralrs.layers import Embedding, PositionedEmbedding, Rope
from mistralrs.modelkit.decoder import CausalLm
from mistralrs.modelkit.mlps import gated_mlp
from mistralrs.modelkit.norms import NormPart, rms
from mistralrs.modelkit.parts import gqa, one, pre_norm
from mistralrs.modelkit.rope import rope_per_layer

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a checkpoint calls the parts of a decoder; those of a layer are below ``body.layers.N``, "" is the layer.

    ``norm`` "" is a model without a last norm.
    """

    body: str = "model"
    embed: str = "embed_tokens"
    layers: str = "layers"
    norm: str = "norm"
    attention: str = "self_attn"
    mlp: str = "mlp"


def output_head(cfg: Any, wb: WeightBuilder, embed: Embedding, *, name: str = "lm_head", bias: bool = False) -> Any:
    """The output projection: the embedding again when they are tied, else a matrix of its own."""
    return wb.head(embed) if cfg.tie_word_embeddings else wb.linear(name, cfg.hidden_size, cfg.vocab_size, bias=bias)


def tokens_alone(cfg: Any, wb: WeightBuilder, embed: Embedding) -> nn.Module:
    """Hidden states start as the tokens' embeddings."""
    return embed


def with_positions(name: str) -> Callable[[Any, Any, Embedding], nn.Module]:
    """Hidden states start as the sum of the embeddings of tokens and of positions, one per position of the context."""

    def part(cfg: Any, wb: Any, embed: Embedding) -> nn.Module:
        return PositionedEmbedding(embed, wb.embedding(name, cfg.max_position_embeddings, cfg.hidden_size))

    return part


@dataclass(frozen=True, slots=True)
class DecoderRecipe:
    """The common decoder with replaceable parts; calling it builds the model.

    ``attention(cfg, wb, index, rope)`` and ``mlp(cfg, wb)`` make a layer's blocks, ``norm(cfg, wb, name, width)`` any
    norm, ``layer(norm, attn, mlp)`` puts one together. ``embed_scale(cfg)`` multiplies the embeddings and
    ``logit_scale(cfg)`` the logits. ``entry(cfg, wb, embed)`` makes the first hidden states, ``head(cfg, wb, embed)``
    the output projection, ``rope(cfg, wb)`` each layer's rotary embedding or None. ``names`` are the checkpoint's.
    """

    attention: Callable[..., nn.Module] = gqa
    mlp: Callable[..., nn.Module] = gated_mlp
    norm: NormPart = rms
    layer: Callable[..., nn.Module] = pre_norm
    embed_scale: Callable[[Any], float] = one
    logit_scale: Callable[[Any], float] = one
    entry: Callable[..., nn.Module] = tokens_alone
    head: Callable[..., Any] = output_head
    rope: Callable[..., Sequence[Rope | None]] = rope_per_layer
    names: Names = Names()

    def __call__(self, cfg: Any, wb: WeightBuilder) -> CausalLm:
        """The model described by ``cfg``, with its weights from ``wb``."""
        names = self.names
        body = wb.pp(names.body)
        if not body.has(f"{names.embed}.weight") and wb.has(f"{names.embed}.weight"):
            body = wb  # saved without the head, and so without the name of what is below it
        ropes = self.rope(cfg, body)
        embed = body.embedding(names.embed, cfg.vocab_size, cfg.hidden_size, scale=self.embed_scale(cfg))
        entry = self.entry(cfg, body, embed)
        each = dict(body.pp(names.layers).each(cfg.num_hidden_layers))
        layers = [self._layer(cfg, at, index, ropes[index]) for index, at in each.items()]
        norm = self.norm(cfg, body, names.norm, cfg.hidden_size) if names.norm else None
        return CausalLm(
            entry,
            layers,
            norm,
            self.head(cfg, wb, embed),
            logit_softcap=cfg.final_logit_softcapping,
            logit_scale=self.logit_scale(cfg),
            home=wb.slot,
            slots=[at.slot for at in each.values()],
        )

    def _layer(self, cfg: Any, wb: WeightBuilder, index: int, rope: Rope | None) -> nn.Module:
        def norm(name: str) -> nn.Module:
            return self.norm(cfg, wb, name, cfg.hidden_size)

        turned = rope.on(wb.device) if rope is not None else None
        attention = self.attention(cfg, wb.pp(*self.names.attention.split()), index, turned)
        return self.layer(norm, attention, self.mlp(cfg, wb.pp(*self.names.mlp.split())))
