"""What files of LFM2 say."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mistralrs.modelkit.config import RopeParameters, Size
from mistralrs.modelkit.state_config import HybridConfig, Width


class Lfm2Config(HybridConfig):
    """config.json with the defaults of LFM2, whose feed-forward width is two thirds of what it states, rounded up."""

    conv_L_cache: Width = 3
    conv_bias: bool = False
    tie_word_embeddings: bool = True
    block_auto_adjust_ff_dim: bool = True
    block_ffn_dim_multiplier: Annotated[float, Field(gt=0, le=64)] | None = 1.0
    block_multiple_of: Size = 256
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        older = {"tie_embedding": "tie_word_embeddings", "block_ff_dim": "intermediate_size"}
        return {**raw, **{name: raw[key] for key, name in older.items() if raw.get(key) is not None}}

    @property
    def inner(self) -> int:
        """Width of the feed-forward block."""
        if not self.block_auto_adjust_ff_dim:
            return self.intermediate_size
        width = int(2 * self.intermediate_size / 3)
        if self.block_ffn_dim_multiplier is not None:
            width = int(self.block_ffn_dim_multiplier * width)
        return self.block_multiple_of * max(1, -(-width // self.block_multiple_of))
