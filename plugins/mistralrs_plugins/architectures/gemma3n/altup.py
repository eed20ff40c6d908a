"""Several streams of hidden states, of which a layer computes one and predicts the others (AltUp, arXiv 2301.13310)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mistralrs.layers import Activation, Chain, Linear, Scale, weight_of
from mistralrs.modelkit import rms
from mistralrs.modelkit.layer_inputs import LayerInputs
from mistralrs.ops import Step, WeightStack
from mistralrs_plugins.architectures.gemma3n.config import Gemma3nConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mistralrs.weights import WeightBuilder


class AltUp(nn.Module):
    """Predicts all streams before a layer and corrects them after it."""

    def __init__(
        self, router: nn.Module, predict: nn.Module, correct: nn.Module, streams: int, active: int, width: int
    ) -> None:
        super().__init__()
        self.router, self.to_predict, self.to_correct = router, predict, correct
        self.sizes, self.active = (width,) * streams, active

    def parts(self, x: Tensor, step: Step) -> tuple[Tensor, ...]:
        """The streams ``[tokens, width]`` of ``[tokens, streams * width]``."""
        return step.ops.split(x, self.sizes)

    def predict(self, x: Tensor, step: Step) -> Tensor:
        """Each stream plus a mixture of all, as the active one demands."""
        demand = self.to_predict(self.router(self.parts(x, step)[self.active], step), step)
        return step.ops.add(x, step.ops.mix(x, demand, len(self.sizes)))

    def correct(self, predicted: Tensor, computed: Tensor, step: Step) -> Tensor:
        """What was wrong about the active stream, added to each stream by its share."""
        ops = step.ops
        wrong = ops.add(computed, ops.scale(self.parts(predicted, step)[self.active], -1.0))
        share = self.to_correct(self.router(computed, step), step)
        return ops.add(predicted, ops.mix(wrong, share, 1))


class Entry(nn.Module):
    """The embedding as the first stream, projections of it as the others, and behind them the layers' embeddings."""

    def __init__(self, embed: nn.Module, projections: Sequence[nn.Module], inputs: LayerInputs) -> None:
        super().__init__()
        self.embed, self.projections, self.inputs = embed, nn.ModuleList(projections), inputs

    def forward(self, ids: Tensor, step: Step) -> Tensor:
        """``[tokens]`` to ``[tokens, streams * width + layers * size]``."""
        x = first = self.embed(ids, step)
        for project in self.projections:
            x = step.ops.join_heads(x, step.ops.match_rms(project(first, step), first), 1)
        return step.ops.join_heads(x, self.inputs(ids, first, step), 1)


class Exit(nn.Module):
    """The mean of the streams, all but the first through projections."""

    def __init__(self, projections: Sequence[nn.Module], width: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(projections)
        self.sizes = (width,) * (len(projections) + 1)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[rows, streams * width]`` to ``[rows, width]``."""
        first, *others = step.ops.split(x, self.sizes)
        total = first
        for project, stream in zip(self.projections, others, strict=True):
            total = step.ops.add(total, step.ops.match_rms(project(stream, step), first))
        return step.ops.scale(total, 1 / len(self.sizes))


def altup(cfg: Gemma3nConfig, wb: WeightBuilder) -> AltUp:
    """A layer's."""
    width, streams = cfg.hidden_size, cfg.altup_num_inputs
    router = Chain(
        rms(cfg, wb, "router_norm", width),
        Scale(1 / width),
        wb.linear("modality_router", width, streams),
        Activation("tanh"),
    )
    correct = weight_of(wb.linear("correction_coefs", streams, streams))
    return AltUp(
        router,
        wb.linear("prediction_coefs", streams, streams**2),
        Linear(correct, torch.ones(streams, dtype=wb.dtype, device=wb.device)),
        streams,
        cfg.altup_active_idx,
        width,
    )


def projections(cfg: Gemma3nConfig, wb: WeightBuilder, name: str) -> list[nn.Module]:
    """One for each stream but the first: with a tensor each, or all in one tensor, as in GGUF."""
    width, count = cfg.hidden_size, cfg.altup_num_inputs - 1
    if wb.has(f"{name}.weight"):
        whole = wb.weight(f"{name}.weight", (count, width, width), role="linear")
        return [Linear(wb.prepare(each)) for each in WeightStack.of(whole).each]
    return [wb.pp(name).linear(str(index), width, width) for index in range(count)]
