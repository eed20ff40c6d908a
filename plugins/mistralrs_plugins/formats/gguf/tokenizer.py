"""A tokenizer from GGUF metadata: byte-level byte-pair encoding (``gpt2``) or SentencePiece's (``llama``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.gguf.merges import merges_by_score, read_merges
from mistralrs_plugins.formats.gguf.pretokenizers import GPT2, PRE_TOKENIZERS, PreTokenizer
from mistralrs_plugins.formats.gguf.vocabulary import (
    CONTROL,
    HINT,
    PREFIX,
    UNKNOWN,
    USER_DEFINED,
    Defaults,
    Vocabulary,
    flag,
    read_vocabulary,
)

MODEL_KEY = f"{PREFIX}model"
PRE_KEY = f"{PREFIX}pre"
# SentencePiece writes a space as this mark, so that pieces hold no blanks.
SPACE_MARK = "\u2581"


def build_tokenizer(metadata: Mapping[str, Any], file: str) -> Tokenizer:
    """Build the tokenizer that ``tokenizer.ggml.*`` describes; ``file`` is its name for messages.

    ``encode`` puts the begin and end tokens around a text where the file wants them, unless told
    ``add_special_tokens=False``. Raises :class:`~mistralrs.errors.ModelFormatError` naming the key at fault.
    """
    builders = {"gpt2": _byte_level, "llama": _sentence_piece}
    model = metadata.get(MODEL_KEY)
    if not isinstance(model, str) or model not in builders:
        raise ModelFormatError(
            f"{file}: key {MODEL_KEY!r}: tokenizer model {model!r} is not supported",
            f"supported: {', '.join(builders)}; or give a tokenizer.json",
        )
    tokenizer, vocabulary = builders[model](metadata, file)
    _add_tokens(tokenizer, vocabulary)
    _surround(tokenizer, vocabulary)
    return tokenizer


def _byte_level(metadata: Mapping[str, Any], file: str) -> tuple[Tokenizer, Vocabulary]:
    family = _family(metadata, file)
    vocabulary = read_vocabulary(metadata, file, Defaults(add_bos=family.add_bos))
    merges = read_merges(metadata, vocabulary)
    tokenizer = Tokenizer(_bpe(vocabulary, merges, ignore_merges=family.whole_words))
    # The library's own GPT-2 splitter is faster than the same expression handed over.
    built_in = family.patterns[-1] == GPT2
    patterns = family.patterns[:-1] if built_in else family.patterns
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=built_in),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, vocabulary


def _sentence_piece(metadata: Mapping[str, Any], file: str) -> tuple[Tokenizer, Vocabulary]:
    vocabulary = read_vocabulary(metadata, file, Defaults(bos=1, eos=2, unk=0, add_bos=True))
    if not vocabulary.scores:
        vocabulary.fail(f"{PREFIX}scores", "missing, but a SentencePiece vocabulary needs it")
    unk = None if vocabulary.unk is None else vocabulary.tokens[vocabulary.unk]
    tokenizer = Tokenizer(
        _bpe(vocabulary, merges_by_score(vocabulary), unk_token=unk, fuse_unk=True, byte_fallback=True)
    )
    add_space = flag(metadata, "add_space_prefix", True, file)
    tokenizer.normalizer = normalizers.Sequence(
        [*([normalizers.Prepend(SPACE_MARK)] if add_space else []), normalizers.Replace(" ", SPACE_MARK)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE_MARK, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if add_space else []),
        ]
    )
    return tokenizer, vocabulary


def _family(metadata: Mapping[str, Any], file: str) -> PreTokenizer:
    name = metadata.get(PRE_KEY, "default")
    if not isinstance(name, str) or name not in PRE_TOKENIZERS:
        raise ModelFormatError(
            f"{file}: key {PRE_KEY!r}: pre-tokenizer {name!r} is not known",
            f"known: {', '.join(sorted(PRE_TOKENIZERS))}; or give a tokenizer.json",
        )
    return PRE_TOKENIZERS[name]


def _bpe(vocabulary: Vocabulary, merges: list[tuple[str, str]], **options: Any) -> models.BPE:
    try:
        return models.BPE(vocabulary.index, merges, **options)
    except Exception:
        # The library names no position; look for the merge it cannot have liked, or give up on the whole.
        for number, (left, right) in enumerate(merges):
            if not {left, right, left + right} <= vocabulary.index.keys():
                vocabulary.fail(
                    f"{PREFIX}merges", f"merge {number}, {left[:40]!r} + {right[:40]!r}, uses a text that is no token"
                )
        raise ModelFormatError(f"{vocabulary.file}: the vocabulary and its merges do not fit together", HINT) from None


def _add_tokens(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    """Make control and user-defined tokens matched as a whole, before any splitting.

    All at once: the library rebuilds its matcher on every call.
    """
    added = [
        AddedToken(vocabulary.tokens[number], special=kind != USER_DEFINED, normalized=False)
        for number, kind in enumerate(vocabulary.kinds)
        if kind in (CONTROL, UNKNOWN, USER_DEFINED)
    ]
    tokenizer.add_tokens(added)


def _surround(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    """Put the begin and end tokens around a text, as the file wants it."""
    before = [("bos", vocabulary.bos)] if vocabulary.add_bos else []
    after = [("eos", vocabulary.eos)] if vocabulary.add_eos else []
    if not before and not after:
        return
    # Roles instead of the texts, which may hold characters that mean something in a template.
    specials = [
        {"id": role, "ids": [number], "tokens": [vocabulary.tokens[number]]}
        for role, number in (*before, *after)
        if number is not None
    ]
    head, tail = [role for role, _ in before], [role for role, _ in after]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*head, "$A", *tail],
        pair=[*head, "$A", *tail, *(f"{role}:1" for role in head), "$B:1", *(f"{role}:1" for role in tail)],
        special_tokens=specials,
    )
