"""What files of BitNet say. In GGUF the activation is a setting, SiLU where it is not stated."""

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.errors import ModelFormatError
from mistralrs.modelkit.config import Activation, CausalConfig, RopeParameters
from mistralrs.modelkit.gguf import GgufMap


class BitNetConfig(CausalConfig):
    """config.json with the defaults of BitNet."""

    hidden_act: Activation = "relu2"
    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(rope_theta=500_000)


class BitNetGgufMap(GgufMap):
    """Refuses files whose ternary weights have their scales apart."""

    __slots__ = ()

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        if scale := next((name for name in tensors if name.endswith(".scale")), None):
            raise ModelFormatError(
                f"the GGUF keeps the scales of ternary weights apart ('{scale}')",
                hint="use a file whose weights are plain or of type TQ1_0 or TQ2_0",
            )
        return {"hidden_act": "silu", **super().to_config(metadata, tensors)}


GGUF = BitNetGgufMap(
    config={"hidden_act": "{arch}.hidden_activation"},
    tensors={"self_attn.attn_sub_norm": "attn_sub_norm", "mlp.ffn_sub_norm": "ffn_sub_norm"},
)
