"""What files of Granite with sliding windows say."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.config import FULL, MAX_LAYERS, SLIDING, Positive, ScaledConfig, Size
from mistralrs.modelkit.gguf import SCALES, GgufMap

Theta = Annotated[float, Field(ge=0, lt=1e12)]


class GraniteSwaGgufMap(GgufMap):
    """Files may list which layers rotate; the base is one for all."""

    __slots__ = ()

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        found = super().to_config(metadata, tensors)
        rotated, theta = metadata.get("granite_swa.attention.rope_pattern"), found["rope_parameters"].get("rope_theta")
        if isinstance(rotated, list) and theta is not None:
            found["layer_rope_theta"] = [theta if each else 0.0 for each in rotated]
        return found


GGUF = GraniteSwaGgufMap(
    config=SCALES, tensors={"self_attn.sinks": "attn_sinks.weight"}, constants={"rope_style": "adjacent"}
)


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
