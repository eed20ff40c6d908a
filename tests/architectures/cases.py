"""One line per architecture: the transformers class to compare with, and the settings worth a case of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
}


@dataclass(frozen=True)
class Case:
    """A configuration to build on both sides. ``config`` and ``model`` are class names in transformers."""

    key: str
    config: str
    extra: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def id(self) -> str:
        return f"{self.key}-{self.name}" if self.name else self.key


def _rope(**table: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_theta": 10_000.0, **table}}


CASES = [
    Case("LlamaForCausalLM", "LlamaConfig"),
    Case("LlamaForCausalLM", "LlamaConfig", {"tie_word_embeddings": True}, "tied"),
    Case("LlamaForCausalLM", "LlamaConfig", {"attention_bias": True, "mlp_bias": True}, "biases"),
    Case("LlamaForCausalLM", "LlamaConfig", {"head_dim": 12}, "own-head-size"),
    Case("LlamaForCausalLM", "LlamaConfig", _rope(rope_type="linear", factor=4.0), "rope-linear"),
    Case(
        "LlamaForCausalLM",
        "LlamaConfig",
        _rope(
            rope_type="llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=32,
        ),
        "rope-llama3",
    ),
    Case(
        "LlamaForCausalLM",
        "LlamaConfig",
        _rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=32),
        "rope-yarn",
    ),
    Case("Qwen2ForCausalLM", "Qwen2Config"),
    Case(
        "Qwen2ForCausalLM",
        "Qwen2Config",
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
        "window",
    ),
    Case("Qwen3ForCausalLM", "Qwen3Config", {"head_dim": 16}),
    Case(
        "Qwen3ForCausalLM",
        "Qwen3Config",
        {"head_dim": 16, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
        "window",
    ),
]
