"""What files of ModernBERT say."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.encoder import EncoderConfig
from mistralrs.modelkit.gguf import GgufMap

GLOBAL_THETA, LOCAL_THETA = 160_000.0, 10_000.0


class ModernBertConfig(EncoderConfig):
    """config.json with the defaults of ModernBERT."""

    rms_norm_eps: float = 1e-5
    attention_bias: bool = False
    mlp_bias: bool = False
    norm_bias: Literal[False] = False
    classifier_bias: Literal[False] = False

    @model_validator(mode="before")
    @classmethod
    def _windows(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        reach, count = raw.get("local_attention", 128), raw.get("num_hidden_layers")
        every = raw.get("global_attn_every_n_layers", 3)
        known = {"sliding_window": reach // 2 + 1 if isinstance(reach, int) else reach, **_ropes(raw)}
        if (
            raw.get("layer_types") is None
            and isinstance(count, int)
            and 0 < count <= 4096
            and isinstance(every, int)
            and every > 0
        ):
            known["layer_types"] = ["sliding_attention" if i % every else "full_attention" for i in range(count)]
        return {**raw, **known}


def _ropes(raw: dict[str, Any]) -> dict[str, Any]:
    if isinstance(raw.get("rope_parameters"), dict):
        return {}
    bases = {"full_attention": raw.get("global_rope_theta"), "sliding_attention": raw.get("local_rope_theta")}
    defaults = {"full_attention": GLOBAL_THETA, "sliding_attention": LOCAL_THETA}
    return {
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": base or defaults[kind]} for kind, base in bases.items()
        }
    }


GGUF = GgufMap(
    tensors={
        "model.embeddings.tok_embeddings": "token_embd",
        "model.embeddings.norm": "token_embd_norm",
        "model.final_norm": "output_norm",
        "attn_norm": "attn_norm",
        "attn.Wqkv": "attn_qkv",
        "attn.Wo": "attn_output",
        "mlp_norm": "ffn_norm",
        "mlp.Wi": "ffn_up",
        "mlp.Wo": "ffn_down",
    },
    config={
        "local_attention": "{arch}.attention.sliding_window",
        "global_attn_every_n_layers": "{arch}.attention.sliding_window_pattern",
    },
)
