"""llama.cpp through xllamacpp, which times prompts and decoding itself."""

from __future__ import annotations

import random

import xllamacpp


def one_sequence(model: str, threads: int, context: int) -> xllamacpp.Server:
    """llama.cpp with one place for ``context`` tokens."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = -1
    return xllamacpp.Server(parameters)


class Engine:
    """One sequence, no reuse of earlier prompts."""

    def __init__(self, model: str, threads: int, context: int) -> None:
        self._server = one_sequence(model, threads, context)

    def prompt(self, length: int) -> float:
        """Tokens a second of a prompt."""
        return float(self._timings(length, 1)["prompt_per_second"])

    def decode(self, depth: int, new: int) -> float:
        """Tokens a second with ``depth`` tokens before them."""
        return float(self._timings(max(1, depth), new)["predicted_per_second"])

    def _timings(self, prompt: int, new: int) -> dict[str, float]:
        request = {
            "prompt": random.choices(range(100, 5000), k=prompt),
            "n_predict": new,
            "temperature": 0,
            "cache_prompt": False,
            "ignore_eos": True,
        }
        timings: dict[str, float] = self._server.handle_completions(request)["timings"]
        return timings
