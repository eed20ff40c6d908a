"""Real tokenizers of each kind, small enough to be built in a test."""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers


def byte_level() -> Tokenizer:
    """All 256 bytes, some merges (half characters among them), an added and two special tokens: 263 ids and a few."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {char: index for index, char in enumerate(alphabet)}
    merges = []
    for left, right in (("h", "e"), ("l", "l"), ("he", "ll"), ("\u00f0", "\u0141"), ("\u00f0\u0141", "\u013a")):
        merges.append((left, right))
        vocab[left + right] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("\u4f60\u597d added", special=False)])
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def byte_fallback() -> Tokenizer:
    """SentencePiece as Llama 2 has it: words with a lower bar for the space, and a token for each byte."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += ["\u2581", "a", "b", "\u2581a", "\u2581ab", "ab", "\u4f60", "\u2581\u2581", "\ufffd", "\n"]
    vocab = {word: index for index, word in enumerate(words)}
    merges = [("a", "b"), ("\u2581", "a"), ("\u2581", "ab"), ("\u2581", "\u2581")]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def metaspace() -> Tokenizer:
    """SentencePiece through the Metaspace decoder, without bytes."""
    vocab = {
        word: i for i, word in enumerate(["<unk>", "\u2581", "a", "b", "\u2581a", "\u2581b", "ab", "\u2581\u2581"])
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<unk>"])
    return tokenizer


def word_pieces() -> Tokenizer:
    """BERT's pieces, joined and cleaned up by the decoder."""
    vocab = {word: i for i, word in enumerate(["[UNK]", "a", "##a", "b", "##b", ".", "do", "n't", "'s", ","])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def plain_words() -> Tokenizer:
    """No decoder at all: words with spaces between them."""
    vocab = {word: i for i, word in enumerate(["<unk>", "a", "b", "hello", "<s>"])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.add_special_tokens(["<s>"])
    return tokenizer


def word_ends() -> Tokenizer:
    """GPT-1's BPE, which marks where words end."""
    vocab = {word: i for i, word in enumerate(["<unk>", "a", "b", "a</w>", "b</w>", "ab</w>"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.decoder = decoders.BPEDecoder()
    return tokenizer


ALL = {make.__name__: make() for make in (byte_level, byte_fallback, metaspace, word_pieces, plain_words, word_ends)}
