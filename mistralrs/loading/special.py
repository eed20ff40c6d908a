"""Which tokens end an answer: what the model states, and the end-of-turn marks that models forget to state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.loading.inspect import Inspected

END_OF_TURN = ("<|im_end|>", "<end_of_turn>", "<|end_of_text|>", "<|end|>", "<|eot_id|>", "<|endoftext|>", "</s>")
"""Marks that end a turn in some family. One counts only if it is a special token of this tokenizer."""


def eos_ids(inspected: Inspected, tokenizer: Tokenizer) -> frozenset[int]:
    """Every token id that ends an answer. Ids outside the vocabulary are dropped."""
    stated = [*_ids(inspected.generation.get("eos_token_id")), *_ids(inspected.raw.get("eos_token_id"))]
    special = inspected.checkpoint.special_ids()
    stated += [special[role] for role in ("eos", "eot") if role in special]
    marks = {token.content: index for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    stated += [marks[mark] for mark in END_OF_TURN if mark in marks]
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    return frozenset(index for index in stated if 0 <= index < size)


def _ids(value: Any) -> Iterable[int]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, int) and not isinstance(item, bool)]
