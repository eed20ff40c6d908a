"""What files of Nemotron-H say, in the names of the kit."""

import math
from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import Activation, HeadSize
from mistralrs.modelkit.state_config import FULL, LINEAR, HybridConfig, SsmConfig

NAMES = {
    "mamba_num_heads": "mamba_n_heads",
    "mamba_head_dim": "mamba_d_head",
    "ssm_state_size": "mamba_d_state",
    "n_groups": "mamba_n_groups",
    "conv_kernel": "mamba_d_conv",
    "use_conv_bias": "mamba_conv_bias",
    "use_bias": "mamba_proj_bias",
    "mlp_hidden_act": "hidden_act",
}
PATTERN = {"M": LINEAR, "*": FULL, "-": "mlp", "E": "moe"}


class NemotronHConfig(HybridConfig, SsmConfig):
    """config.json of a model with one block to a layer: a scan, attention or a feed-forward block."""

    layer_types: tuple[Literal["linear_attention", "full_attention", "mlp"], ...]  # type: ignore[assignment]
    head_dim: HeadSize = 128
    hidden_act: Activation = "relu2"

    @model_validator(mode="before")
    @classmethod
    def _kit_names(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {**raw, **{name: raw[key] for key, name in NAMES.items() if raw.get(key) is not None}}
        pattern = raw.get("hybrid_override_pattern")
        types = raw.get("layers_block_type") or raw.get("layer_types")
        if not types and isinstance(pattern, str):
            types = [PATTERN.get(each, each) for each in pattern]
        if isinstance(types, list):
            known |= {"layer_types": types, "num_hidden_layers": len(types)}
        # The limit that these files state is not the one their models are run with.
        known["time_step_limit"] = (raw.get("time_step_min", 0.001), math.inf)
        return known
