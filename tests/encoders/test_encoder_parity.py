"""Encoders equal transformers on tiny random checkpoints: hidden states, scores of classifiers, embeddings of texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import transformers

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.embedder import EmbeddingEngine
from mistralrs.engine.pooling import Pooler
from mistralrs.engine.request import Embed, Embedded
from mistralrs.engine.runner import ModelRunner
from mistralrs.ops import Ops, OpTable, Program
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.paged import reference_backend
from mistralrs.weights import DictSource, WeightBuilder
from tests.architectures.cases import state_of

TOLERANCE = 1e-4
SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "pad_token_id": 1,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
}


@dataclass(frozen=True)
class Case:
    """``key`` and ``config`` are class names in transformers; ``types`` when tokens have types."""

    key: str
    config: str
    extra: dict[str, Any] = field(default_factory=dict)
    types: bool = False


WINDOWS = {"layer_types": ["full_attention", "sliding_attention", "sliding_attention"], "local_attention": 8}
BOTH_SIDES = {
    "head_dim": 16,
    "query_pre_attn_scalar": 16,
    "sliding_window": 8,
    "use_bidirectional_attention": True,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
CASES = [
    Case("BertModel", "BertConfig", {"type_vocab_size": 2}, types=True),
    Case("BertForSequenceClassification", "BertConfig", {"type_vocab_size": 2, "num_labels": 1}, types=True),
    Case("RobertaModel", "RobertaConfig", {"type_vocab_size": 1}),
    Case("XLMRobertaForSequenceClassification", "XLMRobertaConfig", {"type_vocab_size": 1, "num_labels": 3}),
    Case("DistilBertModel", "DistilBertConfig", {"dim": 32, "hidden_dim": 48, "n_heads": 4, "n_layers": 3}),
    Case("DistilBertForSequenceClassification", "DistilBertConfig", {"dim": 32, "hidden_dim": 48, "n_heads": 4}),
    Case("ModernBertModel", "ModernBertConfig", WINDOWS),
    Case("ModernBertForSequenceClassification", "ModernBertConfig", {**WINDOWS, "num_labels": 2}),
    Case("NomicBertModel", "NomicBertConfig", {"type_vocab_size": 2}, types=True),
    Case("Gemma3TextModel", "Gemma3TextConfig", BOTH_SIDES),
    Case("Qwen3ForSequenceClassification", "Qwen3Config", {"head_dim": 8, "num_key_value_heads": 2, "num_labels": 1}),
]


@dataclass
class Pair:
    """A model on both sides."""

    reference: Any
    engine: EmbeddingEngine
    case: Case

    @property
    def classifies(self) -> bool:
        return self.case.key.endswith("Classification")

    @torch.inference_mode()
    def expected(self, ids: list[int], second: int | None = None) -> torch.Tensor:
        """The mean of the hidden states, or the scores."""
        inputs = {"input_ids": torch.tensor([ids])}
        if self.case.types:
            start = len(ids) if second is None else second
            inputs["token_type_ids"] = (torch.arange(len(ids)) >= start).long()[None]
        output = self.reference(**inputs)
        logits: torch.Tensor = output.logits[0] if self.classifies else output.last_hidden_state[0].mean(0)
        return logits

    def actual(self, texts: list[list[int]], second: int | None = None) -> list[torch.Tensor]:
        """The same of several texts in one step."""
        for index, ids in enumerate(texts):
            self.engine.add(Embed(id=index, prompt=tuple(ids), second=second))
        outputs = self.engine.step()
        return [torch.from_numpy(output.values) for output in outputs if isinstance(output, Embedded)]


def prompt(seed: int, length: int) -> list[int]:
    """Random ids, none of which is a special one."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, SIZES["vocab_size"], (length,), generator=generator).tolist()


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.key)
def pair(request: pytest.FixtureRequest) -> Pair:
    case: Case = request.param
    config = getattr(transformers, case.config)(**{**SIZES, **case.extra})
    torch.manual_seed(7)
    model = getattr(transformers, case.key)._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name.lower() or "bias" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))  # ones and zeros would hide what is not applied
    spec = PluginHost().resolve("architecture", case.key)
    source = DictSource(state_of(model))
    table = OpTable([reference_backend()])
    builder = WeightBuilder(source, prepare=table.prepare)
    own = spec.config.load().model_validate(config.to_dict())
    module = spec.build.load()(own, builder)
    width = own.num_labels if case.key.endswith("Classification") else own.hidden_size
    runner = ModelRunner(Program(module), builder.caches, Ops(table), width, torch.device("cpu"), torch.float32)
    sizes = EngineConfig(
        num_blocks=64, context_length=own.max_position_embeddings, vocab_size=own.vocab_size, block_size=8
    )
    pooling = "cls" if case.key.endswith("Classification") else "mean"
    if "last-token" in spec.capabilities:
        pooling = "lasttoken"
    return Pair(model, EmbeddingEngine(runner, sizes, Pooler(poolings=(pooling,))), case)


def test_one_text(pair: Pair) -> None:
    ids = prompt(0, 21)
    torch.testing.assert_close(pair.actual([ids])[0], pair.expected(ids), rtol=0, atol=TOLERANCE)


def test_texts_beside_each_other(pair: Pair) -> None:
    texts = [prompt(seed, length) for seed, length in ((1, 9), (2, 1), (3, 30), (4, 17))]
    for ids, actual in zip(texts, pair.actual(texts), strict=True):
        torch.testing.assert_close(actual, pair.expected(ids), rtol=0, atol=TOLERANCE)


def test_two_texts_in_one(pair: Pair) -> None:
    """Marked where the family marks the second text; the same numbers as ever where it does not."""
    ids = prompt(5, 14)
    torch.testing.assert_close(pair.actual([ids], second=6)[0], pair.expected(ids, 6), rtol=0, atol=TOLERANCE)


def test_the_longest_text(pair: Pair) -> None:
    ids = prompt(6, pair.engine.config.context_length)
    torch.testing.assert_close(pair.actual([ids])[0], pair.expected(ids), rtol=0, atol=TOLERANCE)
