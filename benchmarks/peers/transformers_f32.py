"""transformers on the decoded file in float32: what a user of PyTorch has without any engine."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM


class Engine:
    """The plain loop: greedy, one token at a time."""

    def __init__(self, model: str, threads: int, context: int) -> None:
        torch.set_num_threads(threads)
        path = Path(model)
        self._model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)

    @torch.inference_mode()
    def prompt(self, length: int) -> float:
        """Tokens a second of a prompt."""
        started = time.perf_counter()
        self._read(length)
        return length / (time.perf_counter() - started)

    @torch.inference_mode()
    def decode(self, depth: int, new: int) -> float:
        """Tokens a second with ``depth`` tokens before them."""
        output = self._read(max(1, depth))
        started = time.perf_counter()
        for _ in range(new):
            token = output.logits[:, -1:].argmax(-1)
            output = self._model(token, past_key_values=output.past_key_values, use_cache=True)
        return new / (time.perf_counter() - started)

    def _read(self, length: int):  # type: ignore[no-untyped-def]
        return self._model(torch.randint(100, 5000, (1, length)), use_cache=True, logits_to_keep=1)
