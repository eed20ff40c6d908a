"""What files of Jamba say."""

from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.config import Size
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.state_config import HybridConfig, Width


class JambaConfig(HybridConfig, MoeConfig):
    """config.json with the defaults of Jamba; every so many layers attend, and every so many have experts."""

    mamba_d_state: Size = 16
    mamba_d_conv: Width = 4
    mamba_expand: Size = 2
    mamba_dt_rank: Size
    mamba_conv_bias: bool = True
    mamba_proj_bias: bool = False

    @model_validator(mode="before")
    @classmethod
    def _periods(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {"attn_layer_period": 8, "attn_layer_offset": 4, **raw}
        width, count = known.get("hidden_size"), known.get("num_hidden_layers")
        inner = known.get("mamba_d_ssm")
        if isinstance(inner, int) and isinstance(width, int) and width > 0:
            known["mamba_expand"] = inner // width
        if known.get("mamba_dt_rank", "auto") in ("auto", None) and isinstance(width, int):
            known["mamba_dt_rank"] = -(-width // 16)
        period, offset = known.get("expert_layer_period", 2), known.get("expert_layer_offset", 1)
        experts = known.get("num_experts", 16)
        if isinstance(count, int) and 0 < count <= 4096 and isinstance(experts, int) and isinstance(period, int):
            sparse = [experts > 1 and layer % max(1, period) == offset for layer in range(count)]
            known.setdefault("mlp_layer_types", ["sparse" if each else "dense" for each in sparse])
            if experts <= 1:
                known |= {"num_experts": 1, "num_experts_per_tok": 1}
        return known
