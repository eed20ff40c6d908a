"""What files of Gemma 3 say. GGUF converters add one to the weights of norms, and leave out the attention scale."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

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
    """config.json with the defaults of Gemma 3, of which the files of models that see state little else."""

    vocab_size: Size = 262_208
    num_attention_heads: Annotated[int, Field(gt=0, le=4096)] = 8
    num_key_value_heads: Annotated[int, Field(gt=0, le=4096)] = 4
    max_position_embeddings: Annotated[int, Field(gt=0, le=2**31)] = 131_072
    sliding_window_pattern: Size | None = 6
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    sliding_rope_parameters: RopeParameters | None = RopeParameters(rope_theta=10_000)


GGUF = GgufMap(tensors=SANDWICH_NORMS, constants={"norm_offset": 0.0}, scale_by_width_at=62)
