"""Muse Glimmer in GGUF: one is added to the weights of norms, and the factor of queries is the weight of their norm."""

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.config import SLIDING
from mistralrs.modelkit.gguf import SANDWICH_NORMS, GgufMap


class MuseGgufMap(GgufMap):
    """Layers with a window are those that rotate."""

    __slots__ = ()

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        found = super().to_config(metadata, tensors)
        if isinstance(kinds := found.get("layer_types"), list):
            found["layer_rope_theta"] = [1.0 if kind == SLIDING else 0.0 for kind in kinds]
        return found


GGUF = MuseGgufMap(
    config={"output_multiplier": "{arch}.logit_scale"},
    tensors={**SANDWICH_NORMS, "self_attn.gate_proj": "attn_gate"},
    constants={"rope_style": "adjacent", "norm_offset": 0.0, "qk_scale_factor": 1.0},
)
