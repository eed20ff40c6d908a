"""What files of DeepSeek V2 say."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.latent_config import LATENT_CONFIG, LATENT_TENSORS, LatentConfig, LatentGgufMap


class DeepseekV2Config(MoeConfig, LatentConfig):
    """config.json with the defaults of DeepSeek V2; experts are chosen by group unless ``topk_method`` is greedy."""

    rope_style: Literal["halves", "adjacent"] = "adjacent"

    @model_validator(mode="before")
    @classmethod
    def _greedy(cls, raw: Any) -> Any:
        # The reference never divides the weights by their sum, whatever norm_topk_prob says.
        known = {**raw, "norm_topk_prob": False} if isinstance(raw, dict) else raw
        if isinstance(raw, dict) and raw.get("topk_method", "greedy") == "greedy":
            known |= {"n_group": 1, "topk_group": 1}
        return known


GGUF = LatentGgufMap(
    config={**MOE_CONFIG, **LATENT_CONFIG},
    tensors={**moe_tensors(), **LATENT_TENSORS},
    constants={"rope_style": "adjacent", "topk_method": "group_limited_greedy"},
)


def matches(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """Whatever has the layout of DeepSeek and a softmax router, as all files have that do not name one."""
    return 0 if metadata.get("deepseek2.expert_gating_func", 1) in (0, 1) else -1
