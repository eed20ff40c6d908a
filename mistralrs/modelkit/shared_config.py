"""Configs of decoders whose last layers read the keys of earlier ones, and whose layers embed tokens themselves."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from mistralrs.modelkit.config import Activation, CausalConfig, HeadSize, Positive, RopeParameters, Size


class SharedKeysConfig(CausalConfig):
    """A decoder with both of them; its attention scores are not scaled.

    The last ``num_kv_shared_layers`` layers have no keys of their own. Every layer gets ``hidden_size_per_layer_input``
    numbers for each token (0: none) from a table of ``vocab_size_per_layer_input`` rows.
    """

    head_dim: HeadSize = 256
    hidden_act: Activation = "gelu_pytorch_tanh"
    tie_word_embeddings: bool = True
    attention_multiplier: Positive | None = 1.0
    sliding_window: Size | None = 512
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    sliding_rope_parameters: RopeParameters | None = RopeParameters(rope_theta=10_000)
    num_kv_shared_layers: Annotated[int, Field(ge=0, le=4096)] = 0
    hidden_size_per_layer_input: Annotated[int, Field(ge=0, le=2**16)] = 256
    vocab_size_per_layer_input: Size = 262_144

    def keys_from(self, layer: int) -> int | None:
        """The layer whose keys and values ``layer`` reads: the last of its kind that has some; None for its own."""
        first = self.num_hidden_layers - self.num_kv_shared_layers
        if layer < first:
            return None
        return max(index for index in range(first) if self.slides(index) == self.slides(layer))

    @model_validator(mode="after")
    def _sources(self) -> Self:
        first = self.num_hidden_layers - self.num_kv_shared_layers
        if not {self.slides(layer) for layer in range(first)} >= {
            self.slides(layer) for layer in range(max(first, 0), self.num_hidden_layers)
        }:
            raise ValueError(f"num_kv_shared_layers ({self.num_kv_shared_layers}) leaves no layer to read keys from")
        return self
