"""What llama.cpp thinks comes next. Run with the interpreter of its environment: imports nothing of this project.

    python llama_cpp_logprobs.py MODEL THREADS VOCABULARY RESULT < PROMPTS

PROMPTS are lists of token ids, as JSON. RESULT becomes a list with the log-probability of every token after each.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import xllamacpp


def after(server: xllamacpp.Server, prompt: list[int], vocab: int) -> list[float]:
    """The log-probabilities of all ``vocab`` tokens after a prompt."""
    request = {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": vocab, "cache_prompt": False}
    content = server.handle_completions(request)["choices"][0]["logprobs"]["content"][0]
    found = [float("-inf")] * vocab
    for candidate in content["top_logprobs"]:
        found[candidate["id"]] = candidate["logprob"]
    return found


def main() -> None:
    """Read, compute, write, and leave at once: it hangs when it is taken apart."""
    model, threads, vocab, result = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    server = importlib.import_module("llama_cpp").one_sequence(model, threads, 4096)  # the file beside this one
    prompts = json.load(sys.stdin)
    result.write_text(json.dumps([after(server, prompt, vocab) for prompt in prompts]), encoding="ascii")
    os._exit(0)


if __name__ == "__main__":
    main()
