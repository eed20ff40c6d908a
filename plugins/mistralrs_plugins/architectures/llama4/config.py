"""What files of Llama 4 say."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mistralrs.modelkit.config import HeadSize, Positive, RopeParameters, Size
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap


class Llama4Config(MoeConfig):
    """config.json with the defaults of Llama 4.

    ``no_rope_layers`` is 0 for a layer without rotary embedding, which sees everything; the others see their stretch
    of ``attention_chunk_size`` tokens. Queries of the former grow with their position.
    """

    head_dim: HeadSize = 128
    num_experts_per_tok: Annotated[int, Field(gt=0, le=4096)] = 1
    num_shared_experts: Annotated[int, Field(ge=0, le=4096)] = 1
    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "sigmoid"
    rms_norm_eps: float = 1e-5
    rope_style: Literal["halves", "adjacent"] = "adjacent"
    rope_parameters: RopeParameters = RopeParameters(rope_theta=500_000)
    use_qk_norm: bool = True
    no_rope_layers: Annotated[tuple[Literal[0, 1], ...], Field(max_length=4096)] = ()
    no_rope_layer_interval: Size = 4
    attention_chunk_size: Size | None = 8192
    attn_temperature_tuning: bool = True
    floor_scale: Positive = 8192
    attn_scale: Positive = 0.1

    def turns(self, layer: int) -> bool:
        """Whether a layer has a rotary embedding."""
        if self.no_rope_layers:
            return self.no_rope_layers[layer] == 1
        return (layer + 1) % self.no_rope_layer_interval != 0

    @model_validator(mode="before")
    @classmethod
    def _blocks(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {key: value for key, value in raw.items() if key != "layer_types"}
        dense, layers, count = (
            known.get("intermediate_size_mlp"),
            known.get("moe_layers"),
            known.get("num_hidden_layers"),
        )
        if dense is not None:
            known |= {"moe_intermediate_size": known.get("intermediate_size"), "intermediate_size": dense}
        if (step := known.get("interleave_moe_layer_step")) is not None:
            known["decoder_sparse_step"] = step
        if isinstance(layers, list) and isinstance(count, int) and 0 < count <= 4096:
            known["mlp_layer_types"] = ["sparse" if layer in layers else "dense" for layer in range(count)]
        return known

    @model_validator(mode="after")
    def _each_layer(self) -> "Llama4Config":
        if self.no_rope_layers and len(self.no_rope_layers) != self.num_hidden_layers:
            raise ValueError(f"no_rope_layers lists {len(self.no_rope_layers)} layers of {self.num_hidden_layers}")
        return self


GGUF = GgufMap(
    config={
        **MOE_CONFIG,
        "decoder_sparse_step": "{arch}.interleave_moe_layer_step",
        "attention_chunk_size": "{arch}.attention.chunk_size",
    },
    tensors={
        **moe_tensors("feed_forward", gate="router", shared="shared_expert"),
        **{f"feed_forward.{name}_proj": f"ffn_{name}" for name in ("gate", "up", "down")},
    },
    constants={"rope_style": "adjacent"},
)
