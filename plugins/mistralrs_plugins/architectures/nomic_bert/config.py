"""What files of Nomic BERT say: GPT-2's names, and another model of the same authors as a guide for the rest."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import Activation
from mistralrs.modelkit.encoder import EncoderConfig
from mistralrs.modelkit.gguf import GgufMap


class NomicBertConfig(EncoderConfig):
    """config.json with the defaults of Nomic BERT. Layer norms before the blocks are refused."""

    hidden_act: Activation = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    type_vocab_size: int = 2
    prenorm: Literal[False] = False

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        named = {"rotary_emb_base": raw.get("rotary_emb_base", 1000)} if "rope_parameters" not in raw else {}
        act = {"activation_function": "silu"} if raw.get("activation_function") == "swiglu" else {}
        return {**raw, **named, **act}


GGUF = GgufMap(
    layers="model.encoder.layers",
    config={"type_vocab_size": "tokenizer.ggml.token_type_count"},
    tensors={
        "model.embeddings.word_embeddings": "token_embd",
        "model.embeddings.token_type_embeddings": "token_types",
        "model.emb_ln": "token_embd_norm",
        "attn.Wqkv": "attn_qkv",
        "attn.out_proj": "attn_output",
        "norm1": "attn_output_norm",
        "norm2": "layer_output_norm",
        "mlp.fc11": "ffn_up",
        "mlp.fc12": "ffn_gate",
        "mlp.fc2": "ffn_down",
    },
)
