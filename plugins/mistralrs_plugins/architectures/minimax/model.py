"""MiniMax Text-01 = Mixtral with lightning attention in most layers, and blocks whose input is weighed too."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mistralrs.layers import Chain, RmsNorm, Scale
from mistralrs.modelkit import DecoderRecipe, Names, by_layer, gated_experts, gqa, moe_block
from mistralrs.ops import ScanWeights, StateSpec, Step
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.minimax.config import MiniMaxConfig

NORM_EPS = 1e-6  # of the attention's own norm, whatever the config says


class Lightning(nn.Module):
    """Attention without a softmax, whose past fades by a rate of each head's own (arXiv 2501.08313).

    That is the scan of a state space with steps of one: values go in by their keys and come out by queries.
    """

    def __init__(self, parts: dict[str, nn.Module], cache: int, weights: ScanWeights, heads: int, size: int) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.cache, self.weights = cache, weights
        self.heads, self.size = heads, size

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        ops, parts = step.ops, self.parts
        qkv = ops.activate(parts["qkv"](x, step), "silu")
        q, k, v = ops.split_groups(qkv, (self.size,) * 3, self.heads)
        gate = parts["gate"](x, step)
        steps, _ = ops.split(gate, (self.heads, self.heads * (self.size - 1)))  # any numbers: the limits make them one
        y = ops.ssd(v, steps, k, q, self.weights, *step.state(self.cache))
        return parts["out"](ops.gated(gate, parts["norm"](y, step), "sigmoid"), step)  # type: ignore[no-any-return]


def lightning(cfg: MiniMaxConfig, wb: WeightBuilder, index: int, rope: nn.Module | None) -> Lightning:
    """The block; heads fade the faster the lower the layer."""
    heads, size = cfg.num_attention_heads, cfg.head_dim
    slopes = 2.0 ** (-8 / heads * (torch.arange(heads, dtype=torch.float32) + 1))
    slopes = slopes * (1 - index / (cfg.num_hidden_layers - 1 + 1e-5) + 1e-5)
    parts = {
        "qkv": wb.linear("qkv_proj", cfg.hidden_size, 3 * heads * size),
        "gate": wb.linear("output_gate", cfg.hidden_size, heads * size),
        "norm": RmsNorm(wb.tensor("norm.weight", (heads * size,), role="norm"), NORM_EPS),
        "out": wb.linear("out_proj", heads * size, cfg.hidden_size),
    }
    weights = ScanWeights(-slopes.to(wb.device), limits=(1.0, 1.0))
    return Lightning(parts, wb.cache(StateSpec(shape=(heads, size, size))), weights, heads, size)


class Weighed(nn.Module):
    """``alpha * x + beta * block(x)``."""

    def __init__(self, block: nn.Module, alpha: float, beta: float) -> None:
        super().__init__()
        self.through, self.block = Scale(alpha), Chain(block, Scale(beta))

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        return step.ops.add(self.through(x, step), self.block(x, step))


def attention(cfg: MiniMaxConfig, wb: WeightBuilder, index: int, rope: nn.Module | None) -> Weighed:
    """Either kind of attention with what it leaves of its input."""
    block = by_layer("self_attn", lightning, partial(gqa, bias=False))(cfg, wb, index, rope)
    if cfg.carries(index):
        return Weighed(block, cfg.linear_attn_alpha_factor, cfg.linear_attn_beta_factor)
    return Weighed(block, cfg.full_attn_alpha_factor, cfg.full_attn_beta_factor)


def mlp(cfg: MiniMaxConfig, wb: WeightBuilder) -> Weighed:
    """The experts with what they leave of their input."""
    block = moe_block(cfg, wb, experts=partial(gated_experts, names=("w1", "w3", "w2")))
    return Weighed(block, cfg.mlp_alpha_factor, cfg.mlp_beta_factor)


def layer(norm: Any, attn: nn.Module, feed_forward: nn.Module) -> nn.Module:
    """What goes past a block is normed too."""
    return Chain(norm("input_layernorm"), attn, norm("post_attention_layernorm"), feed_forward)


build = DecoderRecipe(attention=attention, mlp=mlp, layer=layer, names=Names(attention="", mlp="block_sparse_moe"))
