"""Nemotron-H in GGUF: a layer with key heads attends, one with an inner width is a feed-forward block, others scan."""

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.state_gguf import SSM_CONFIG, StateGgufMap, ssm_tensors


class NemotronGgufMap(StateGgufMap):
    """Files list the inner width of each layer, zero for those that are no feed-forward block."""

    __slots__ = ()

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        found = super().to_config(metadata, tensors)
        widths, kinds = found.get("intermediate_size"), found.get("layer_types")
        if isinstance(widths, list) and isinstance(kinds, list) and len(widths) == len(kinds):
            found["layer_types"] = ["mlp" if width else kind for width, kind in zip(widths, kinds, strict=True)]
            found["intermediate_size"] = next(filter(None, widths), 1)
        return found


GGUF = NemotronGgufMap(
    config=SSM_CONFIG,
    tensors={
        "backbone.embeddings": "token_embd",
        "backbone.norm_f": "output_norm",
        "norm": "attn_norm",
        "mixer.q_proj": "attn_q",
        "mixer.k_proj": "attn_k",
        "mixer.v_proj": "attn_v",
        "mixer.o_proj": "attn_output",
        "mixer.up_proj": "ffn_up",
        "mixer.down_proj": "ffn_down",
        **ssm_tensors("mixer"),
    },
    layers="backbone.layers",
)
