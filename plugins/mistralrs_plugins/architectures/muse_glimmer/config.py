"""What files of Muse Glimmer say about the text model."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mistralrs.modelkit.config import FULL, MAX_LAYERS, SLIDING, CausalConfig, HeadSize, Positive, RopeParameters, Size

Theta = Annotated[float, Field(ge=0, lt=1e12)]


class MuseGlimmerConfig(CausalConfig):
    """The config of the text model with its defaults; a ``layer_rope_theta`` of zero is a layer without rotation."""

    head_dim: HeadSize = 128
    max_position_embeddings: int = 131072
    rms_norm_eps: float = 1e-5
    norm_offset: Annotated[float, Field(ge=0, le=1)] = 1.0
    post_norm_eps: Annotated[float, Field(ge=0, lt=1)] = 1e-8
    sliding_window: Size | None = 2048
    qk_scale_factor: Positive = 3.87
    output_multiplier: Positive = 0.19611613513818404
    final_logit_softcapping: Positive | None = 20.0
    rope_parameters: RopeParameters = RopeParameters()
    layer_rope_theta: Annotated[tuple[Theta, ...], Field(max_length=MAX_LAYERS)]

    @model_validator(mode="before")
    @classmethod
    def _by_layer(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = dict(raw)
        size, factor = known.get("head_dim", 128), known.get("qk_scale_factor", 3.87)
        if isinstance(size, int) and size > 0 and isinstance(factor, int | float):
            known["attention_multiplier"] = factor * size**-0.5
        count = known.get("num_hidden_layers")
        if isinstance(count, int) and 0 < count <= MAX_LAYERS:
            everywhere = [(count - 1 - layer) % 4 == 0 for layer in range(count)]
            if known.get("layer_types") is None:
                known["layer_types"] = [FULL if each else SLIDING for each in everywhere]
            if known.get("layer_rope_theta") is None:
                known["layer_rope_theta"] = [0.0 if each else 1.0 for each in everywhere]
        return known

    @model_validator(mode="after")
    def _for_each_layer(self) -> Self:
        if len(self.layer_rope_theta) != self.num_hidden_layers:
            raise ValueError(f"layer_rope_theta lists {len(self.layer_rope_theta)} layers of {self.num_hidden_layers}")
        return self

    def rotates(self, layer: int) -> bool:
        """Whether a layer has a rotary embedding."""
        return self.layer_rope_theta[layer] > 0
