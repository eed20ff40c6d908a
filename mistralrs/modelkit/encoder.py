"""The parts that encoders have and decoders do not: attention to both sides, typed tokens, heads that classify."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator
from torch import Tensor, nn

from mistralrs.layers import Activation, Chain, Embedding
from mistralrs.modelkit.attention import QkvParts
from mistralrs.modelkit.config import Activation as KnownActivation
from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.decoder import NormedSumLayer
from mistralrs.modelkit.mlps import plain_mlp
from mistralrs.modelkit.norms import NormPart, layer_norm
from mistralrs.modelkit.parts import Named, QkvPart, SpecPart, by_layer_type, gqa
from mistralrs.modelkit.recipe import DecoderRecipe, Names
from mistralrs.modelkit.rope import no_rope
from mistralrs.ops import AttentionSpec, Step, Weight

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

MAX_LABELS = 100_000


class ScoringConfig(CausalConfig):
    """With ``num_labels``, how many outputs a classifier has."""

    num_labels: int = Field(default=1, ge=1, le=MAX_LABELS)

    @model_validator(mode="before")
    @classmethod
    def _count_labels(cls, raw: Any) -> Any:
        labels = raw.get("id2label") if isinstance(raw, dict) else None
        return {"num_labels": len(labels), **raw} if isinstance(labels, dict) and labels else raw


class EncoderConfig(ScoringConfig):
    """Other defaults: biases everywhere, nothing tied. ``type_vocab_size`` kinds of token, 0 for none."""

    hidden_act: KnownActivation = "gelu"
    rms_norm_eps: float = Field(default=1e-12, ge=0, lt=1)
    attention_bias: bool = True
    mlp_bias: bool = True
    type_vocab_size: int = Field(default=0, ge=0, le=16)


def both_sides(spec: SpecPart = by_layer_type) -> SpecPart:
    """The same attention with later tokens seen as well; a window then reaches as far to either side."""

    def part(cfg: Any, index: int) -> AttentionSpec:
        return replace(spec(cfg, index), causal=False)

    return part


def named_qkv(q: str, k: str, v: str) -> QkvPart:
    """Three projections under names of their own."""

    def part(cfg: Any, wb: WeightBuilder, dims: AttentionSpec, bias: bool) -> nn.Module:
        heads = {q: dims.heads, k: dims.kv_heads, v: dims.kv_heads}
        return QkvParts(
            *(wb.linear(name, cfg.hidden_size, count * dims.head_dim, bias=bias) for name, count in heads.items())
        )

    return part


def normed_sum(norm: Named, attn: nn.Module, mlp: nn.Module, names: tuple[str, str]) -> nn.Module:
    """A layer with a norm over each sum of a block and its input."""
    return NormedSumLayer(attn, norm(names[0]), mlp, norm(names[1]))


class TypedEmbedding(nn.Module):
    """The sum of the rows of a token, its position and its type, normed. ``positions`` and ``types`` may be None."""

    def __init__(
        self, tokens: nn.Module, positions: Embedding | None, types: Embedding | None, norm: nn.Module
    ) -> None:
        super().__init__()
        self.tokens, self.positions, self.types, self.norm = tokens, positions, types, norm

    def forward(self, ids: Tensor, step: Step) -> Tensor:
        """``[tokens]`` to ``[tokens, width]``."""
        x = self.tokens(ids, step)
        if self.types is not None:
            x = step.ops.add(x, self.types(step.token_types(), step))
        if self.positions is not None:
            x = step.ops.add(x, self.positions(step.positions, step))
        return self.norm(x, step)  # type: ignore[no-any-return]


def typed_entry(
    *,
    positions: str | None = "embeddings.position_embeddings",
    types: str = "embeddings.token_type_embeddings",
    norm: str = "embeddings.LayerNorm",
    norm_part: NormPart = layer_norm,
    first_position: Callable[[Any], int] = lambda cfg: 0,
) -> Callable[[Any, Any, Embedding], nn.Module]:
    """Hidden states start as the normed sum of embeddings.

    ``first_position(cfg)`` is the row of the first token's position, for tables whose first rows mean nothing.
    """

    def part(cfg: Any, wb: WeightBuilder, embed: Embedding) -> nn.Module:
        places = None
        if positions is not None:
            skipped = first_position(cfg)
            shape = (cfg.max_position_embeddings + skipped, cfg.hidden_size)
            table = wb.pp(positions).tensor("weight", shape, role="embedding")
            places = Embedding(Weight.dense(table[skipped:]), wb.dtype)
        kinds = _type_table(cfg, wb, types) if cfg.type_vocab_size else None
        return TypedEmbedding(embed, places, kinds, norm_part(cfg, wb, norm, cfg.hidden_size))

    return part


def _type_table(cfg: Any, wb: WeightBuilder, name: str) -> Embedding:
    """The rows of types 0 and 1; where a model has one type only, both are that one."""
    table = wb.pp(name).tensor("weight", (cfg.type_vocab_size, cfg.hidden_size), role="embedding")
    return Embedding(Weight.dense(table if cfg.type_vocab_size > 1 else table.repeat(2, 1)), wb.dtype)


def normed_sum_encoder(
    body: str,
    *,
    layers: str,
    qkv: tuple[str, str, str],
    out: str,
    mlp: tuple[str, str],
    norms: tuple[str, str],
    mlp_in: str = "",
    **others: Any,
) -> DecoderRecipe:
    """The encoder of 2018: biases, layer norms over sums, two-layer blocks, learned positions.

    The arguments are names in the checkpoint, except for ``others``, which are further parts of the recipe.
    """
    at = {"embed": "embeddings.word_embeddings", "layers": layers, "norm": "", "attention": "attention", "mlp": mlp_in}
    parts: dict[str, Any] = {
        "attention": partial(gqa, qkv=named_qkv(*qkv), out=out, spec=both_sides()),
        "mlp": partial(plain_mlp, up=mlp[0], down=mlp[1]),
        "norm": layer_norm,
        "layer": partial(normed_sum, names=norms),
        "entry": typed_entry(),
        "head": no_head,
        "rope": no_rope,
        "names": Names(body=body, **at),
    }
    return DecoderRecipe(**{**parts, **others})


def no_head(cfg: Any, wb: WeightBuilder, embed: Embedding) -> None:
    """The model ends with its hidden states."""


def score_head(name: str) -> Callable[[Any, Any, Embedding], Any]:
    """One projection to the labels, without a bias."""

    def part(cfg: Any, wb: WeightBuilder, embed: Embedding) -> Any:
        return wb.linear(name, cfg.hidden_size, cfg.num_labels)

    return part


class Classifier(nn.Module):
    """Scores of a text, from the hidden state of one of its tokens."""

    def __init__(self, inner: nn.Module, out: Any) -> None:
        super().__init__()
        self.inner, self.out = inner, out

    def logits(self, x: Tensor, step: Step) -> Tensor:
        """``[rows, width]`` to float32 ``[rows, labels]``."""
        return self.out.logits(self.inner(x, step), step)  # type: ignore[no-any-return]


def classifier(
    inner: str, out: str, *, activation: str = "tanh", norm: tuple[NormPart, str] | None = None
) -> Callable[[Any, Any, Embedding], Any]:
    """A projection with an activation, perhaps a norm with its name, and the projection to the labels.

    The first has a bias when the checkpoint holds one.
    """

    def part(cfg: Any, wb: WeightBuilder, embed: Embedding) -> nn.Module:
        width = cfg.hidden_size
        steps = [wb.linear(inner, width, width, bias=wb.has(f"{inner}.bias")), Activation(activation)]
        if norm is not None:
            steps.append(norm[0](cfg, wb, norm[1], width))
        return Classifier(Chain(*steps), wb.linear(out, width, cfg.num_labels, bias=True))

    return part
