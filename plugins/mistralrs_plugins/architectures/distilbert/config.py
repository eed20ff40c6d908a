"""What files of DistilBERT say, which has names of its own for everything."""

from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.encoder import EncoderConfig

OURS = {
    "dim": "hidden_size",
    "hidden_dim": "intermediate_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "activation": "hidden_act",
}


class DistilBertConfig(EncoderConfig):
    """config.json with the defaults of DistilBERT."""

    max_position_embeddings: int = 512

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, raw: Any) -> Any:
        return {**raw, **{OURS[key]: raw[key] for key in OURS if key in raw}} if isinstance(raw, dict) else raw
