"""A tokenizer from GGUF metadata: the values of ``tokenizer.ggml.model``, and how each is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from mistralrs.errors import ModelFormatError
from mistralrs.textkit.cache import cached
from mistralrs.textkit.charsmap import check
from mistralrs.textkit.patterns import GPT2
from mistralrs.textkit.pieces import SPACE_MARK, Pieces, marked_pairs, pair_tokenizer, unigram_tokenizer
from mistralrs.textkit.special import add_by_kind, surround
from mistralrs_plugins.formats.gguf.merges import check_merges, read_merges
from mistralrs_plugins.formats.gguf.metadata import Metadata
from mistralrs_plugins.formats.gguf.pretokenizers import PRE_TOKENIZERS, PreTokenizer
from mistralrs_plugins.formats.gguf.vocabulary import HINT, PREFIX, Defaults, Vocabulary, flag, read_vocabulary
from mistralrs_plugins.formats.gguf.wordpiece import word_pieces

MODEL_KEY = f"{PREFIX}model"
PRE_KEY = f"{PREFIX}pre"
CHARSMAP = "precompiled_charsmap"


def load_tokenizer(metadata: Metadata, file: str) -> Tokenizer:
    """:func:`build_tokenizer`, from the cache if the same was built before."""
    keys = sorted(key for key in metadata if key.startswith(PREFIX))
    content = b"gguf\0" + b"".join(key.encode() + b"\0" + metadata.raw(key) for key in keys)
    return cached(content, lambda: build_tokenizer(metadata, file))


def build_tokenizer(metadata: Mapping[str, Any], file: str) -> Tokenizer:
    """Build the tokenizer that ``tokenizer.ggml.*`` describes; ``file`` is its name for messages.

    ``encode`` puts the begin and end tokens around a text where the file wants them, unless told
    ``add_special_tokens=False``. Raises :class:`~mistralrs.errors.ModelFormatError` naming the key at fault.
    """
    builders: dict[str, Callable[[Mapping[str, Any], str], Tokenizer]] = {
        "gpt2": _pairs,
        "llama": _sentence_pieces,
        "t5": _unigram,
        "bert": word_pieces,
        "gemma4": lambda metadata, file: _pairs({**metadata, PRE_KEY: "gemma4"}, file),
    }
    model = metadata.get(MODEL_KEY)
    if not isinstance(model, str) or model not in builders:
        raise ModelFormatError(
            f"{file}: key {MODEL_KEY!r}: tokenizer model {model!r} is not supported",
            f"supported: {', '.join(builders)}; or give a tokenizer.json",
        )
    return builders[model](metadata, file)


def _pairs(metadata: Mapping[str, Any], file: str) -> Tokenizer:
    """Byte-pair encoding with a list of merges, over words cut as ``tokenizer.ggml.pre`` says."""
    family = _family(metadata, file)
    vocabulary = read_vocabulary(metadata, file, Defaults(add_bos=family.add_bos))
    merges = read_merges(metadata, vocabulary)
    try:
        tokenizer = (_raw if family.raw else _byte_level)(vocabulary, merges, family)
    except Exception:
        # The library names no position; look for the merge it cannot have liked, or give up on the whole.
        check_merges(vocabulary, merges)
        raise ModelFormatError(f"{file}: the vocabulary and its merges do not fit together", HINT) from None
    return _surrounded(tokenizer, vocabulary)


def _byte_level(vocabulary: Vocabulary, merges: list[tuple[str, str]], family: PreTokenizer) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocabulary.index, merges, ignore_merges=family.whole_words))
    # The library's own GPT-2 splitter is faster than the same expression handed over.
    built_in = family.patterns[-1] == GPT2
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=built_in)
    tokenizer.pre_tokenizer = _split(family.patterns[:-1] if built_in else family.patterns, byte_level)
    tokenizer.decoder = decoders.ByteLevel()
    add_by_kind(tokenizer, vocabulary.tokens, vocabulary.kinds)
    return tokenizer


def _raw(vocabulary: Vocabulary, merges: list[tuple[str, str]], family: PreTokenizer) -> Tokenizer:
    tokenizer = marked_pairs(_pieces(vocabulary, add_space_prefix=False), merges, whole_words=family.whole_words)
    if not family.marked:
        tokenizer.normalizer = None
    elif family.line_marks:
        lines = normalizers.Replace(Regex(f"(?<![^\\n])(?=[^\\n{SPACE_MARK}])"), SPACE_MARK)
        tokenizer.normalizer = normalizers.Sequence([tokenizer.normalizer, lines])
    tokenizer.pre_tokenizer = _split(family.patterns)
    return tokenizer


def _split(patterns: tuple[str, ...], *more: Any) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([*(pre_tokenizers.Split(Regex(one), "isolated") for one in patterns), *more])


def _sentence_pieces(metadata: Mapping[str, Any], file: str) -> Tokenizer:
    """SentencePiece's byte-pair encoding: no merges, but scores."""
    vocabulary = _scored(metadata, file, Defaults(bos=1, eos=2, unk=0, add_bos=True))
    pieces = _pieces(vocabulary, add_space_prefix=flag(metadata, "add_space_prefix", True, file))
    return _surrounded(pair_tokenizer(pieces), vocabulary)


def _unigram(metadata: Mapping[str, Any], file: str) -> Tokenizer:
    """SentencePiece's unigram model."""
    vocabulary = _scored(metadata, file, Defaults(eos=1, unk=2, add_eos=True))
    if vocabulary.unk is None:
        vocabulary.fail(f"{PREFIX}unknown_token_id", "missing, but a unigram vocabulary needs it")
    pieces = _pieces(
        vocabulary,
        add_space_prefix=flag(metadata, "add_space_prefix", True, file),
        remove_extra_spaces=flag(metadata, "remove_extra_whitespaces", False, file),
        charsmap=_charsmap(metadata, vocabulary),
        byte_fallback=False,
    )
    return _surrounded(unigram_tokenizer(pieces), vocabulary)


def _charsmap(metadata: Mapping[str, Any], vocabulary: Vocabulary) -> bytes:
    key = f"{PREFIX}{CHARSMAP}"
    numbers = metadata.get(key, [])
    if not isinstance(numbers, list) or (numbers and type(numbers[0]) is not int):
        vocabulary.fail(key, "must be an array of bytes")
    try:
        # Converters write the bytes as signed or unsigned numbers.
        content = bytes(number & 0xFF for number in numbers)
        check(content)
    except ValueError as error:
        vocabulary.fail(key, str(error))
    return content


def _scored(metadata: Mapping[str, Any], file: str, defaults: Defaults) -> Vocabulary:
    vocabulary = read_vocabulary(metadata, file, defaults)
    if not vocabulary.scores:
        vocabulary.fail(f"{PREFIX}scores", "missing, but a SentencePiece vocabulary needs it")
    return vocabulary


def _pieces(vocabulary: Vocabulary, *, byte_fallback: bool = True, **options: Any) -> Pieces:
    return Pieces(
        tokens=vocabulary.tokens,
        index=vocabulary.index,
        scores=vocabulary.scores,
        kinds=vocabulary.kinds,
        unk=vocabulary.unk,
        byte_fallback=byte_fallback,
        **options,
    )


def _surrounded(tokenizer: Tokenizer, vocabulary: Vocabulary) -> Tokenizer:
    surround(
        tokenizer,
        vocabulary.bos if vocabulary.add_bos else None,
        vocabulary.eos if vocabulary.add_eos else None,
    )
    return tokenizer


def _family(metadata: Mapping[str, Any], file: str) -> PreTokenizer:
    name = metadata.get(PRE_KEY, "default")
    if not isinstance(name, str) or name not in PRE_TOKENIZERS:
        raise ModelFormatError(
            f"{file}: key {PRE_KEY!r}: pre-tokenizer {name!r} is not known",
            f"known: {', '.join(sorted(PRE_TOKENIZERS))}; or give a tokenizer.json",
        )
    return PRE_TOKENIZERS[name]
