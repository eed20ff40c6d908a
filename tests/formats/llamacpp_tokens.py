"""llama.cpp's tokenizer over a vocabulary of ours: a model of one tiny layer, and the server's ``/tokenize``."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import xllamacpp

WIDTH = 32
LAYER = {
    "attn_norm": (WIDTH,),
    "attn_q": (WIDTH, WIDTH),
    "attn_k": (WIDTH, WIDTH),
    "attn_v": (WIDTH, WIDTH),
    "attn_output": (WIDTH, WIDTH),
    "ffn_norm": (WIDTH,),
    "ffn_gate": (WIDTH, WIDTH),
    "ffn_up": (WIDTH, WIDTH),
    "ffn_down": (WIDTH, WIDTH),
}


def write_model(path: Path, tokenizer: dict[str, Any]) -> Path:
    """A model that llama.cpp loads, with these keys below ``tokenizer.ggml.``."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH)
    for name, value in tokenizer.items():
        _add(writer, f"tokenizer.ggml.{name}", value)
    size = len(tokenizer["tokens"])
    tensors = {"token_embd": (size, WIDTH), "output_norm": (WIDTH,), "output": (size, WIDTH)}
    tensors |= {f"blk.0.{name}": shape for name, shape in LAYER.items()}
    for name, shape in tensors.items():
        writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, bytes):
        writer.add_array(key, value)
    else:
        writer.add_array(key, value)


class LlamaCppTokenizer:
    """The tokenizer of a model file. Stops when it is collected."""

    def __init__(self, path: Path) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel = 256, 1
        params.cpuparams.n_threads = 1
        params.warmup = False
        params.verbosity = 0
        self._server = xllamacpp.Server(params)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Ids with control tokens in the text recognized; ``special`` adds those around it."""
        body = json.dumps({"content": text, "add_special": special, "parse_special": True}).encode()
        request = urllib.request.Request(
            f"{self._server.listening_address}/tokenize", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            ids: list[int] = json.load(answer)["tokens"]
        return ids
