"""What files of Mixtral say. In GGUF it is written as Llama, so only its experts tell."""

from collections.abc import Collection, Mapping
from typing import Any

from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap, has_experts


class MixtralConfig(MoeConfig):
    """config.json, with the weights of a token's experts adding up to one."""

    norm_topk_prob: bool = True


TENSORS = moe_tensors("block_sparse_moe", ("w1", "w3", "w2"))
GGUF = GgufMap(config=MOE_CONFIG, tensors=TENSORS, constants={"rope_style": "adjacent"})


def matches(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """Sure when a Llama has experts."""
    return 1 if has_experts(tensors) else -1
