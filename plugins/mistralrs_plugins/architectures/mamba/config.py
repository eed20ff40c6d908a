"""What files of Mamba and Falcon Mamba say, in the names of the kit."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mistralrs.modelkit.config import Count, Size
from mistralrs.modelkit.state_config import Width

NAMES = {
    "state_size": "mamba_d_state",
    "conv_kernel": "mamba_d_conv",
    "expand": "mamba_expand",
    "time_step_rank": "mamba_dt_rank",
    "use_conv_bias": "mamba_conv_bias",
    "use_bias": "mamba_proj_bias",
    "layer_norm_epsilon": "rms_norm_eps",
}
Epsilon = Annotated[float, Field(ge=0, lt=1)]


class MambaConfig(BaseModel):
    """config.json of a model without attention; ``mixer_norms`` is what Falcon Mamba adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    vocab_size: Size
    hidden_size: Size
    num_hidden_layers: Count
    mamba_dt_rank: Size
    mamba_d_state: Size = 16
    mamba_d_conv: Width = 4
    mamba_expand: Annotated[int, Field(gt=0, le=64)] = 2
    mamba_conv_bias: bool = True
    mamba_proj_bias: bool = False
    mixer_norms: bool = False
    mixer_rms_eps: Epsilon = 1e-6
    hidden_act: Literal["silu"] = "silu"
    rms_norm_eps: Epsilon = 1e-5
    norm_offset: float = 0.0
    tie_word_embeddings: bool = True
    final_logit_softcapping: None = None
    state_style: Literal["trained", "folded"] = "trained"
    max_position_embeddings: Annotated[int, Field(gt=0, le=2**31)] = 2**17

    @model_validator(mode="before")
    @classmethod
    def _kit_names(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {**raw, **{name: raw[key] for key, name in NAMES.items() if raw.get(key) is not None}}
        known.setdefault("mixer_norms", raw.get("model_type") == "falcon_mamba")
        width, inner = known.get("hidden_size"), known.get("mamba_d_ssm") or known.get("intermediate_size")
        if isinstance(width, int) and width > 0:
            if known.get("mamba_dt_rank", "auto") == "auto":
                known["mamba_dt_rank"] = -(-width // 16)
            if isinstance(inner, int):
                known["mamba_expand"] = inner // width
        return known
