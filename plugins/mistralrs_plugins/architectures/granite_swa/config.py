"""What files of Granite with sliding windows say."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mistralrs.modelkit.config import FULL, MAX_LAYERS, SLIDING, Positive, ScaledConfig, Size

Theta = Annotated[float, Field(ge=0, lt=1e12)]


class GraniteSwaConfig(ScaledConfig):
    """config.json; a ``layer_rope_theta`` of zero is a layer without rotation."""

    rms_norm_eps: float = 1e-5
    attention_multiplier: Positive | None = 1.0
    sliding_window: Size | None = 128
    layer_rope_theta: Annotated[tuple[Theta, ...], Field(max_length=MAX_LAYERS)] | None = None
    tie_word_embeddings: bool = True

    @model_validator(mode="before")
    @classmethod
    def _every_fourth(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("layer_types") is not None:
            return raw
        count = raw.get("num_hidden_layers")
        if not isinstance(count, int) or not 0 < count <= MAX_LAYERS:
            return raw
        return {**raw, "layer_types": [SLIDING if layer % 4 else FULL for layer in range(count)]}

    @model_validator(mode="after")
    def _for_each_layer(self) -> Self:
        thetas = self.layer_rope_theta
        if thetas is not None and len(thetas) != self.num_hidden_layers:
            raise ValueError(f"layer_rope_theta lists {len(thetas)} layers of {self.num_hidden_layers}")
        return self
