"""What files of Mamba-2 say, in the names of the kit."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mistralrs.modelkit.config import Count, Size
from mistralrs.modelkit.state_config import SsmConfig

NAMES = {
    "num_heads": "mamba_n_heads",
    "head_dim": "mamba_d_head",
    "state_size": "mamba_d_state",
    "n_groups": "mamba_n_groups",
    "conv_kernel": "mamba_d_conv",
    "expand": "mamba_expand",
    "use_conv_bias": "mamba_conv_bias",
    "use_bias": "mamba_proj_bias",
    "layer_norm_epsilon": "rms_norm_eps",
}


class Mamba2Config(SsmConfig):
    """config.json of a model without attention."""

    vocab_size: Size
    hidden_size: Size
    num_hidden_layers: Count
    hidden_act: Literal["silu"] = "silu"
    rms_norm_eps: Annotated[float, Field(ge=0, lt=1)] = 1e-5
    norm_offset: float = 0.0
    tie_word_embeddings: bool = False
    final_logit_softcapping: None = None
    state_style: Literal["trained", "folded"] = "trained"
    max_position_embeddings: Annotated[int, Field(gt=0, le=2**31)] = 2**17

    @model_validator(mode="before")
    @classmethod
    def _kit_names(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        renamed = {name: raw[key] for key, name in NAMES.items() if raw.get(key) is not None}
        limits = raw.get("time_step_limit") or (0.0, math.inf)
        return {**raw, **renamed, "time_step_limit": limits}
