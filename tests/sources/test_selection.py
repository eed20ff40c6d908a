"""Which files make up a model: one rule for every source."""

from __future__ import annotations

import json

import pytest

from mistralrs.checkpoint.selection import (
    check_name,
    choose_companions,
    choose_named,
    choose_weights,
    index_name,
    listing,
)
from mistralrs.errors import MistralrsError, SourceError

BOTH = (".safetensors", ".gguf")
INDEX = "model.safetensors.index.json"


def parts(stem: str, suffix: str, total: int, digits: int = 5) -> list[str]:
    return [f"{stem}-{number:05d}-of-{total:0{digits}d}{suffix}" for number in range(1, total + 1)]


def no_index(name: str) -> bytes:
    raise AssertionError(f"{name} is not needed")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model.safetensors", "a.gguf"], ["model.safetensors"]),
        (["model.safetensors", "model.fp16.safetensors", "x.safetensors"], ["model.safetensors"]),
        (["a.gguf", "README.md"], ["a.gguf"]),
        (["A.GGUF"], ["A.GGUF"]),
        (["consolidated.safetensors", "config.json"], ["consolidated.safetensors"]),
        (parts("model", ".safetensors", 3), parts("model", ".safetensors", 3)),
        (parts("big", ".gguf", 2), parts("big", ".gguf", 2)),
        ([*parts("model", ".safetensors", 2), "consolidated.safetensors"], parts("model", ".safetensors", 2)),
        (["sub/model.safetensors", "a.gguf"], ["a.gguf"]),
    ],
)
def test_the_one_model_is_found(names: list[str], expected: list[str]) -> None:
    assert list(choose_weights(names, BOTH, no_index, "x")) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.gguf", "b.gguf"], "several models: a.gguf, b.gguf"),
        (parts("model", ".safetensors", 3)[:2], "lacks a part of the model: model-00003-of-00003"),
        (parts("model", ".safetensors", 3)[1:], "lacks a part of the model: model-00001-of-00003"),
        (["a-00002-of-999999.gguf"], "lacks a part of the model: a-00001-of-999999"),
        (["a-00005-of-00000.gguf"], "a part that cannot exist"),
        (["config.json"], "no weights"),
        ([], "no weights"),
        (["pytorch_model.bin", "config.json"], "pickle"),
        (["sub/a.gguf"], "in subfolders only: sub/a.gguf"),
    ],
)
def test_every_doubt_is_an_error(names: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        choose_weights(names, BOTH, no_index, "x")


def test_an_index_says_which_files() -> None:
    index = json.dumps({"weight_map": {"a": "p.safetensors", "b": "q.safetensors", "c": "p.safetensors"}}).encode()
    names = ["p.safetensors", "q.safetensors", "other.safetensors", INDEX]
    chosen = choose_weights(names, BOTH, lambda name: index, "x")
    assert chosen == ("p.safetensors", "q.safetensors")
    assert index_name(chosen, names) == INDEX
    assert index_name(("model.safetensors",), names) is None


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b"{}",
        b'{"weight_map": []}',
        b'{"weight_map": {}}',
        b'{"weight_map": {"a": 1}}',
        b'{"weight_map": {"a": "../p.safetensors"}}',
        b'{"weight_map": {"a": "gone.safetensors"}}',
        b'{"weight_map": {"a": "p.bin"}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_bad_index_is_refused(index: bytes) -> None:
    with pytest.raises(MistralrsError):
        choose_weights(["p.safetensors", "p.bin", INDEX], BOTH, lambda name: index, "x")


def test_named_files_bring_their_other_parts() -> None:
    names = [*parts("big", ".gguf", 3), "small.gguf"]
    assert list(choose_named(names, [names[1], "small.gguf"], "x")) == names
    with pytest.raises(SourceError, match="no file") as caught:
        choose_named(names, ["smal.gguf"], "x")
    assert "small.gguf" in caught.value.hint


def test_companions_are_small_files_at_the_root() -> None:
    names = ["config.json", "tokenizer.json", "sub/config.json", "pytorch_model.bin", "x.txt"]
    assert choose_companions(names, ("*.json", "*.bin")) == ("config.json", "tokenizer.json")


@pytest.mark.parametrize("name", ["a/b.json", "model (1).gguf", "mod\u00e8le.gguf"])
def test_ordinary_names_pass(name: str) -> None:
    assert check_name(name, "x") == name


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "./a", "a/..", "..", "a\\b", "a\nb", "a\x1b[2J", "\ud800"])
def test_names_that_could_be_anything_else_do_not(name: str) -> None:
    with pytest.raises(SourceError) as caught:
        check_name(name, "x")
    assert caught.value.message.isprintable()


def test_listings_are_short_and_harmless() -> None:
    text = listing([*map(str, range(100)), "a\x1b[2J"])
    assert text.endswith("and 89 more")
    assert listing(["a\x1b[2J"]).isprintable()
