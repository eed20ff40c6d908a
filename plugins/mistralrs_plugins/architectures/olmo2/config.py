"""What files of OLMo 2 and 3 say."""

from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.gguf import POST_NORMS, GgufMap


class Olmo2Config(CausalConfig):
    """config.json with the defaults of OLMo 2; layers with a window never stretch their rotary embedding."""

    rms_norm_eps: float = 1e-5

    @model_validator(mode="before")
    @classmethod
    def _plain_in_windows(cls, raw: Any) -> Any:
        table = raw.get("rope_parameters") if isinstance(raw, dict) else None
        base = table.get("rope_theta") if isinstance(table, dict) else None
        theta = base or (raw.get("rope_theta") if isinstance(raw, dict) else None)
        return {"sliding_rope_parameters": {"rope_theta": theta}, **raw} if theta else raw


GGUF = GgufMap(tensors=POST_NORMS)
