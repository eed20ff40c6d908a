"""MiniMax Text-01 in GGUF: one factor for what goes past every block, and a list of the layers that carry a state."""

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap
from mistralrs.modelkit.state_config import FULL, LINEAR

ALPHAS = ("full_attn_alpha_factor", "linear_attn_alpha_factor", "mlp_alpha_factor")


class MiniMaxGgufMap(GgufMap):
    """What blocks give is not scaled; every eighth layer attends unless the file lists those that do not."""

    __slots__ = ()

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        found = {"full_attention_interval": 8, **super().to_config(metadata, tensors)}
        carrying = metadata.get("minimax-01.attention.recurrent_layers")
        if isinstance(carrying, list):
            found["layer_types"] = [LINEAR if each else FULL for each in carrying]
        if (alpha := metadata.get("minimax-01.residual_scale")) is not None:
            found |= dict.fromkeys(ALPHAS, alpha)
        return found


GGUF = MiniMaxGgufMap(
    config={**MOE_CONFIG, "full_attention_interval": "{arch}.full_attention_interval"},
    tensors={
        **moe_tensors("block_sparse_moe", ("w1", "w3", "w2")),
        "self_attn.norm": "attn_norm_2",
        "self_attn.qkv_proj": "attn_qkv",
        "self_attn.output_gate": "attn_gate",
        "self_attn.out_proj": "attn_output",
    },
    constants={"norm_topk_prob": True},
)
