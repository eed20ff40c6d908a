"""Small tokenizer files of every kind, and the real ones that mistral-common brings."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from mistralrs.textkit.patterns import words

BYTES = [bytes([value]) for value in range(256)]
WORDS = [b"He", b"ll", b"Hell", b"Hello", b"wor", b"12", "\u00e9".encode(), "\u4f60".encode()]
TRAINED_ON = ["Hello, world! 123", "hello there, world", "the quick brown fox", "r\u00e9 \u4f60\u597d 456 Hello"] * 9


def real(name: str) -> Path:
    """A file of mistral-common's data folder."""
    spec = find_spec("mistral_common")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / name


def tokenizer_json(path: Path) -> Path:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: number for number, text in enumerate([*alphabet, "He", "ll"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("H", "e"), ("l", "l")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(path / "tokenizer.json"))
    return path / "tokenizer.json"


def tekken(path: Path, **changes: Any) -> Path:
    ranked = [*BYTES, *WORDS]
    data = {
        "config": {
            "pattern": words(r"\p{N}"),
            "num_vocab_tokens": len(ranked),
            "default_vocab_size": len(ranked) + 30,
            "default_num_special_tokens": 30,
            "version": "v3",
        },
        "vocab": [
            {"rank": rank, "token_bytes": b64encode(token).decode(), "token_str": None}
            for rank, token in enumerate(ranked)
        ],
        **changes,
    }
    (path / "tekken.json").write_text(json.dumps(data))
    return path / "tekken.json"


def ranks(path: Path, tokens: list[bytes], name: str = "tiktoken.model") -> Path:
    lines = [b"%s %d\n" % (b64encode(token), rank) for rank, token in enumerate(tokens)]
    (path / name).write_bytes(b"".join(lines))
    return path / name


@cache
def trained(model_type: str, **options: Any) -> bytes:
    """A SentencePiece model."""
    written = BytesIO()
    settings = {"vocab_size": 340 if options.get("byte_fallback") else 80, "hard_vocab_limit": False, **options}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINED_ON), model_writer=written, model_type=model_type, minloglevel=9, **settings
    )
    return written.getvalue()


def sentence_pieces(path: Path, model_type: str = "bpe", **options: Any) -> Path:
    (path / "tokenizer.model").write_bytes(trained(model_type, **options))
    return path / "tokenizer.model"
