"""Metadata of GGUF vocabularies, one for each tokenizer model, learned from the nasty texts."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import sentencepiece
from tokenizers import normalizers, pre_tokenizers

from tests.formats.nasty import TEXTS, byte_pairs, character_pairs

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BYTES = [f"<0x{value:02X}>" for value in range(256)]


def byte_level(pre: str) -> dict[str, Any]:
    tokens, merges = byte_pairs()
    size = len(tokens)
    return {
        "model": "gpt2",
        "pre": pre,
        "tokens": [*tokens, "<s>", "</s>", "<|im_start|>", "<tool>"],
        "token_type": [NORMAL] * size + [CONTROL] * 3 + [USER_DEFINED],
        "merges": merges,
        "bos_token_id": size,
        "eos_token_id": size + 1,
    }


def characters(pre: str = "gemma4", model: str = "gpt2") -> dict[str, Any]:
    tokens, merges = character_pairs()
    return {
        "model": model,
        "pre": pre,
        "tokens": ["<unk>", "<s>", "</s>", "<|im_start|>", *BYTES, *tokens],
        "token_type": [UNKNOWN] + [CONTROL] * 3 + [BYTE] * 256 + [NORMAL] * len(tokens),
        "merges": merges,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


def sentence_pieces(**changes: Any) -> dict[str, Any]:
    tokens, _ = character_pairs()
    return {
        "model": "llama",
        "tokens": ["<unk>", "<s>", "</s>", *BYTES, *tokens, "<tool>"],
        "token_type": [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * len(tokens) + [USER_DEFINED],
        "scores": [0.0] * 259 + [-float(rank) for rank in range(len(tokens))] + [0.0],
        **changes,
    }


def unigram(**changes: Any) -> dict[str, Any]:
    from mistralrs_plugins.tokenizers.sentencepiece.model import parse_model

    trained = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for text in TEXTS if text.strip() and "\0" not in text] * 3),
        model_writer=trained,
        model_type="unigram",
        vocab_size=300,
        character_coverage=0.98,
        hard_vocab_limit=False,
        user_defined_symbols=["<tool>"],
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=9,
    )
    parsed = parse_model(trained.getvalue(), "trained")
    return {
        "model": "t5",
        "tokens": list(parsed.tokens),
        "scores": list(parsed.scores),
        "token_type": list(parsed.kinds),
        "precompiled_charsmap": parsed.charsmap,
        "remove_extra_whitespaces": True,
        "add_space_prefix": True,
        **changes,
    }


def word_pieces(**changes: Any) -> dict[str, Any]:
    normalizer = normalizers.BertNormalizer(lowercase=changes.get("normalizer.lowercase", True))
    cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    found = {word for text in TEXTS for word, _ in cut(normalizer.normalize_str(text))}
    chars = sorted({char for word in found for char in word})
    pieces = {word[:3] for word in found} | {f"##{word[3:]}" for word in found if len(word) > 3}
    # Some characters are left out, so that some words are unknown.
    pieces |= {piece for place, char in enumerate(chars) if place % 9 for piece in (char, f"##{char}")}
    special = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *sorted(pieces)]
    marked = [word[2:] if word.startswith("##") else word if word in special else f"\u2581{word}" for word in words]
    return {
        "model": "bert",
        "tokens": marked,
        "token_type": [CONTROL if word in special[2:] else NORMAL for word in words],
        "unknown_token_id": 2,
        "bos_token_id": 3,
        "seperator_token_id": 4,
        "padding_token_id": 0,
        "mask_token_id": 5,
        **changes,
    }
