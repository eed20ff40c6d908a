"""Blocks that carry a state from token to token instead of attending, and the parts that make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mistralrs.layers.conv import CausalConv
from mistralrs.modelkit.parts import Named, gqa
from mistralrs.ops import ScanWeights, StateSpec, Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

MixerPart = Callable[..., nn.Module]


def by_layer(name: str, linear: MixerPart, attention: MixerPart = gqa) -> MixerPart:
    """Attention as ``self_attn`` on the layers that attend, the block ``linear`` as ``name`` on those with a state.

    It steps in by itself: the recipe's name of the block is "".
    """

    def part(cfg: Any, wb: Any, index: int, rope: nn.Module | None) -> nn.Module:
        if cfg.carries(index):
            return linear(cfg, wb.pp(name), index, rope)
        return attention(cfg, wb.pp("self_attn"), index, rope)

    return part


class MixerLayer(nn.Module):
    """``x + mixer(norm(x))``: a layer of one block."""

    def __init__(self, norm: nn.Module, mixer: nn.Module) -> None:
        super().__init__()
        self.norm, self.mixer = norm, mixer

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        return step.ops.add(x, self.mixer(self.norm(x, step), step))


def one_block(norm: Named, mixer: nn.Module, mlp: nn.Module, *, name: str) -> MixerLayer:
    """A layer without a feed-forward block; ``name`` is its norm's."""
    return MixerLayer(norm(name), mixer)


def nothing(cfg: Any, wb: WeightBuilder) -> nn.Module:
    """The feed-forward part of layers without one."""
    return nn.Identity()


def causal_conv(
    cfg: Any,
    wb: WeightBuilder,
    name: str,
    channels: int,
    width: int,
    *,
    bias: bool = False,
    activation: str | None = "silu",
) -> CausalConv:
    """The convolution ``name`` over ``channels``, as checkpoints of either style hold it."""
    at = wb.pp(name)
    weight = at.tensor("weight", (channels, 1, width), role="conv").view(channels, width)
    cache = wb.cache(StateSpec(shape=(channels, width - 1)))
    return CausalConv(cache, weight, at.tensor("bias", (channels,)) if bias else None, activation)


def decay_rates(cfg: Any, wb: WeightBuilder, *shape: int) -> Tensor:
    """The negative rates of decay of a scan, float32."""
    stored = constant(wb, "A_log", *shape)
    return stored if cfg.state_style == "folded" else -stored.exp()


def constant(wb: WeightBuilder, name: str, *shape: int) -> Tensor:
    """A small tensor of a scan in float32: rounding would add up over thousands of tokens."""
    return wb.weight(name, shape, role="state").to_dense(torch.float32)


class GatedConv(nn.Module):
    """``out(c * conv(b * x))`` with ``b``, ``c`` and ``x`` from one projection."""

    def __init__(self, into: nn.Module, conv: CausalConv, out: nn.Module, width: int) -> None:
        super().__init__()
        self.into, self.conv, self.out = into, conv, out
        self.width = width

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        ops = step.ops
        b, c, value = ops.split(self.into(x, step), (self.width,) * 3)
        return self.out(ops.multiply(c, self.conv(ops.multiply(b, value), step)), step)  # type: ignore[no-any-return]


def gated_conv(cfg: Any, wb: WeightBuilder, index: int, rope: nn.Module | None) -> GatedConv:
    """A gated short convolution (LFM2)."""
    width, bias = cfg.hidden_size, cfg.conv_bias
    return GatedConv(
        wb.linear("in_proj", width, 3 * width, bias=bias),
        causal_conv(cfg, wb, "conv", width, cfg.conv_L_cache, bias=bias, activation=None),
        wb.linear("out_proj", width, width, bias=bias),
        width,
    )


class SeparateInputs(nn.Module):
    """A delta net's inputs: queries, keys and values from one projection, the gate from another, and rates."""

    def __init__(self, qkv: nn.Module, z: nn.Module, rates: nn.Module) -> None:
        """``rates`` gives ``beta`` and ``alpha``."""
        super().__init__()
        self.qkv, self.z, self.rates = qkv, z, rates

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``[tokens, width]`` to the four inputs."""
        beta, alpha = self.rates(x, step)
        return self.qkv(x, step), self.z(x, step), beta, alpha


class GroupedInputs(nn.Module):
    """The same with the first two from one projection that holds them side by side for each key head."""

    def __init__(self, qkvz: nn.Module, rates: nn.Module, sizes: tuple[int, int], heads: int) -> None:
        """``sizes`` of a key and of the values that share it."""
        super().__init__()
        self.qkvz, self.rates = qkvz, rates
        self.sizes, self.heads = (sizes[0], sizes[0], sizes[1], sizes[1]), heads

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``[tokens, width]`` to the four inputs."""
        ops = step.ops
        q, k, v, z = ops.split_groups(self.qkvz(x, step), self.sizes, self.heads)
        beta, alpha = self.rates(x, step)
        return ops.join_heads(ops.join_heads(q, k, 1), v, 1), z, beta, alpha


class Rates(nn.Module):
    """``beta`` and ``alpha`` of each value head, from two projections."""

    def __init__(self, beta: nn.Module, alpha: nn.Module) -> None:
        super().__init__()
        self.beta, self.alpha = beta, alpha

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """``[tokens, width]`` to two times ``[tokens, heads]``."""
        return self.beta(x, step), self.alpha(x, step)


class GroupedRates(nn.Module):
    """The same from one projection that holds both for each key head."""

    def __init__(self, both: nn.Module, share: int, heads: int) -> None:
        """``heads`` of keys, each for ``share`` values."""
        super().__init__()
        self.both, self.share, self.heads = both, share, heads

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, ...]:
        """``[tokens, width]`` to two times ``[tokens, heads]``."""
        return step.ops.split_groups(self.both(x, step), (self.share, self.share), self.heads)


def separate_inputs(cfg: Any, wb: WeightBuilder) -> SeparateInputs:
    """Four projections."""
    beta, alpha = (wb.linear(name, cfg.hidden_size, cfg.linear_num_value_heads) for name in ("in_proj_b", "in_proj_a"))
    return _with_rates(cfg, wb, Rates(beta, alpha))


def grouped_inputs(cfg: Any, wb: WeightBuilder) -> GroupedInputs | SeparateInputs:
    """Two projections with their parts by key head; files may cut the first in two."""
    heads, share = cfg.linear_num_key_heads, cfg.linear_num_value_heads // cfg.linear_num_key_heads
    rates = GroupedRates(wb.linear("in_proj_ba", cfg.hidden_size, 2 * heads * share), share, heads)
    if wb.has("in_proj_qkv.weight"):
        return _with_rates(cfg, wb, rates)
    sizes = (cfg.linear_key_head_dim, share * cfg.linear_value_head_dim)
    qkvz = wb.linear("in_proj_qkvz", cfg.hidden_size, 2 * heads * sum(sizes))
    return GroupedInputs(qkvz, rates, sizes, heads)


def _with_rates(cfg: Any, wb: WeightBuilder, rates: nn.Module) -> SeparateInputs:
    keys = cfg.linear_num_key_heads * cfg.linear_key_head_dim
    values = cfg.linear_num_value_heads * cfg.linear_value_head_dim
    qkv = wb.linear("in_proj_qkv", cfg.hidden_size, 2 * keys + values)
    return SeparateInputs(qkv, wb.linear("in_proj_z", cfg.hidden_size, values), rates)


class DeltaNet(nn.Module):
    """The gated delta net: convolve queries, keys and values, scan, norm each head, gate, project back.

    ``project(x, step)`` gives queries, keys and values side by side, then the gate ``z``, ``beta`` and ``alpha``.
    """

    def __init__(
        self,
        project: nn.Module,
        conv: CausalConv,
        sizes: tuple[int, int, int],
        cache: int,
        weights: ScanWeights,
        norm: nn.Module,
        out: nn.Module,
    ) -> None:
        """``sizes`` are the widths of queries, keys and values; ``cache`` is the handle of the scan's state."""
        super().__init__()
        self.project, self.conv, self.norm, self.out = project, conv, norm, out
        self.sizes, self.cache, self.weights = sizes, cache, weights

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        qkv, z, beta, alpha = self.project(x, step)
        q, k, v = step.ops.split(self.conv(qkv, step), self.sizes)
        y = step.ops.delta_rule(q, k, v, beta, alpha, self.weights, *step.state(self.cache))
        return self.out(step.ops.gated(z, self.norm(y, step), "silu"), step)  # type: ignore[no-any-return]


def delta_net(
    cfg: Any,
    wb: WeightBuilder,
    index: int,
    rope: nn.Module | None,
    *,
    project: Callable[..., nn.Module] = separate_inputs,
) -> DeltaNet:
    """A gated delta net under the names of its authors; ``project(cfg, wb)`` makes its inputs."""
    keys, heads = cfg.linear_num_key_heads * cfg.linear_key_head_dim, cfg.linear_num_value_heads
    values = heads * cfg.linear_value_head_dim
    state = StateSpec(shape=(heads, cfg.linear_key_head_dim, cfg.linear_value_head_dim))
    return DeltaNet(
        project(cfg, wb),
        causal_conv(cfg, wb, "conv1d", 2 * keys + values, cfg.linear_conv_kernel_dim),
        (keys, keys, values),
        wb.cache(state),
        ScanWeights(decay_rates(cfg, wb, heads), constant(wb, "dt_bias", heads), in_turns=cfg.heads_in_turns),
        wb.rms_norm("norm", cfg.linear_value_head_dim, cfg.rms_norm_eps),
        wb.linear("out_proj", values, cfg.hidden_size),
    )
