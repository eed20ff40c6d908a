"""What files of Gemma 3 say. GGUF converters add one to the weights of norms, and leave out the attention scale."""

from typing import Literal

from pydantic import field_validator

from mistralrs.modelkit.config import OffsetNormConfig, RopeParameters, Size
from mistralrs.modelkit.gguf import SANDWICH_NORMS, GgufMap


class EmbeddingGemmaConfig(OffsetNormConfig):
    """The config.json of EmbeddingGemma. Half of its window lies before a token and half behind it."""

    sliding_window_pattern: Size | None = 6
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    sliding_rope_parameters: RopeParameters | None = RopeParameters(rope_theta=10_000)
    use_bidirectional_attention: Literal[True] = True  # type: ignore[assignment]

    @field_validator("sliding_window")
    @classmethod
    def _each_side(cls, window: int | None) -> int | None:
        return None if window is None else window // 2 + 1


class Gemma3Config(OffsetNormConfig):
    """config.json with the defaults of Gemma 3."""

    sliding_window_pattern: Size | None = 6
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    sliding_rope_parameters: RopeParameters | None = RopeParameters(rope_theta=10_000)


GGUF = GgufMap(tensors=SANDWICH_NORMS, constants={"norm_offset": 0.0}, scale_by_width_at=62)
