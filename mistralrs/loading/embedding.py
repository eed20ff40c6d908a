"""The engine over a model that was built to embed or to score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.embedder import EmbeddingEngine
from mistralrs.engine.pooling import Pooler
from mistralrs.engine.runner import ModelRunner
from mistralrs.errors import ModelFormatError
from mistralrs.loading.sentence import read_answers, read_pooler
from mistralrs.modelkit.decoder import CausalLm, HiddenStates, only_logits
from mistralrs.ops import Program

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.loading.inspect import Inspected
    from mistralrs.loading.model import BuiltModel


@dataclass(frozen=True, slots=True)
class After:
    """What follows the model: a pooling, and the tokens whose logits are scores of a model that answers."""

    pooler: Pooler
    answers: tuple[int, ...] = ()

    @classmethod
    def read(cls, inspected: Inspected, tokenizer: Tokenizer) -> After:
        """Raises ModelFormatError for a pooling that is not known."""
        answers = read_answers(inspected, tokenizer)
        return cls(read_pooler(inspected, answers), answers)


def make_embedder(model: BuiltModel, inspected: Inspected, after: After, config: EngineConfig) -> EmbeddingEngine:
    """The engine with scratch memory for its largest step. Raises ModelFormatError for a model that cannot do it."""
    module, width = model.module, int(inspected.config.hidden_size)  # type: ignore[attr-defined]
    if after.answers:
        module, width = only_logits(module, after.answers), len(after.answers)
    elif inspected.task == "score":
        width = int(getattr(inspected.config, "num_labels", 1))
    elif "generate" in inspected.architecture.tasks:
        if not isinstance(module, CausalLm):
            name = inspected.architecture.name
            raise ModelFormatError(f"architecture/{name} cannot embed: it hides its hidden states")
        module = HiddenStates(module)
    devices = [slot.device for slot in model.cache_slots]
    runner = ModelRunner(Program(module), model.caches, model.ops, width, model.device, model.dtype, devices)
    blocks = EmbeddingEngine.blocks_needed(config)
    return EmbeddingEngine(runner, replace(config, num_blocks=blocks), after.pooler)
