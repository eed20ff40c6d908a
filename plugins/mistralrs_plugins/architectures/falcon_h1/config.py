"""What files of Falcon H1 say."""

from typing import Annotated, Literal

from pydantic import Field

from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.state_config import SsmConfig

Factor = Annotated[float, Field(gt=-1e6, lt=1e6, allow_inf_nan=False)]


class FalconH1Config(SsmConfig, CausalConfig):
    """config.json with the defaults of Falcon H1; a multiplier for about every projection."""

    rms_norm_eps: Annotated[float, Field(ge=0, lt=1)] = 1e-5
    state_style: Literal["trained", "folded"] = "trained"
    mamba_rms_norm: bool = False
    mamba_norm_before_gate: bool = True
    projectors_bias: Literal[False] = False
    embedding_multiplier: Factor = 1.0
    lm_head_multiplier: Factor = 1.0
    key_multiplier: Factor = 1.0
    attention_in_multiplier: Factor = 1.0
    attention_out_multiplier: Factor = 1.0
    ssm_in_multiplier: Factor = 1.0
    ssm_out_multiplier: Factor = 1.0
    ssm_multipliers: tuple[Factor, Factor, Factor, Factor, Factor] = (1.0, 1.0, 1.0, 1.0, 1.0)
    mlp_multipliers: tuple[Factor, Factor] = (1.0, 1.0)
