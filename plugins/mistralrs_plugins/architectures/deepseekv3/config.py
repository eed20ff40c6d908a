"""What files of DeepSeek V3 say."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from mistralrs.modelkit.config import Count
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import identity
from mistralrs.modelkit.latent_config import LATENT_CONFIG, LATENT_TENSORS, LatentConfig, LatentGgufMap


class DeepseekV3Config(MoeConfig, LatentConfig):
    """config.json with the defaults of DeepSeek V3."""

    rope_style: Literal["halves", "adjacent"] = "adjacent"
    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "sigmoid"
    norm_topk_prob: bool = True
    group_best: Count = 2


GGUF = LatentGgufMap(
    config={**MOE_CONFIG, **LATENT_CONFIG},
    tensors={**moe_tensors(), **LATENT_TENSORS},
    constants={"rope_style": "adjacent"},
)


def matches(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """The layout of DeepSeek with a sigmoid router."""
    return 1 if metadata.get("deepseek2.expert_gating_func") == 2 and "glm" not in identity(metadata) else -1
