"""Gemma 3n: streams of hidden states, sparse gates, low-rank residuals, keys shared between layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mistralrs.layers import Chain, GatedMlp
from mistralrs.modelkit import DecoderRecipe, Names, gated_mlp, rms, root_of_width
from mistralrs.modelkit.layer_inputs import LayerInput, layer_input, layer_inputs, take_input
from mistralrs.modelkit.parts import SANDWICH
from mistralrs.modelkit.shared_attention import shared_gqa
from mistralrs.ops import Step
from mistralrs_plugins.architectures.gemma3n.altup import AltUp, Entry, Exit, altup, projections
from mistralrs_plugins.architectures.gemma3n.config import Gemma3nConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from mistralrs.layers import Embedding
    from mistralrs.weights import WeightBuilder


class SparseGate(nn.Module):
    """A gate of which only what is ``deviations`` above the mean gets through."""

    def __init__(self, gate: nn.Module, deviations: float) -> None:
        super().__init__()
        self.gate, self.deviations = gate, deviations

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to ``[tokens, inner]``."""
        return step.ops.gaussian_topk(self.gate(x, step), self.deviations)


class OwnInput(nn.Module):
    """Adds the layer's own embedding to all streams but the first, as the active one, scaled by ``scale``, demands."""

    scale: Tensor

    def __init__(self, own: LayerInput, scale: Tensor, active: int) -> None:
        super().__init__()
        self.own, self.active = own, active
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, streams: tuple[Tensor, ...], own: Tensor, step: Step) -> Tensor:
        """The streams, each ``[tokens, width]``, to ``[tokens, streams * width]``."""
        added = self.own(step.ops.multiply(streams[self.active], self.scale), own, step)
        joined, *others = streams
        for stream in others:
            joined = step.ops.join_heads(joined, step.ops.add(stream, added), 1)
        return joined


class Blocks(nn.Module):
    """What a layer has beside its attention."""

    def __init__(self, altup: AltUp, laurel: nn.Module, mlp: nn.Module, own: OwnInput, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.altup, self.laurel, self.mlp, self.own, self.sizes = altup, laurel, mlp, own, sizes


class Gemma3nLayer(nn.Module):
    """Predict the streams, compute the active one, correct all; embeddings of later layers pass by."""

    def __init__(self, before: nn.Module, attn: nn.Module, after: nn.Module, blocks: Blocks) -> None:
        super().__init__()
        self.before, self.attn, self.after, self.blocks = before, attn, after, blocks

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, streams * width + own + later]`` to ``[tokens, streams * width + later]``."""
        ops, altup = step.ops, self.blocks.altup
        x, own, *later = ops.split(x, self.blocks.sizes)
        predicted = altup.predict(x, step)
        computed = self.compute(altup.parts(predicted, step)[altup.active], step)
        corrected = altup.correct(predicted, computed, step)
        x = self.blocks.own(altup.parts(corrected, step), own, step)
        return ops.join_heads(x, later[0], 1) if later else x

    def compute(self, x: Tensor, step: Step) -> Tensor:
        """Attention beside a low-rank residual (LAuReL, arXiv 2411.07501), then the feed-forward block."""
        ops, normed = step.ops, self.before(x, step)
        attended = ops.add(x, self.after(self.attn(normed, step), step))
        low_rank = ops.add(normed, self.blocks.laurel(normed, step))
        x = ops.scale(ops.add(attended, low_rank), math.sqrt(0.5))
        return ops.add(x, self.blocks.mlp(x, step))


def entry(cfg: Gemma3nConfig, wb: WeightBuilder, embed: Embedding) -> Entry:
    """What layers start from."""
    return Entry(embed, projections(cfg, wb, "altup_projections"), layer_inputs(cfg, wb))


def norm(cfg: Gemma3nConfig, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """Any norm; before the last one the streams become one."""
    usual = rms(cfg, wb, name, width)
    return Chain(Exit(projections(cfg, wb, "altup_unembed_projections"), width), usual) if name == "norm" else usual


def blocks(cfg: Gemma3nConfig, wb: WeightBuilder) -> Blocks:
    """All of a layer but its attention."""
    layer, width = wb.layer or 0, cfg.hidden_size
    at = wb.pp("laurel")
    laurel = Chain(
        at.linear("linear_left", width, cfg.laurel_rank),
        at.linear("linear_right", cfg.laurel_rank, width),
        rms(cfg, at, "post_laurel_norm", width),
    )
    mlp = gated_mlp(cfg, wb.pp("mlp"), inner=cfg.intermediate_sizes[layer])
    if isinstance(mlp, GatedMlp) and (deviations := cfg.cut_off(layer)) is not None:
        mlp = GatedMlp(
            SparseGate(mlp.get_submodule("gate"), deviations),
            mlp.get_submodule("up"),
            mlp.get_submodule("down"),
            cfg.hidden_act,
        )
    before, after = (rms(cfg, wb, name, width) for name in SANDWICH[2:])
    scale = wb.pp("altup").tensor("correct_output_scale", (width,))
    own = OwnInput(layer_input(cfg, wb), scale, cfg.altup_active_idx)
    sizes = take_input(cfg, layer, cfg.altup_num_inputs * width)
    return Blocks(altup(cfg, wb.pp("altup")), laurel, Chain(before, mlp, after), own, sizes)


def layer(norm: Callable[[str], nn.Module], attn: nn.Module, rest: Blocks) -> Gemma3nLayer:
    """Put together."""
    return Gemma3nLayer(norm(SANDWICH[0]), attn, norm(SANDWICH[1]), rest)


build = DecoderRecipe(
    attention=shared_gqa,
    mlp=blocks,
    norm=norm,
    layer=layer,
    embed_scale=root_of_width,
    entry=entry,
    names=Names(mlp=""),
)
