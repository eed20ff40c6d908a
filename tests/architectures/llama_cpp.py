"""llama.cpp as a reference for probabilities."""

from __future__ import annotations

from pathlib import Path

import torch
import xllamacpp

CONTEXT = 256
"""The least llama.cpp takes; also what it chooses LongRoPE's frequencies by."""


class LlamaCpp:
    """A model in llama.cpp, computing and caching in float32 as far as it can. Stops when it is collected."""

    def __init__(self, path: Path, vocab_size: int) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel = CONTEXT, 1
        params.cpuparams.n_threads = 1
        params.warmup = False
        params.verbosity = 0
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._server = xllamacpp.Server(params)
        self._vocab_size = vocab_size

    def log_probabilities(self, ids: list[int]) -> torch.Tensor:
        """Of the token after ``ids``: ``[vocab]``."""
        size = self._vocab_size
        answer = self._server.handle_completions(
            {"prompt": ids, "n_predict": 1, "n_probs": size, "temperature": 0.0, "cache_prompt": False}
        )
        found = torch.full((size,), float("nan"))
        for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
            found[entry["id"]] = entry["logprob"]
        return found
