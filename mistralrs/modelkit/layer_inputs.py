"""Embeddings that every layer has of its own.

They are made once, from the token and from its usual embedding, and travel behind the hidden states: what is not yet
consumed is the end of the width. So they move with them from slot to slot, and a layer takes its part off the front.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mistralrs.layers import Embedding
from mistralrs.modelkit.norms import rms
from mistralrs.modelkit.shared_config import SharedKeysConfig
from mistralrs.ops import Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


class LayerInputs(nn.Module):
    """All layers' embeddings of a token: a row of a table, plus a projection of its usual embedding."""

    def __init__(self, table: Embedding, project: nn.Module, norm: nn.Module, width: int) -> None:
        super().__init__()
        self.table, self.project, self.norm = table, project, norm
        self.scale = width**-0.5

    def forward(self, ids: Tensor, x: Tensor, step: Step) -> Tensor:
        """``[tokens]`` and ``[tokens, width]`` to ``[tokens, layers * size]``."""
        ops = step.ops
        context = self.norm(ops.scale(self.project(x, step), self.scale), step)
        known = ops.known_ids(ids, self.table.weight.shape[0])
        return ops.scale(ops.add(context, self.table(known, step)), math.sqrt(0.5))


class LayerInput(nn.Module):
    """Adds nothing by itself: ``norm(project(act(gate(x)) * own))``, where ``own`` is this layer's embedding."""

    def __init__(self, gate: nn.Module, project: nn.Module, norm: nn.Module, activation: str) -> None:
        super().__init__()
        self.gate, self.project, self.norm, self.activation = gate, project, norm, activation

    def forward(self, x: Tensor, own: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` and ``[tokens, size]`` to ``[tokens, width]``."""
        hidden = step.ops.gated(self.gate(x, step), own, self.activation)
        return self.norm(self.project(hidden, step), step)  # type: ignore[no-any-return]


def layer_inputs(cfg: SharedKeysConfig, wb: WeightBuilder) -> LayerInputs:
    """The table of all layers, and what goes with it."""
    size = cfg.hidden_size_per_layer_input
    total = size * cfg.num_hidden_layers
    return LayerInputs(
        wb.embedding("embed_tokens_per_layer", cfg.vocab_size_per_layer_input, total, scale=math.sqrt(size)),
        wb.linear("per_layer_model_projection", cfg.hidden_size, total),
        rms(cfg, wb, "per_layer_projection_norm", size),
        cfg.hidden_size,
    )


def layer_input(cfg: SharedKeysConfig, wb: WeightBuilder) -> LayerInput:
    """What a layer does with its own."""
    width, size = cfg.hidden_size, cfg.hidden_size_per_layer_input
    return LayerInput(
        wb.linear("per_layer_input_gate", width, size),
        wb.linear("per_layer_projection", size, width),
        rms(cfg, wb, "post_per_layer_input_norm", width),
        cfg.hidden_act,
    )


def take_input(cfg: SharedKeysConfig, layer: int, width: int) -> tuple[int, ...]:
    """How a layer cuts what it gets: hidden states, its own embedding, and those of later layers if there are any."""
    size = cfg.hidden_size_per_layer_input
    later = size * (cfg.num_hidden_layers - 1 - layer)
    return tuple(part for part in (width, size, later) if part)
