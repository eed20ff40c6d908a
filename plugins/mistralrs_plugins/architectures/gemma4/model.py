"""Gemma 4: layers of two kinds of heads, keys shared between them, and embeddings of each layer's own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mistralrs.layers import Chain, Rope
from mistralrs.modelkit import DecoderRecipe, Names, gated_mlp, rms, root_of_width, rope_from
from mistralrs.modelkit.layer_inputs import LayerInputs, layer_input, layer_inputs, take_input
from mistralrs.modelkit.parts import SANDWICH, by_layer_type, separate
from mistralrs.modelkit.shared_attention import shared_gqa
from mistralrs.ops import AttentionSpec, Step
from mistralrs_plugins.architectures.gemma4.config import Gemma4Config
from mistralrs_plugins.architectures.gemma4.experts import experts_beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from mistralrs.layers import Embedding
    from mistralrs.weights import WeightBuilder


class KeysAsValues(nn.Module):
    """Queries and keys from two projections; values are the keys before their norm."""

    def __init__(self, q: nn.Module, k: nn.Module) -> None:
        super().__init__()
        self.q, self.k = q, k

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """``[tokens, width]`` to three tensors ``[tokens, heads * head_dim]``."""
        k = self.k(x, step)
        return self.q(x, step), k, k


class Entry(nn.Module):
    """The embedding, and behind it those of all layers."""

    def __init__(self, embed: nn.Module, inputs: LayerInputs) -> None:
        super().__init__()
        self.embed, self.inputs = embed, inputs

    def forward(self, ids: Tensor, step: Step) -> Tensor:
        """``[tokens]`` to ``[tokens, width + layers * size]``."""
        x = self.embed(ids, step)
        return step.ops.join_heads(x, self.inputs(ids, x, step), 1)


class Blocks(nn.Module):
    """What follows attention: the feed-forward block, the layer's own embedding, and a scale for all of it."""

    scale: Tensor

    def __init__(self, mlp: nn.Module, own: nn.Module | None, scale: Tensor, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.mlp, self.own, self.sizes = mlp, own, sizes
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, x: Tensor, own: Tensor | None, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        x = step.ops.add(x, self.mlp(x, step))
        if self.own is not None:
            x = step.ops.add(x, self.own(x, own, step))
        return step.ops.multiply(x, self.scale)


class Gemma4Layer(nn.Module):
    """Attention between two norms, then the other blocks; embeddings of later layers pass by."""

    def __init__(self, before: nn.Module, attn: nn.Module, after: nn.Module, blocks: Blocks) -> None:
        super().__init__()
        self.before, self.attn, self.after, self.blocks = before, attn, after, blocks

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width + own + later]`` to ``[tokens, width + later]``."""
        own: Tensor | None = None
        later: list[Tensor] = []
        if self.blocks.own is not None:
            x, own, *later = step.ops.split(x, self.blocks.sizes)
        x = step.ops.add(x, self.after(self.attn(self.before(x, step), step), step))
        x = self.blocks(x, own, step)
        return step.ops.join_heads(x, later[0], 1) if later else x


def heads(cfg: Gemma4Config, index: int) -> AttentionSpec:
    """Layers that see the whole past have other heads."""
    dims = by_layer_type(cfg, index)
    return (
        dims if cfg.slides(index) else replace(dims, head_dim=cfg.global_head_dim, kv_heads=cfg.global_key_value_heads)
    )


def projections(cfg: Gemma4Config, wb: WeightBuilder, dims: AttentionSpec, bias: bool) -> nn.Module:
    """Three, or two where keys are values."""
    if cfg.slides(wb.layer or 0) or not cfg.attention_k_eq_v:
        return separate(cfg, wb, dims, bias)
    counts = {"q_proj": dims.heads, "k_proj": dims.kv_heads}
    return KeysAsValues(
        *(wb.linear(name, cfg.hidden_size, count * dims.head_dim, bias=bias) for name, count in counts.items())
    )


def ropes(cfg: Gemma4Config, wb: WeightBuilder) -> list[Rope | None]:
    """One for each kind of layer."""
    everywhere = rope_from(cfg.model_copy(update={"head_dim": cfg.global_head_dim}), cfg.rope_parameters, wb)
    # Frequency divisors beside the layers are those of the other kind.
    sliding = rope_from(cfg, cfg.sliding_rope_parameters or cfg.rope_parameters, wb.pp("layers"))
    return [sliding if cfg.slides(layer) else everywhere for layer in range(cfg.num_hidden_layers)]


def entry(cfg: Gemma4Config, wb: WeightBuilder, embed: Embedding) -> nn.Module:
    """Smaller models have embeddings for each layer, larger ones have not."""
    return Entry(embed, layer_inputs(cfg, wb)) if cfg.hidden_size_per_layer_input else embed


def blocks(cfg: Gemma4Config, wb: WeightBuilder) -> Blocks:
    """All of a layer but its attention."""
    layer, width = wb.layer or 0, cfg.hidden_size
    before, after = (rms(cfg, wb, name, width) for name in SANDWICH[2:])
    mlp: nn.Module = Chain(before, gated_mlp(cfg, wb.pp("mlp"), inner=cfg.width_of(layer)))
    if cfg.enable_moe_block:
        mlp = experts_beside(cfg, wb, mlp)
    scale = wb.tensor("layer_scalar", (1,)).repeat(width)
    own = layer_input(cfg, wb) if cfg.hidden_size_per_layer_input else None
    return Blocks(Chain(mlp, after), own, scale, take_input(cfg, layer, width))


def layer(norm: Callable[[str], nn.Module], attn: nn.Module, rest: Blocks) -> Gemma4Layer:
    """Put together."""
    return Gemma4Layer(norm(SANDWICH[0]), attn, norm(SANDWICH[1]), rest)


build = DecoderRecipe(
    attention=partial(shared_gqa, spec=heads, qkv=projections),
    mlp=blocks,
    layer=layer,
    embed_scale=root_of_width,
    entry=entry,
    rope=ropes,
    names=Names(mlp=""),
)
