"""What files of Gemma 3 say. GGUF converters add one to the weights of norms, and leave out the attention scale."""

from mistralrs.modelkit.config import OffsetNormConfig, RopeParameters, Size
from mistralrs.modelkit.gguf import SANDWICH_NORMS, GgufMap


class Gemma3Config(OffsetNormConfig):
    """config.json with the defaults of Gemma 3."""

    sliding_window_pattern: Size | None = 6
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    sliding_rope_parameters: RopeParameters | None = RopeParameters(rope_theta=10_000)


GGUF = GgufMap(tensors=SANDWICH_NORMS, constants={"norm_offset": 0.0}, scale_by_width_at=62)
