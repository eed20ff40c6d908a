"""What config.json of Gemma 3n says about its text side."""

from statistics import NormalDist
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mistralrs.modelkit.config import Positive, Size
from mistralrs.modelkit.shared_config import SharedKeysConfig

Share = Annotated[float, Field(ge=0, lt=1)]


class Gemma3nConfig(SharedKeysConfig):
    """The defaults of Gemma 3n.

    ``intermediate_sizes`` and ``activation_sparsity_pattern`` have an entry for each layer, the latter the share of a
    block's gates that is cut off. Hidden states are ``altup_num_inputs`` streams, of which layers compute the one
    with the number ``altup_active_idx``.
    """

    sliding_window_pattern: Size | None = 5
    final_logit_softcapping: Positive | None = 30
    num_kv_shared_layers: Annotated[int, Field(ge=0, le=4096)] = 15
    intermediate_sizes: Annotated[tuple[Size, ...], Field(max_length=4096)]
    activation_sparsity_pattern: Annotated[tuple[Share, ...], Field(max_length=4096)]
    altup_num_inputs: Annotated[int, Field(gt=1, le=64)] = 4
    altup_active_idx: Annotated[int, Field(ge=0, lt=64)] = 0
    altup_correct_scale: Literal[True] = True
    laurel_rank: Size = 64
    hidden_size_per_layer_input: Size = 256

    def cut_off(self, layer: int) -> float | None:
        """How many deviations above their mean a layer cuts off its gates; None where it keeps all."""
        share = self.activation_sparsity_pattern[layer]
        return NormalDist().inv_cdf(share) if share > 0 else None

    @model_validator(mode="before")
    @classmethod
    def _each_layer(cls, raw: Any) -> Any:
        """One number for all layers becomes a list, and ten sparse layers are the default of larger models."""
        if not isinstance(raw, dict) or not isinstance(count := raw.get("num_hidden_layers"), int) or count > 4096:
            return raw
        inner, sparsity = raw.get("intermediate_size"), raw.get("activation_sparsity_pattern")
        each = list(inner) if isinstance(inner, list | tuple) else [inner] * count
        if sparsity is None:
            sparsity = [0.95 if count > 10 and layer < 10 else 0.0 for layer in range(count)]
        elif not isinstance(sparsity, list | tuple):
            sparsity = [sparsity] * count
        sizes = [size for size in each if isinstance(size, int)]
        return {
            **raw,
            "intermediate_size": max(sizes, default=None),
            "intermediate_sizes": each,
            "activation_sparsity_pattern": sparsity,
        }

    @model_validator(mode="after")
    def _lists(self) -> Self:
        for name in ("intermediate_sizes", "activation_sparsity_pattern"):
            if (listed := len(getattr(self, name))) != self.num_hidden_layers:
                raise ValueError(f"{name} lists {listed} layers of {self.num_hidden_layers}")
        if self.altup_active_idx >= self.altup_num_inputs:
            raise ValueError(f"altup_active_idx ({self.altup_active_idx}) is none of {self.altup_num_inputs} streams")
        return self
