"""Granite 4 in GGUF: neighbours rotate together, gate and up are apart, and models without experts are plain."""

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import SCALES
from mistralrs.modelkit.state_gguf import SSM_CONFIG, StateGgufMap, ssm_tensors


class GraniteGgufMap(StateGgufMap):
    """Files say whether positions were trained by rotation, not that they are."""

    __slots__ = ()

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        rotates = metadata.get("granitehybrid.rope.scaling.finetuned", False)
        position = {"position_embedding_type": "rope" if rotates else None}
        # Without a scale it is that of the head size, as in Bamba, whose files have the same name.
        return {"attention_multiplier": None, **super().to_config(metadata, tensors), **position}


GGUF = GraniteGgufMap(
    config={**MOE_CONFIG, **SCALES, **SSM_CONFIG},
    tensors={
        **ssm_tensors("mamba"),
        **moe_tensors("block_sparse_moe", gate="router.layer"),
        "shared_mlp.gate_proj": "ffn_gate_shexp",
        "shared_mlp.up_proj": "ffn_up_shexp",
        "shared_mlp.output_linear": "ffn_down_shexp",
    },
    constants={"rope_style": "adjacent", "norm_topk_prob": True},
)
