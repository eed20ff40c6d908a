"""What config.json of GPT-J says."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import Activation, CausalConfig


class GptJConfig(CausalConfig):
    """config.json with the defaults of GPT-J."""

    hidden_act: Activation = "gelu_pytorch_tanh"
    rms_norm_eps: float = 1e-5
    rope_style: Literal["halves", "adjacent"] = "adjacent"

    @model_validator(mode="before")
    @classmethod
    def _sizes(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        width, heads, rotary = (raw.get(name) for name in ("n_embd", "n_head", "rotary_dim"))
        if not isinstance(width, int) or not isinstance(heads, int) or not isinstance(rotary, int) or width <= 0:
            return raw
        return {**raw, "n_inner": raw.get("n_inner") or 4 * width, "partial_rotary_factor": rotary * heads / width}
