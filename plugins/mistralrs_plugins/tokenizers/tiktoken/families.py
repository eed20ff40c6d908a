"""What a tiktoken file does not say: its splitting expression and special tokens, by the number of its ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mistralrs.textkit.patterns import GPT2, KIMI_K2, O200K, ONE, UP_TO_THREE, words


@dataclass(frozen=True, slots=True)
class Family:
    """One published vocabulary. ``special`` are its special tokens by id, where no file beside lists them."""

    name: str
    pattern: str
    special: Mapping[int, str] = field(default_factory=dict)


_LLAMA3 = {
    128000: "<|begin_of_text|>",
    128001: "<|end_of_text|>",
    128004: "<|finetune_right_pad_id|>",
    128006: "<|start_header_id|>",
    128007: "<|end_header_id|>",
    128008: "<|eom_id|>",
    128009: "<|eot_id|>",
    128010: "<|python_tag|>",
}
_CL100K = {
    100257: "<|endoftext|>",
    100258: "<|fim_prefix|>",
    100259: "<|fim_middle|>",
    100260: "<|fim_suffix|>",
    100276: "<|endofprompt|>",
}

FAMILIES = {
    50256: Family("r50k", GPT2, {50256: "<|endoftext|>"}),
    100256: Family("cl100k", words(UP_TO_THREE), _CL100K),
    199998: Family("o200k", O200K, {199999: "<|endoftext|>", 200018: "<|endofprompt|>"}),
    128000: Family("llama 3", words(UP_TO_THREE), _LLAMA3),
    151643: Family("qwen", words(ONE), {151643: "<|endoftext|>", 151644: "<|im_start|>", 151645: "<|im_end|>"}),
    163584: Family("kimi k2", KIMI_K2),
}
"""Families by the number of ranks in their file."""
