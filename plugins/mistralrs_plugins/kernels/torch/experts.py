"""Mixtures of experts: choose, sort by expert, multiply each expert's rows at once, add up."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mistralrs.ops import RouterSpec, WeightStack

_LEAST_SUM = 1e-20
"""Where all weights of a token round to zero, dividing by their sum must not give NaN."""


def route(logits: Tensor, bias: Tensor | None, spec: RouterSpec) -> tuple[Tensor, Tensor]:
    """Weights and numbers of the experts; computed in float32, because near ties decide."""
    logits = logits.float()
    if spec.scoring == "sparsemixer":
        return _sparsemixer(logits, spec)
    scores = logits.sigmoid() if spec.scoring == "sigmoid" else logits.softmax(-1)
    preference = scores if bias is None else scores + bias.float()
    if spec.groups > 1:
        preference = _best_groups(preference, spec)
    chosen = preference.topk(spec.top_k, dim=-1).indices
    weights = scores.gather(-1, chosen)
    if spec.normalize:
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=_LEAST_SUM)
    return weights * spec.scale, chosen


def _best_groups(preference: Tensor, spec: RouterSpec) -> Tensor:
    """Experts of all other groups are out of the question (DeepSeek-V2, arXiv 2405.04434, section 2.2.2)."""
    grouped = preference.unflatten(-1, (spec.groups, -1))
    value = grouped.topk(spec.group_best, dim=-1).values.sum(-1)
    out = torch.ones_like(value, dtype=torch.bool)
    out.scatter_(-1, value.topk(spec.top_groups, dim=-1).indices, False)
    left: Tensor = grouped.masked_fill(out[..., None], float("-inf"))
    return left.flatten(-2)


def _sparsemixer(logits: Tensor, spec: RouterSpec) -> tuple[Tensor, Tensor]:
    left, weights, chosen = logits, [], []
    for _ in range(spec.top_k):
        best, expert = left.max(-1, keepdim=True)
        far = (best - logits) / torch.maximum(logits.abs(), best) > 2 * spec.jitter
        weights.append(left.masked_fill(far, float("-inf")).softmax(-1).gather(-1, expert))
        chosen.append(expert)
        left = left.scatter(-1, expert, float("-inf"))
    return torch.cat(weights, -1) * spec.scale, torch.cat(chosen, -1)


def dispatch(x: Tensor, chosen: Tensor, experts: int, weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """A stable sort, so that a token's result does not depend on its neighbours."""
    expert_of = chosen.flatten()
    order = expert_of.argsort(stable=True)
    rows = x.index_select(0, order // chosen.shape[1])
    if weights is not None:
        rows = rows * weights.flatten()[order][:, None].to(rows.dtype)
    return rows, order, torch.bincount(expert_of, minlength=experts).cumsum(0)


def expert_linear(x: Tensor, ends: Tensor, stack: WeightStack, bias: Tensor | None) -> Tensor:
    """One product for each expert that has rows; blocks of the others are not even decoded."""
    out = x.new_empty(x.shape[0], stack.each[0].shape[0])
    start = 0
    for expert, end in enumerate(ends.tolist()):
        if end > start:
            own = None if bias is None else bias[expert]
            out[start:end] = F.linear(x[start:end], stack.each[expert].to_dense(x.dtype), own)
        start = end
    return out


def combine(x: Tensor, order: Tensor, top_k: int, weights: Tensor | None) -> Tensor:
    """Back in the order of tokens; the sum is taken in float32."""
    rows = torch.empty_like(x)
    rows[order] = x
    each = rows.view(-1, top_k, x.shape[1])
    if weights is not None:
        each = each.float() * weights[..., None]
    return each.sum(1).to(x.dtype)
