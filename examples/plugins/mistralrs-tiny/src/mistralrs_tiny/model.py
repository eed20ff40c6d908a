"""Tiny: attention and feed-forward block side by side, after one norm, as in GPT-J (Wang and Komatsuzaki 2021)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from mistralrs.modelkit import DecoderRecipe
from mistralrs.ops import Step


class ParallelLayer(nn.Module):
    """``x + attn(norm(x)) + mlp(norm(x))``."""

    def __init__(self, norm: nn.Module, attn: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.norm, self.attn, self.mlp = norm, attn, mlp

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        normed = self.norm(x, step)
        return step.ops.add(x, step.ops.add(self.attn(normed, step), self.mlp(normed, step)))


def parallel(norm: Callable[[str], nn.Module], attn: nn.Module, mlp: nn.Module) -> nn.Module:
    """The layer as a part of the recipe: ``norm(name)`` makes a norm from the layer's weights."""
    return ParallelLayer(norm("input_layernorm"), attn, mlp)


build = DecoderRecipe(layer=parallel)
