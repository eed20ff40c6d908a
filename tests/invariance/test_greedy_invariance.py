"""Greedy answers do not depend on how the engine came to them.

Each prompt is computed alone and in one piece first. Every other way to the same answers, by chunks, in batches, from
cached prefixes, after preemption, beside neighbours that leave, may differ from that at near ties only on the reference
kernels, and by no bit on the compiled ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import Finished, FinishReason, Generate, SamplingParams, TokenLogprob, Tokens
from mistralrs.engine.runner import ModelRunner
from mistralrs.loading.inspect import inspect
from mistralrs.loading.model import build_model
from mistralrs.ops import CacheSpec, Ops, OpTable, Program
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.tiny import random_tensors, tiny_config
from mistralrs.weights import DictSource, WeightBuilder
from tests.answers.questions import QUESTIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LENGTH = 12
PLENTY = 512
"""Blocks for all prompts at once."""
CONTEXT = 512
NEAR_TIE = 1e-3
"""Logits this near each other may change places."""
MAY_DIFFER = 3
TOP = 8
"""Tokens whose log-probabilities are compared."""
NOTE = (
    "The lighthouse keeper counted seventeen ships before dawn, and wrote each name into a book that smelled of salt "
    "and lamp oil. When the fog came in he rang the bell every two minutes, as his mother had done, and thought of "
    "the letters that had not been answered since the spring. Nobody else on the island could read them."
)
"""Put before some questions, so that their prompts span several blocks and chunks."""


@dataclass(frozen=True)
class Model:
    """A model, its kernels, and token ids of the prompts. ``exact``: not a bit may differ."""

    module: nn.Module
    ops: Ops
    caches: tuple[CacheSpec, ...]
    vocab: int
    kept: torch.dtype
    prompts: list[list[int]]
    exact: bool

    def engine(self, **settings: int | bool) -> Engine:
        """An engine of its own over the shared weights."""
        sizes = {"num_blocks": PLENTY, "max_seqs": 1, "prefix_cache": False, **settings}
        runner = ModelRunner(Program(self.module), self.caches, self.ops, self.vocab, torch.device("cpu"), self.kept)
        engine = Engine(runner, None, EngineConfig(context_length=CONTEXT, vocab_size=self.vocab, **sizes))  # type: ignore[arg-type]
        runner.warm_up()  # as loading does
        return engine


@dataclass
class Told:
    """One answer: its tokens, and what else was likely at each of them."""

    tokens: list[int]
    top: list[tuple[TokenLogprob, ...]]
    reason: FinishReason | None = None


Act = Callable[[Engine, int], None]


def nothing(_engine: Engine, _step: int) -> None:
    """Let the engine run."""


def answers(engine: Engine, prompts: list[list[int]], act: Act = nothing) -> list[Told]:
    """Greedy answers to ``prompts``; ``act(engine, step)`` is called before each step."""
    told = [Told([], []) for _ in prompts]
    wanted = SamplingParams(temperature=0, max_tokens=LENGTH, top_logprobs=TOP, ignore_eos=True)
    for index, prompt in enumerate(prompts):
        engine.add(Generate(id=index, prompt=tuple(prompt), sampling=wanted))
    step = 0
    while engine.has_work:
        act(engine, step)
        step += 1
        for output in engine.step():
            if isinstance(output, Tokens):
                told[output.id].tokens += output.tokens
                told[output.id].top += output.top_logprobs
            elif isinstance(output, Finished):
                told[output.id].reason = output.reason
    engine.check_idle()
    return told


@pytest.fixture(scope="module")
def smollm2(smollm2_gguf: Path) -> Model:
    """SmolLM2 on the compiled kernels with 20 prompts of 8 to some 90 tokens."""
    host = PluginHost(Policy())
    files = ModelFiles(id="smollm2", source="file", root=smollm2_gguf.parent, weights=(smollm2_gguf,))
    inspected = inspect(host, files, ModelSelection())
    tokenizer = inspected.checkpoint.tokenizer()
    texts = [f"{NOTE} {text}" if index % 3 == 0 else text for index, text in enumerate(QUESTIONS)]
    prompts = [tokenizer.encode(f"Question: {text}\nAnswer:").ids for text in texts]
    built = build_model(host, inspected)
    return Model(built.module, built.ops, built.caches, built.vocab_size, torch.float16, prompts, exact=True)


def tiny(name: str, prompts: list[list[int]]) -> Model:
    """An architecture's tiny model with random weights on the reference kernels, which take long for a real one."""
    host = PluginHost(Policy())
    spec = host.resolve("architecture", name)
    raw = tiny_config(spec, num_hidden_layers=4)
    config = spec.config.load().model_validate(raw)
    builder = WeightBuilder(DictSource(random_tensors(spec, raw)))
    module = spec.build.load()(config, builder).eval()
    ops = Ops(OpTable([host.resolve("kernels", "torch").backend.load()()]))
    smaller = [[token % config.vocab_size for token in prompt] for prompt in prompts]
    caches = tuple(builder.caches)
    return Model(module, ops, caches, config.vocab_size, torch.float32, smaller, exact=False)


@pytest.fixture(scope="module", params=["compiled smollm2", "reference gemma3"])
def model(request: pytest.FixtureRequest, smollm2: Model) -> Model:
    kernels, name = request.param.split()
    return smollm2 if kernels == "compiled" else tiny(name, smollm2.prompts)


@pytest.fixture(scope="module")
def reference(model: Model) -> list[Told]:
    """Each prompt alone and in one piece."""
    return answers(model.engine(), model.prompts)


def differences(reference: list[Told], others: list[Told]) -> dict[int, float]:
    """By prompt, how far apart the reference saw the two tokens of the first difference."""
    gaps = {}
    for index, (told, other) in enumerate(zip(reference, others, strict=True)):
        assert len(other.tokens) == LENGTH
        for at, (mine, theirs) in enumerate(zip(told.tokens, other.tokens, strict=True)):
            if mine != theirs:
                seen = {entry.token: entry.logprob for entry in told.top[at]}
                gaps[index] = seen[mine] - seen.get(theirs, -100.0)
                break
    return gaps


def check(model: Model, reference: list[Told], others: list[Told]) -> None:
    gaps = differences(reference, others)
    assert all(gap <= NEAR_TIE for gap in gaps.values()), gaps
    assert len(gaps) <= MAY_DIFFER, gaps
    if model.exact:
        assert [told.top for told in others] == [told.top for told in reference]


@pytest.mark.parametrize("chunk", [1, 7, 16, 64])
def test_chunks_of_prompts(model: Model, reference: list[Told], chunk: int) -> None:
    """A step's budget cuts prompts, in the middle of blocks too, and down to single tokens."""
    check(model, reference, answers(model.engine(max_batched_tokens=chunk, max_seqs=min(chunk, 5)), model.prompts))


@pytest.mark.parametrize("batch", [2, 5, 17])
def test_batches(model: Model, reference: list[Told], batch: int) -> None:
    check(model, reference, answers(model.engine(max_seqs=batch), model.prompts))


def test_cached_prefixes(model: Model, reference: list[Told]) -> None:
    """Cold, where questions share a beginning, then warm; and a prompt whose last block is cached whole."""
    engine = model.engine(prefix_cache=True, max_seqs=5)
    check(model, reference, answers(engine, model.prompts))
    hits = engine.stats().prefix_hit_tokens
    check(model, reference, answers(engine, model.prompts))
    assert engine.stats().prefix_hit_tokens > hits + 32 * len(model.prompts) // 3


def test_preemption_for_want_of_memory(model: Model, reference: list[Told]) -> None:
    blocks = 1 + max(-(-(len(prompt) + LENGTH) // 8) for prompt in model.prompts)
    engine = model.engine(num_blocks=blocks + 3, block_size=8, max_seqs=5)
    check(model, reference, answers(engine, model.prompts))
    assert engine.stats().preemptions > 0


def test_preemption_again_and_again(model: Model, reference: list[Told]) -> None:
    """The youngest gives way in the middle of its prompt and of its answer."""
    engine = model.engine(max_seqs=5, max_batched_tokens=48)

    def give_way(_engine: Engine, step: int) -> None:
        if step % 4 == 3 and engine.scheduler.running:
            engine.scheduler._preempt(engine.scheduler.running[-1])

    check(model, reference, answers(engine, model.prompts, give_way))
    assert engine.stats().preemptions > 10


def test_neighbours_that_leave(model: Model, reference: list[Told]) -> None:
    """Every other request is canceled, in its prompt, its first tokens or its last."""
    engine = model.engine(max_seqs=6, max_batched_tokens=64)
    prompts = [prompt for prompt in model.prompts for _ in range(2)]

    def cancel(_engine: Engine, step: int) -> None:
        engine.abort(2 * (step // 2) + 1)

    told = answers(engine, prompts, cancel)
    assert any(each.reason is FinishReason.ABORT for each in told[1::2])
    check(model, reference, told[::2])
