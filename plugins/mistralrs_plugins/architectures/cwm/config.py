"""What config.json of CWM says."""

from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.config import CausalConfig, RopeParameters, Size


class CwmConfig(CausalConfig):
    """config.json with the defaults of CWM: every fourth layer, from the first on, sees the whole past."""

    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    sliding_window: Size | None = 8192

    @model_validator(mode="before")
    @classmethod
    def _layers(cls, raw: Any) -> Any:
        count = raw.get("num_hidden_layers") if isinstance(raw, dict) else None
        if not isinstance(count, int) or not 0 < count <= 4096 or raw.get("layer_types"):
            return raw
        return {**raw, "layer_types": ["sliding_attention" if i % 4 else "full_attention" for i in range(count)]}
