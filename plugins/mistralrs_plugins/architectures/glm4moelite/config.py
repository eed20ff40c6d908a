"""What files of GLM-4 MoE Lite say. In GGUF it is written as DeepSeek, so only its name tells."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from mistralrs.modelkit.config import Count
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import identity
from mistralrs.modelkit.latent_config import LATENT_CONFIG, LATENT_TENSORS, LatentConfig, LatentGgufMap


class Glm4MoeLiteConfig(MoeConfig, LatentConfig):
    """config.json with the defaults of GLM-4 MoE Lite."""

    rope_style: Literal["halves", "adjacent"] = "adjacent"
    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "sigmoid"
    norm_topk_prob: bool = True
    group_best: Count = 2
    first_k_dense_replace: Annotated[int, Field(ge=0, le=4096)] = 1


GGUF = LatentGgufMap(
    config={**MOE_CONFIG, **LATENT_CONFIG},
    tensors={**moe_tensors(), **LATENT_TENSORS},
    constants={"rope_style": "adjacent"},
)


def matches(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """Sure when the file calls itself GLM."""
    return 2 if "glm" in identity(metadata) else -1
