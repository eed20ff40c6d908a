"""What files of BERT say. A GGUF of this name may hold RoBERTa too, without the rows of positions that mean nothing."""

from mistralrs.modelkit.encoder import EncoderConfig
from mistralrs.modelkit.gguf import GgufMap


class BertConfig(EncoderConfig):
    """config.json with the defaults of BERT."""

    type_vocab_size: int = 2
    max_position_embeddings: int = 512


GGUF = GgufMap(
    layers="bert.encoder.layer",
    config={"type_vocab_size": "tokenizer.ggml.token_type_count"},
    tensors={
        "bert.embeddings.word_embeddings": "token_embd",
        "bert.embeddings.position_embeddings": "position_embd",
        "bert.embeddings.token_type_embeddings": "token_types",
        "bert.embeddings.LayerNorm": "token_embd_norm",
        "attention.self.query": "attn_q",
        "attention.self.key": "attn_k",
        "attention.self.value": "attn_v",
        "attention.output.dense": "attn_output",
        "attention.output.LayerNorm": "attn_output_norm",
        "intermediate.dense": "ffn_up",
        "output.dense": "ffn_down",
        "output.LayerNorm": "layer_output_norm",
    },
)
