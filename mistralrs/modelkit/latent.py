"""Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

What is kept of a token is its latent and one rotated key for all heads, not the keys and values of every head. Since a
head's keys are a product of the latent, its queries can be multiplied by that matrix instead: all heads then attend
to the latents themselves, and their results are brought to the size of values afterwards.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mistralrs.layers import Chain, weight_of
from mistralrs.layers.rope_scaling import yarn_attention_factor
from mistralrs.modelkit.latent_config import LatentConfig
from mistralrs.ops import AttentionSpec, PagedSpec, Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


class LatentAttention(nn.Module):
    """Attention over latents. ``k_up`` is ``[heads, rank, nope]``, ``v_up`` ``[heads, v_head_dim, rank]``."""

    k_up: Tensor
    v_up: Tensor

    def __init__(
        self,
        cache: int,
        spec: AttentionSpec,
        q: nn.Module,
        kv: nn.Module,
        kv_norm: nn.Module,
        up: tuple[Tensor, Tensor],
        out: nn.Module,
        rope: nn.Module,
    ) -> None:
        super().__init__()
        self.cache, self.spec = cache, spec
        self.q, self.kv, self.kv_norm, self.out, self.rope = q, kv, kv_norm, out, rope
        self.register_buffer("k_up", up[0], persistent=False)
        self.register_buffer("v_up", up[1], persistent=False)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        heads, rank, nope = self.k_up.shape
        rotated = self.spec.head_dim - rank
        latent, key = step.ops.split(self.kv(x, step), (rank, rotated))
        latent = step.ops.join_heads(self.kv_norm(latent, step), self.rope(key, step), 1)
        q, turned = step.ops.split_groups(self.q(x, step), (nope, rotated), heads)
        q = step.ops.join_heads(step.ops.heads_linear(q, self.k_up), self.rope(turned, step), heads)
        seen = step.attend_latent(self.cache, q, latent, self.spec)
        return self.out(step.ops.heads_linear(seen, self.v_up), step)  # type: ignore[no-any-return]


def latent_attention(cfg: LatentConfig, wb: WeightBuilder, index: int, rope: nn.Module) -> LatentAttention:
    """The block under the names Hugging Face gives it."""
    heads, width, bias = cfg.num_attention_heads, cfg.hidden_size, cfg.attention_bias
    rank, rotated, nope = cfg.kv_lora_rank, cfg.qk_rope_head_dim, cfg.qk_nope_head_dim
    spec = AttentionSpec(heads=heads, kv_heads=1, head_dim=rank + rotated, scale=_scale(cfg))
    q_size = heads * (nope + rotated)
    if cfg.q_lora_rank is None:
        q = wb.linear("q_proj", width, q_size)
    else:
        down = wb.linear("q_a_proj", width, cfg.q_lora_rank, bias=bias)
        normed = wb.rms_norm("q_a_layernorm", cfg.q_lora_rank, cfg.latent_norm_eps)
        q = Chain(down, normed, wb.linear("q_b_proj", cfg.q_lora_rank, q_size))
    return LatentAttention(
        wb.cache(PagedSpec(kv_heads=1, head_dim=rank + rotated, v_head_dim=rank, latent=True)),
        spec,
        q,
        wb.linear("kv_a_proj_with_mqa", width, rank + rotated, bias=bias),
        wb.rms_norm("kv_a_layernorm", rank, cfg.latent_norm_eps),
        _up(cfg, wb),
        wb.linear("o_proj", heads * cfg.v_head_dim, width, bias=bias),
        rope,
    )


def _up(cfg: LatentConfig, wb: WeightBuilder) -> tuple[Tensor, Tensor]:
    """From the latent to every head's key and value, the former transposed; small, so kept as plain numbers."""
    heads, rank, nope, value = cfg.num_attention_heads, cfg.kv_lora_rank, cfg.qk_nope_head_dim, cfg.v_head_dim
    if wb.has("k_b_proj.weight"):
        k_up = wb.tensor("k_b_proj.weight", (heads, rank, nope))
        return k_up, wb.tensor("v_b_proj.weight", (heads, value, rank))
    both = weight_of(wb.linear("kv_b_proj", rank, heads * (nope + value))).to_dense(wb.dtype)
    keys, values = both.view(heads, nope + value, rank).split((nope, value), dim=1)
    return keys.transpose(1, 2).contiguous(), values.contiguous()


def _scale(cfg: LatentConfig) -> float:
    """One over the root of the head size; YaRN's sharpening of attention is applied here and not to the angles."""
    scale = 1 / math.sqrt(cfg.qk_nope_head_dim + cfg.qk_rope_head_dim)
    rope = cfg.rope_parameters
    if rope.rope_type == "default" or not rope.mscale_all_dim or rope.factor is None:
        return scale
    sharpening = 1 + rope.mscale_all_dim * (yarn_attention_factor(rope.factor) - 1)
    return scale * sharpening * sharpening
