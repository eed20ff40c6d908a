"""Mixtures of experts as parts: the router, the experts as a checkpoint stores them, and what all tokens share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mistralrs.errors import ModelFormatError
from mistralrs.layers import ExpertLinear, GatedExperts, PackedGatedExperts, Router, SparseMlp, SwitchedMlp, weight_of
from mistralrs.layouts import MXFP4
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.mlps import GATED, gated_mlp
from mistralrs.ops import RouterSpec, Weight, WeightStack

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

MlpPart = Callable[..., nn.Module]
SharedPart = Callable[[Any, Any], "nn.Module | None"]
CORRECTION = "gate.e_score_correction_bias"
PACKED = ("experts.gate_up_proj", "experts.down_proj")


def router_spec(cfg: MoeConfig) -> RouterSpec:
    """How the config says that experts are chosen."""
    return RouterSpec(
        top_k=cfg.num_experts_per_tok,
        scoring=cfg.scoring_func,
        normalize=cfg.norm_topk_prob,
        scale=cfg.routed_scaling_factor,
        groups=cfg.n_group,
        top_groups=cfg.topk_group,
        group_best=cfg.group_best,
        jitter=cfg.router_jitter_noise,
    )


def expert_stack(wb: WeightBuilder, name: str, count: int, in_features: int, out_features: int) -> WeightStack:
    """One projection of every expert: from the tensor ``name.weight`` ``[experts, out, in]``, or one of each expert.

    Quantized blocks stay as they are. Experts with tensors of their own are made by the quantization method.
    """
    if wb.has(f"{name}.weight"):
        return stacked(wb, f"{name}.weight", count, in_features, out_features)
    each = (wb.pp(expert).linear(name, in_features, out_features) for expert in range(count))
    return WeightStack.gathered(map(weight_of, each))


def stacked(wb: WeightBuilder, name: str, count: int, in_features: int, out_features: int) -> WeightStack:
    """Every expert's projection in one tensor ``[experts, out, in]``."""
    return _prepared(wb, wb.weight(name, (count, out_features, in_features), role="linear"))


def _prepared(wb: WeightBuilder, whole: Weight) -> WeightStack:
    """The experts of one tensor, each in the form that kernels want."""
    stack = WeightStack.of(whole)
    each = tuple(map(wb.prepare, stack.each))
    return stack if all(new is old for new, old in zip(each, stack.each, strict=True)) else WeightStack(each)


def stacked_transposed(
    wb: WeightBuilder, name: str, count: int, in_features: int, sizes: tuple[int, ...], *, alternating: bool = False
) -> list[WeightStack]:
    """Projections side by side in one tensor ``[experts, in, out]``, or ``alternating`` column by column.

    They are brought into the usual order, which takes a copy.
    """
    data = wb.weight(name, (count, in_features, sum(sizes)), role="linear").to_dense(wb.dtype).transpose(1, 2)
    return [_prepared(wb, Weight.dense(piece)) for piece in _pieces(data, sizes, alternating)]


def stacked_mxfp4(
    wb: WeightBuilder, name: str, count: int, in_features: int, sizes: tuple[int, ...], *, alternating: bool = False
) -> list[WeightStack]:
    """The same for MXFP4 as OpenAI publishes it: ``name_blocks`` ``[experts, out, in / 32, 16]`` and ``name_scales``.

    A byte of theirs holds two neighbours, one of ours a number and the sixteenth after it; values stay what they are.
    """
    groups, rest = divmod(in_features, MXFP4.block)
    if rest:
        raise ModelFormatError(f"{name}: rows of {in_features} numbers are not made of blocks of {MXFP4.block}")
    pairs = wb.raw(f"{name}_blocks", (count, sum(sizes), groups, MXFP4.block // 2), role="linear")
    scales = wb.raw(f"{name}_scales", (count, sum(sizes), groups), role="linear")
    data = torch.empty((*scales.shape, MXFP4.block_bytes), dtype=torch.uint8, device=pairs.device)
    data[..., 0] = scales
    for each, packed in zip(pairs, data, strict=True):  # one by one: unpacked, experts take twice their size
        codes = torch.stack((each & 15, each >> 4), dim=-1).flatten(-2)
        packed[..., 1:] = codes[..., :16] | codes[..., 16:] << 4
    shapes = ((count, size, in_features) for size in sizes)
    pieces = _pieces(data.flatten(-2), sizes, alternating)
    return [_prepared(wb, Weight(piece, MXFP4, shape)) for piece, shape in zip(pieces, shapes, strict=True)]


def _pieces(data: Tensor, sizes: tuple[int, ...], alternating: bool) -> list[Tensor]:
    """Projections that are rows of one tensor, one after another or in turns."""
    found = [data[:, first :: len(sizes)] for first in range(len(sizes))] if alternating else data.split(sizes, dim=1)
    return [piece.contiguous() for piece in found]


def gated_experts(
    cfg: MoeConfig,
    wb: WeightBuilder,
    *,
    names: tuple[str, str, str] = GATED,
    bias: bool = False,
    activation: str | None = None,
) -> nn.Module:
    """Experts that are gated feed-forward blocks, each with its own tensors below ``experts``.

    Checkpoints may also stack each of the three projections, or gate and up together. ``names`` are those of gate, up
    and down; ``activation`` replaces the config's.
    """
    if wb.has(PACKED[0]):
        return _packed(cfg, wb, PACKED)
    at, count, width, inner = wb.pp("experts"), cfg.num_experts, cfg.hidden_size, cfg.moe_intermediate_size

    def projection(name: str, in_features: int, out_features: int) -> ExpertLinear:
        added = at.tensor(f"{name}.bias", (count, out_features)) if bias else None
        return ExpertLinear(expert_stack(at, name, count, in_features, out_features), added)

    gate, up = (projection(name, width, inner) for name in names[:2])
    return GatedExperts(gate, up, projection(names[2], inner, width), activation or cfg.hidden_act)


def packed_experts(cfg: MoeConfig, wb: WeightBuilder, *, names: tuple[str, str] = PACKED) -> nn.Module:
    """The same for checkpoints with two tensors: gate and up ``[experts, 2 * inner, width]``, and down."""
    return gated_experts(cfg, wb) if has_stacks(wb) else _packed(cfg, wb, names)


def has_stacks(wb: WeightBuilder) -> bool:
    """Whether gate, up and down are one tensor each for all experts, as in GGUF."""
    return wb.has(f"experts.{GATED[0]}.weight")


def _packed(cfg: MoeConfig, wb: WeightBuilder, names: tuple[str, str]) -> PackedGatedExperts:
    count, width, inner = cfg.num_experts, cfg.hidden_size, cfg.moe_intermediate_size
    gate_up = ExpertLinear(stacked(wb, names[0], count, width, 2 * inner))
    down = ExpertLinear(stacked(wb, names[1], count, inner, width))
    return PackedGatedExperts(gate_up, down, inner, cfg.hidden_act)


def shared_mlp(name: str) -> SharedPart:
    """A feed-forward block for every token, if the config gives it a width."""

    def part(cfg: MoeConfig, wb: WeightBuilder) -> nn.Module | None:
        return gated_mlp(cfg, wb.pp(name), inner=cfg.shared_width) if cfg.shared_width else None

    return part


SHARED_EXPERTS = shared_mlp("shared_experts")


def switched_shared_mlp(name: str, switch: str) -> SharedPart:
    """The same, times the sigmoid of a projection to one number."""

    def part(cfg: MoeConfig, wb: WeightBuilder) -> nn.Module | None:
        shared = shared_mlp(name)(cfg, wb)
        return shared and SwitchedMlp(shared, wb.linear(switch, cfg.hidden_size, 1))

    return part


def moe_block(
    cfg: MoeConfig,
    wb: WeightBuilder,
    *,
    gate: str = "gate",
    gate_bias: bool = False,
    correction: str | None = None,
    experts: MlpPart = gated_experts,
    shared: SharedPart = SHARED_EXPERTS,
    dense: MlpPart = gated_mlp,
    weigh_input: bool = False,
) -> nn.Module:
    """The feed-forward block of a layer: experts where the config says so, ``dense`` elsewhere.

    ``gate`` is the router's projection, ``correction`` a tensor that is added to its scores for the choice only.
    ``weigh_input``: the router's weights multiply what experts get, not what they give.
    """
    if not cfg.is_sparse(wb.layer or 0):
        return dense(cfg, wb)
    bias: Tensor | None = None
    if correction is not None:
        bias = wb.tensor(correction, (cfg.num_experts,), role="router")
    router = Router(wb.linear(gate, cfg.hidden_size, cfg.num_experts, bias=gate_bias), router_spec(cfg), bias)
    return SparseMlp(router, experts(cfg, wb), cfg.num_experts, shared(cfg, wb), weigh_input=weigh_input)
