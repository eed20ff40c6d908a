"""Experts beside a dense block: both see the same hidden states, each through norms of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from mistralrs.layers import Chain, RmsNorm
from mistralrs.modelkit import gated_experts, rms
from mistralrs.ops import RouterSpec, Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


class ScaledRouter(nn.Module):
    """Chooses experts by normed hidden states; ``expert_scale`` ``[experts]`` multiplies their weights in the end."""

    expert_scale: Tensor

    def __init__(self, norm: nn.Module, gate: nn.Module, expert_scale: Tensor, spec: RouterSpec) -> None:
        super().__init__()
        self.norm, self.gate, self.spec = norm, gate, spec
        self.register_buffer("expert_scale", expert_scale, persistent=False)

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Weights and numbers of every token's experts, each ``[tokens, top_k]``."""
        weights, chosen = step.ops.route(self.gate(self.norm(x, step), step), None, self.spec)
        return step.ops.multiply(weights, step.ops.lookup(self.expert_scale, chosen)), chosen


class ExpertsBeside(nn.Module):
    """``dense(x) + after(experts(before(x)))``; the router sees ``x`` as it is."""

    def __init__(
        self,
        dense: nn.Module,
        router: ScaledRouter,
        experts: nn.Module,
        around: tuple[nn.Module, nn.Module],
        count: int,
    ) -> None:
        super().__init__()
        self.dense, self.router, self.experts, self.count = dense, router, experts, count
        self.before, self.after = around

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        weights, chosen = self.router(x, step)
        rows, order, ends = step.ops.dispatch(self.before(x, step), chosen, self.count)
        routed = step.ops.combine(self.experts(rows, ends, step), order, self.router.spec.top_k, weights)
        return step.ops.add(self.dense(x, step), self.after(routed, step))


def experts_beside(cfg: Any, wb: WeightBuilder, dense: nn.Module) -> ExpertsBeside:
    """The layer's experts, with ``dense`` and the norm that follows it."""

    def norm(name: str) -> nn.Module:
        return rms(cfg, wb, name, cfg.hidden_size)

    at, width = wb.pp("router"), cfg.hidden_size
    # The norm has no weight, what follows multiplies by a vector and a constant: together a norm with a weight.
    scale = at.tensor("scale", (width,), role="norm") * width**-0.5
    router = ScaledRouter(
        RmsNorm(scale, cfg.rms_norm_eps),
        at.linear("proj", width, cfg.num_experts),
        at.tensor("per_expert_scale", (cfg.num_experts,), role="router"),
        RouterSpec(top_k=cfg.top_k_experts, normalize=True),
    )
    around = norm("pre_feedforward_layernorm_2"), norm("post_feedforward_layernorm_2")
    first = Chain(dense, norm("post_feedforward_layernorm_1"))
    return ExpertsBeside(first, router, gated_experts(cfg, wb), around, cfg.num_experts)
