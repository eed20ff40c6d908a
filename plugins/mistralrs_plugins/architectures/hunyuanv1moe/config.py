"""What files of Hunyuan with experts say."""

from typing import Annotated

from pydantic import Field

from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap


class HunyuanMoeConfig(MoeConfig):
    """config.json with the defaults of Hunyuan."""

    norm_topk_prob: bool = True
    num_shared_experts: Annotated[int, Field(ge=0, le=4096)] = 1


NORMS = {"self_attn.query_layernorm": "attn_q_norm", "self_attn.key_layernorm": "attn_k_norm"}
GGUF = GgufMap(config=MOE_CONFIG, tensors={**moe_tensors(gate="gate.wg", shared="shared_mlp"), **NORMS})
