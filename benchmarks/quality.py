"""How far the logits of compiled steps are from those of the decoded float32 weights, beside llama.cpp's.

    python -m benchmarks.compare --setup --peers llama.cpp                   # once: the peer's environment
    python -m benchmarks.quality FILE.gguf [--tokens 420] [--text FILE] [--alone]

Mean Kullback-Leibler divergence, in nats, over the positions of a page of text. The reference multiplies with weights
that are decoded to float32 and keeps keys and values in it. llama.cpp is asked for a few of the positions only, each as
a prompt, because all its log-probabilities of one are megabytes of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.contestants import ALL_PEERS, PEERS
from benchmarks.steps import SteppedModel
from mistralrs.api.prepare import prepare
from mistralrs.checkpoint import no_progress
from mistralrs.config.model import ModelSelection
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
SINGLY = 200
"""Tokens of the page that are read one by one."""
ASKED = 30
"""Positions at which llama.cpp is asked."""


def main() -> None:
    """Parse the command line, compute, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a GGUF file")
    parser.add_argument("--tokens", type=int, default=420)
    parser.add_argument("--text", type=Path, default=PAGE, help="the page; by default one of the documentation")
    parser.add_argument("--alone", action="store_true", help="without llama.cpp")
    args = parser.parse_args()
    file = args.file.resolve()
    prepared = prepare(PluginHost(Policy()), ModelSelection(model_id=str(file)), no_progress)
    page = prepared.tokenizer.encode(args.text.read_text(encoding="utf-8"), add_special_tokens=False).ids
    page = page[: args.tokens]
    exact = logprobs(SteppedModel(file, len(page), reference=True), page, len(page))
    for cache in ("half", "float32"):
        model = SteppedModel(file, len(page), cache=getattr(torch, cache))
        whole, singly = logprobs(model, page, len(page)), logprobs(model, page[:SINGLY], 1)
        print(f"{cache} cache, one prompt of {len(page)}: {divergence(exact, whole):.1e}")
        print(f"{cache} cache, token by token, {len(singly)}: {divergence(exact[:SINGLY], singly):.1e}")
    if not args.alone:
        places = list(range(len(page) // ASKED - 1, len(page), len(page) // ASKED))[:ASKED]
        theirs = llama_cpp(file, [page[: place + 1] for place in places], exact.shape[1])
        print(f"llama.cpp, {len(places)} prompts: {divergence(exact[places], theirs):.1e}")


def logprobs(model: SteppedModel, page: list[int], at_once: int) -> Tensor:
    """Log-probabilities ``[tokens, vocab]`` of what follows each token, read ``at_once`` in a step."""
    ids = torch.tensor(page)
    pieces = [model.logits(ids[first : first + at_once], first) for first in range(0, len(page), at_once)]
    return torch.cat(pieces).double().log_softmax(1)


def divergence(exact: Tensor, found: Tensor) -> float:
    """The mean over the rows of KL(exact || found)."""
    rows = torch.where(exact.exp() > 0, exact.exp() * (exact - found), 0.0).sum(1)
    return float(rows.mean())


def llama_cpp(file: Path, prompts: list[list[int]], vocab: int) -> Tensor:
    """llama.cpp's log-probabilities ``[prompts, vocab]`` of what follows each prompt."""
    python = ALL_PEERS["llama.cpp"].python
    if not python.exists():
        sys.exit("llama.cpp is not installed: python -m benchmarks.compare --setup --peers llama.cpp")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "logprobs.json"
        words = [str(python), str(PEERS / "llama_cpp_logprobs.py"), str(file)]
        words += [str(os.cpu_count() or 1), str(vocab), str(result)]
        subprocess.run(words, input=json.dumps(prompts), text=True, stdout=subprocess.DEVNULL, check=True)
        return torch.tensor(json.loads(result.read_text(encoding="ascii")), dtype=torch.float64)


if __name__ == "__main__":
    main()
