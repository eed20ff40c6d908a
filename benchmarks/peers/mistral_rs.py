"""The original, through its own wheel. It takes text, so prompts are of about the length that is asked for."""

from __future__ import annotations

import os
import random
from pathlib import Path

WORDS = ("apple", "river", "stone", "green", "house", "light", "music", "paper")
THREADS = "RAYON_NUM_THREADS"


class Engine:
    """One sequence. The wheel's import name is the same as this project's: it needs an environment of its own."""

    def __init__(self, model: str, threads: int, context: int) -> None:
        os.environ[THREADS] = str(threads)
        from mistralrs import Runner, Which

        path = Path(model)
        which = Which.GGUF(quantized_model_id=str(path.parent), quantized_filename=path.name)
        self._runner = Runner(which=which, max_seqs=1)

    def prompt(self, length: int) -> float:
        """Tokens a second of a prompt."""
        return float(self._usage(length, 1).avg_prompt_tok_per_sec)

    def decode(self, depth: int, new: int) -> float:
        """Tokens a second with about ``depth`` tokens before them."""
        return float(self._usage(max(1, depth), new).avg_compl_tok_per_sec)

    def _usage(self, length: int, new: int):  # type: ignore[no-untyped-def]
        from mistralrs import CompletionRequest

        prompt = " ".join(random.choices(WORDS, k=length))
        request = CompletionRequest(model="default", prompt=prompt, max_tokens=new, temperature=0.0, ignore_eos=True)
        return self._runner.send_completion_request(request).usage
