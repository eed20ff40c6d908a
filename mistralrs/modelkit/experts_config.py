"""The part of config.json that describes mixtures of experts, under the names of several families."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mistralrs.modelkit.config import CausalConfig, Count, Positive, Size

MOE_NAMES = {
    "num_local_experts": "num_experts",
    "n_routed_experts": "num_experts",
    "moe_num_experts": "num_experts",
    "num_experts_per_token": "num_experts_per_tok",
    "moe_topk": "num_experts_per_tok",
    "moe_k": "num_experts_per_tok",
    "n_shared_experts": "num_shared_experts",
    "num_shared_expert": "num_shared_experts",
    "moe_num_shared_experts": "num_shared_experts",
    "shared_intermediate_size": "shared_expert_intermediate_size",
    "num_expert_group": "n_group",
    "moe_layer_interval": "decoder_sparse_step",
    "moe_layer_freq": "decoder_sparse_step",
    "moe_renormalize": "norm_topk_prob",
}
"""What some families call a field of :class:`MoeConfig`."""

_SCORING = {1: "softmax", 2: "sigmoid", 3: "softmax"}
"""``expert_gating_func`` of GGUF; the third is a softmax over the chosen, which is one over all, normalized."""


class MoeConfig(CausalConfig):
    """A decoder with experts in some of its layers.

    ``moe_intermediate_size`` is the width of one expert (that of dense blocks by default). Shared experts are one
    block, ``shared_expert_intermediate_size`` wide or as wide as ``num_shared_experts`` experts. A group is as good
    as its ``group_best`` best experts. Layers with experts are listed by ``mlp_layer_types``, or they are every
    ``decoder_sparse_step``-th from ``first_k_dense_replace`` on, without ``mlp_only_layers``.
    """

    num_experts: Count
    num_experts_per_tok: Count = 2
    moe_intermediate_size: Size
    num_shared_experts: Annotated[int, Field(ge=0, le=4096)] = 0
    shared_expert_intermediate_size: Annotated[int, Field(ge=0, le=2**24)] | None = None
    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "softmax"
    router_jitter_noise: Annotated[float, Field(ge=0, le=1)] = 0.01
    norm_topk_prob: bool = False
    routed_scaling_factor: Positive = 1.0
    n_group: Count = 1
    topk_group: Count = 1
    group_best: Count = 1
    first_k_dense_replace: Annotated[int, Field(ge=0, le=4096)] = 0
    decoder_sparse_step: Count = 1
    mlp_only_layers: Annotated[tuple[int, ...], Field(max_length=4096)] = ()
    mlp_layer_types: tuple[Literal["dense", "sparse"], ...] | None = None

    @property
    def shared_width(self) -> int:
        """Width of the shared experts' block, 0 when there is none."""
        if self.shared_expert_intermediate_size is not None:
            return self.shared_expert_intermediate_size
        return self.num_shared_experts * self.moe_intermediate_size

    def is_sparse(self, layer: int) -> bool:
        """Whether a layer has experts."""
        if self.mlp_layer_types is not None:
            return self.mlp_layer_types[layer] == "sparse"
        within = layer >= self.first_k_dense_replace and layer not in self.mlp_only_layers
        return within and (layer + 1) % self.decoder_sparse_step == 0

    @model_validator(mode="before")
    @classmethod
    def _experts(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {MOE_NAMES.get(key, key): value for key, value in raw.items() if value is not None}
        for name in ("num_experts", "num_experts_per_tok", "moe_intermediate_size", "num_shared_experts"):
            if name in known:
                known[name] = _same_in_all_layers(name, known[name])
        known.setdefault("moe_intermediate_size", known.get("intermediate_size"))
        known.setdefault("intermediate_size", known["moe_intermediate_size"])
        gating = known.get("scoring_func")
        if isinstance(gating, int) and gating in _SCORING:
            known["scoring_func"] = _SCORING[gating]
        return {**{key: None for key in raw if raw[key] is None and key not in MOE_NAMES}, **known}

    @model_validator(mode="after")
    def _routable(self) -> Self:
        if self.num_experts % self.n_group or self.topk_group > self.n_group:
            raise ValueError(
                f"{self.num_experts} experts cannot be chosen from {self.topk_group} of {self.n_group} groups"
            )
        group = self.num_experts // self.n_group
        if self.num_experts_per_tok > group * self.topk_group or self.group_best > group:
            raise ValueError(
                f"num_experts_per_tok ({self.num_experts_per_tok}) is more than the "
                f"{group * self.topk_group} experts to choose from"
            )
        if self.mlp_layer_types is not None and len(self.mlp_layer_types) != self.num_hidden_layers:
            raise ValueError(f"mlp_layer_types lists {len(self.mlp_layer_types)} layers of {self.num_hidden_layers}")
        return self


def _same_in_all_layers(name: str, value: Any) -> Any:
    """Some configs list one number per layer; here it is one for all."""
    if not isinstance(value, list):
        return value
    if len(set(map(str, value))) != 1:
        raise ValueError(f"{name} differs between layers, which is not supported")
    return value[0]
