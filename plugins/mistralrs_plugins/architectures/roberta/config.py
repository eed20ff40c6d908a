"""What files of RoBERTa and XLM-RoBERTa say."""

from typing import Any

from pydantic import Field, model_validator

from mistralrs.modelkit.encoder import EncoderConfig


class RobertaConfig(EncoderConfig):
    """config.json, with the positions that can be used and not the rows of their table."""

    rms_norm_eps: float = 1e-5
    type_vocab_size: int = 1
    pad_token_id: int = Field(default=1, ge=0, le=1024)

    @model_validator(mode="before")
    @classmethod
    def _usable_positions(cls, raw: Any) -> Any:
        rows = raw.get("max_position_embeddings", 514) if isinstance(raw, dict) else None
        padding = raw.get("pad_token_id", 1) if isinstance(raw, dict) else None
        if not isinstance(rows, int) or not isinstance(padding, int):
            return raw
        return {**raw, "max_position_embeddings": rows - padding - 1}
