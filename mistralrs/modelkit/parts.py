"""The parts a decoder is put together from. Each is a function: a variant passes another one instead of a flag."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from mistralrs.layers import Chain, Scale
from mistralrs.modelkit.attention import Attention, QkvGroups, QkvPacked, QkvParts
from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.decoder import ParallelLayer, PostNormLayer, PreNormLayer, SandwichLayer
from mistralrs.modelkit.norms import NormPart, QkNormPart, per_head
from mistralrs.ops import AttentionSpec, PagedSpec

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

SpecPart = Callable[[Any, int], AttentionSpec]
QkvPart = Callable[[Any, Any, AttentionSpec, bool], nn.Module]
"""``(cfg, wb, dims, bias)`` to a module that gives queries, keys and values."""
Named = Callable[[str], nn.Module]


def windowed(cfg: CausalConfig, index: int) -> AttentionSpec:
    """Every layer sees the last ``sliding_window`` tokens, or the whole past if the config names no window."""
    return _spec(cfg, cfg.sliding_window)


def by_layer_type(cfg: CausalConfig, index: int) -> AttentionSpec:
    """A window on the layers that the config calls ``sliding_attention``, the whole past on the others."""
    return _spec(cfg, cfg.sliding_window if cfg.slides(index) else None)


def _spec(cfg: CausalConfig, window: int | None) -> AttentionSpec:
    return AttentionSpec(
        heads=cfg.num_attention_heads,
        kv_heads=cfg.num_key_value_heads,
        head_dim=cfg.head_dim,
        scale=cfg.attention_multiplier or float(cfg.query_pre_attn_scalar or cfg.head_dim) ** -0.5,
        window=window,
        softcap=cfg.attn_logit_softcapping,
    )


def separate(cfg: Any, wb: WeightBuilder, dims: AttentionSpec, bias: bool) -> nn.Module:
    """Three projections, or one where a file holds them packed."""
    if wb.has("qkv_proj.weight"):
        return packed_qkv("qkv_proj")(cfg, wb, dims, bias)
    heads = {"q_proj": dims.heads, "k_proj": dims.kv_heads, "v_proj": dims.kv_heads}
    return QkvParts(
        *(wb.linear(name, cfg.hidden_size, count * dims.head_dim, bias=bias) for name, count in heads.items())
    )


def packed_qkv(name: str) -> QkvPart:
    """One projection: all queries, all keys, all values."""

    def part(cfg: Any, wb: Any, dims: AttentionSpec, bias: bool) -> nn.Module:
        sizes = [count * dims.head_dim for count in (dims.heads, dims.kv_heads, dims.kv_heads)]
        return QkvPacked(wb.linear(name, cfg.hidden_size, sum(sizes), bias=bias), sizes)

    return part


def grouped_qkv(name: str) -> QkvPart:
    """One projection: for each key head its queries, the key, the value; unless the config says they are stacked."""

    def part(cfg: Any, wb: Any, dims: AttentionSpec, bias: bool) -> nn.Module:
        if not cfg.qkv_by_group:
            return packed_qkv(name)(cfg, wb, dims, bias)
        sizes = (dims.heads // dims.kv_heads * dims.head_dim, dims.head_dim, dims.head_dim)
        qkv = wb.linear(name, cfg.hidden_size, sum(sizes) * dims.kv_heads, bias=bias)
        return QkvGroups(qkv, sizes, dims.kv_heads)

    return part


def grouped_or_separate(name: str) -> QkvPart:
    """:func:`grouped_qkv` if the checkpoint holds ``name``, else three projections, as converters leave them."""

    def part(cfg: Any, wb: WeightBuilder, dims: AttentionSpec, bias: bool) -> nn.Module:
        found = wb.has("q_proj.weight")
        return (separate if found else grouped_qkv(name))(cfg, wb, dims, bias)

    return part


def gqa(
    cfg: CausalConfig,
    wb: WeightBuilder,
    index: int,
    rope: nn.Module | None,
    *,
    bias: bool | None = None,
    out_bias: bool | None = None,
    packed: str | None = None,
    head_norm: NormPart | None = None,
    spec: SpecPart = by_layer_type,
    qkv: QkvPart = separate,
    qk_norm: QkNormPart | None = None,
    out: str = "o_proj",
    block: Callable[..., Attention] = Attention,
) -> Attention:
    """Attention with groups of query heads that share a key head.

    ``bias`` of query, key and value (None: as ``attention_bias`` says, then the output has one too), ``out_bias`` of
    the projection ``out``; ``qkv`` makes the three, ``packed`` is short for :func:`packed_qkv`; ``qk_norm`` norms
    queries and keys, ``head_norm`` is short for :func:`per_head`; ``block`` is how they come together.
    """
    dims = spec(cfg, index)
    in_bias = cfg.attention_bias if bias is None else bias
    if out_bias is None:
        out_bias = cfg.attention_bias if bias is None else False
    project = (packed_qkv(packed) if packed else qkv)(cfg, wb, dims, in_bias)
    back = wb.linear(out, dims.heads * dims.head_dim, cfg.hidden_size, bias=out_bias)
    norming = per_head(head_norm) if head_norm is not None else qk_norm
    q_norm, k_norm = norming(cfg, wb, dims) if norming else (None, None)
    cache = wb.cache(PagedSpec(kv_heads=dims.kv_heads, head_dim=dims.head_dim))
    return block(cache, dims, project, back, rope, q_norm=q_norm, k_norm=k_norm)


BEFORE_ATTENTION, BEFORE_MLP = "input_layernorm", "post_attention_layernorm"
SANDWICH = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)


def pre_norm(
    norm: Named, attn: nn.Module, mlp: nn.Module, names: tuple[str, str] = (BEFORE_ATTENTION, BEFORE_MLP)
) -> nn.Module:
    """The usual layer: a norm before attention and before the feed-forward block."""
    return PreNormLayer(norm(names[0]), attn, norm(names[1]), mlp)


def sandwich_norm(
    norm: Named, attn: nn.Module, mlp: nn.Module, names: tuple[str, str, str, str] = SANDWICH
) -> nn.Module:
    """A layer with a norm before and after attention, and before and after the feed-forward block."""
    return SandwichLayer((norm(names[0]), norm(names[1])), attn, (norm(names[2]), norm(names[3])), mlp)


def post_norm(
    norm: Named, attn: nn.Module, mlp: nn.Module, names: tuple[str, str] = (SANDWICH[1], SANDWICH[3])
) -> nn.Module:
    """A layer with a norm after attention and after the feed-forward block, before they are added."""
    return PostNormLayer(attn, norm(names[0]), mlp, norm(names[1]))


def parallel(norm: Named, attn: nn.Module, mlp: nn.Module, names: tuple[str, ...] = (BEFORE_ATTENTION,)) -> nn.Module:
    """A layer whose blocks see the same input: through one norm, or through one each when two are named."""
    norms = [norm(name) for name in names]
    return ParallelLayer(norms[0], attn, norms[-1], mlp)


def residual_scale(cfg: Any) -> float:
    """What the config multiplies the output of blocks by."""
    return float(cfg.residual_multiplier)


def embedding_scale(cfg: Any) -> float:
    """What the config multiplies embeddings by."""
    return float(cfg.embedding_multiplier)


def logits_scaling(cfg: Any) -> float:
    """What the config multiplies logits by."""
    return float(cfg.logits_scaling)


def logits_divisor(cfg: Any) -> float:
    """The same for models that divide by it."""
    return 1 / float(cfg.logits_scaling)


def scaled(part: Callable[..., nn.Module], factor: Callable[[Any], float] = residual_scale) -> Callable[..., nn.Module]:
    """The part with its output times ``factor(cfg)``."""

    def made(cfg: Any, *args: Any) -> nn.Module:
        return Chain(part(cfg, *args), Scale(factor(cfg)))

    return made


def one(cfg: CausalConfig) -> float:
    """As it is stored."""
    return 1.0


def root_of_width(cfg: CausalConfig) -> float:
    """Embeddings times the square root of their width."""
    return math.sqrt(cfg.hidden_size)
