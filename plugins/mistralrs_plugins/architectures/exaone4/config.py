"""What files of EXAONE 4 say."""

from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.config import CausalConfig, Size
from mistralrs.modelkit.gguf import POST_NORMS, GgufMap


class Exaone4Config(CausalConfig):
    """config.json with the defaults of EXAONE 4. The pattern may be a word with a letter for each layer ("LLLG"),
    or 0 for none."""

    rms_norm_eps: float = 1e-5
    sliding_window: Size | None = 4096
    sliding_window_pattern: Size | None = 4

    @model_validator(mode="before")
    @classmethod
    def _letters(cls, raw: Any) -> Any:
        pattern = raw.get("sliding_window_pattern") if isinstance(raw, dict) else None
        if isinstance(pattern, str):
            return {**raw, "sliding_window_pattern": len(pattern)}
        return {**raw, "sliding_window_pattern": None} if pattern == 0 else raw


GGUF = GgufMap(tensors=POST_NORMS)
