"""Every way a GGUF header can be wrong is found before anything is read by it, and named."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import gguf as reference
import numpy as np
import pytest
from rawgguf import (
    ARCHITECTURE,
    ARRAY,
    BOOL,
    F16,
    FLOAT32,
    INT32,
    IQ4_XS,
    Q4_1,
    Q8_0,
    STRING,
    UINT32,
    UINT64,
    OpenGguf,
    RawTensor,
    array,
    gguf,
    pair,
    text,
)

from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.gguf.header import parse_header

ALIGNMENT = "general.alignment"

WRONG_HEADERS = {
    "empty": (b"", "the file is empty"),
    "three bytes": (b"GGU", "not a GGUF file"),
    "magic only": (b"GGUF", "4 bytes at offset 4 run past the end"),
    "bad magic": (gguf(magic=b"GGML"), "not a GGUF file: it starts with b'GGML'"),
    "version 0": (gguf(version=0), "GGUF version 0 is not supported"),
    "version 1": (gguf(version=1), "GGUF version 1 is not supported"),
    "version 99": (gguf(version=99), "GGUF version 99 is not supported"),
    "big-endian": (gguf(order=">"), "big-endian"),
    "pairs 2**64-1": (gguf(pair_count=2**64 - 1), "18446744073709551615 metadata pairs do not fit"),
    "tensors 2**64-1": (gguf(tensor_count=2**64 - 1), "18446744073709551615 tensors do not fit"),
    "a pair too many": (gguf(pair_count=2), "metadata key 1: a key has 1 to 65535 bytes; this has 0"),
}

WRONG_PAIRS = {
    "key length 2**64-1": (
        struct.pack("<Q", 2**64 - 1) + b"a" * 20,
        "metadata key 1: a string of 18446744073709551615",
    ),
    "empty key": (pair("", UINT32, 1), "a key has 1 to 65535 bytes"),
    "key too long": (pair("k" * 65536, UINT32, 1), "a key has 1 to 65535 bytes; this has 65536"),
    "key not UTF-8": (pair(b"\xff\xfe", UINT32, 1), "metadata key 1: string 0 is not UTF-8"),
    "duplicate key": (ARCHITECTURE, "key 'general.architecture': given twice"),
    "value type 13": (pair("k", 13, b"1234"), "key 'k': type 13 is no value type"),
    "value type 2**32-1": (pair("k", 2**32 - 1, b"1234"), "type 4294967295 is no value type"),
    "string not UTF-8": (pair("k", STRING, text(b"\xc3\x28")), "key 'k': string 0 is not UTF-8"),
    "string past the end": (pair("k", STRING, struct.pack("<Q", 2**63)), "key 'k': a string of 9223372036854775808"),
    "array type 99": (pair("k", ARRAY, struct.pack("<IQ", 99, 0)), "type 99 is no element"),
    "array of arrays": (pair("k", ARRAY, struct.pack("<IQ", ARRAY, 1)), "arrays of arrays are not supported"),
    "array of 2**62": (pair("k", ARRAY, array(UINT32, [], 2**62)), "4611686018427387904 uint32 values do not fit"),
    "strings 2**62": (pair("k", ARRAY, array(STRING, [], 2**62)), "4611686018427387904 strings do not fit"),
    "array a little long": (pair("k", ARRAY, array(FLOAT32, [1.0], 99)), "99 float32 values do not fit"),
    "alignment 0": (pair(ALIGNMENT, UINT32, 0), "key 'general.alignment': must be a power of two .*, not 0"),
    "alignment 4": (pair(ALIGNMENT, UINT32, 4), "not 4"),
    "alignment 13": (pair(ALIGNMENT, UINT32, 13), "not 13"),
    "alignment 2**31": (pair(ALIGNMENT, UINT32, 2**31), "not 2147483648"),
    "alignment uint64": (pair(ALIGNMENT, UINT64, 32), "must be a uint32, not uint64"),
    "alignment string": (pair(ALIGNMENT, STRING, "32"), "must be a uint32, not string"),
    "alignment array": (pair(ALIGNMENT, ARRAY, array(UINT32, [32])), "must be a uint32, not array"),
}

WRONG_TENSORS = {
    "no dimensions": ([RawTensor("t", ())], "tensor 't': has 0 dimensions; 1 to 4"),
    "five dimensions": ([RawTensor("t", (1, 1, 1, 1, 1))], "has 5 dimensions"),
    "2**32-1 dimensions": ([RawTensor("t", (1,), rank=2**32 - 1)], "has 4294967295 dimensions"),
    "dimension -1": ([RawTensor("t", (-1,))], "a shape of 18446744073709551615 is too large"),
    "dimension 2**63": ([RawTensor("t", (2**63,))], "is too large"),
    "product past 2**64": ([RawTensor("t", (2**32, 2**32))], "a shape of 4294967296 x 4294967296 is too large"),
    "product past 2**31": ([RawTensor("t", (2**16, 2**16))], "17179869184 bytes at offset .* run past the end"),
    "zero hides a huge one": ([RawTensor("t", (0, 2**63))], "is too large"),
    "huge blocks": ([RawTensor("t", (0x7FFFFFFFFFFFFFC0,), Q8_0)], "run past the end of the file"),
    "unsupported type": ([RawTensor("t", (256,), IQ4_XS)], "stored as IQ4_XS, which is not supported .*Q6_K"),
    "unknown type": ([RawTensor("t", (256,), 77)], "stored as type 77, which is not supported"),
    "part of a block": ([RawTensor("t", (33,), Q4_1)], "rows of 33 values are no whole number of q4_1 blocks of 32"),
    "empty name": ([RawTensor("", (1,))], "tensor 0: a name has 1 to 63 bytes"),
    "name too long": ([RawTensor("n" * 64, (1,))], "tensor 0: a name has 1 to 63 bytes; this has 64"),
    "name not UTF-8": ([RawTensor(b"\xff", (1,))], "tensor 0: string 0 is not UTF-8"),
    "duplicate name": ([RawTensor("t", (1,)), RawTensor("t", (1,), offset=32)], "tensor 't': given twice"),
    "unaligned": ([RawTensor("t", (1,), offset=4)], "offset 4 is not a multiple of the alignment, 32"),
    "past the end": ([RawTensor("t", (1,), offset=128)], "tensor 't': 4 bytes at offset .* run past the end"),
    "offset 2**64-32": ([RawTensor("t", (1,), offset=2**64 - 32)], "run past the end"),
    "overlap": ([RawTensor("a", (16,)), RawTensor("b", (1,), offset=32)], "tensor 'b': shares bytes with another"),
}


@pytest.mark.parametrize(("content", "problem"), WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_a_wrong_header_is_refused(open_bytes: OpenGguf, content: bytes, problem: str) -> None:
    with pytest.raises(ModelFormatError, match=rf"^model\.gguf: .*({problem})"):
        open_bytes(content)


@pytest.mark.parametrize(("wrong", "problem"), WRONG_PAIRS.values(), ids=WRONG_PAIRS)
def test_a_wrong_pair_is_refused(open_bytes: OpenGguf, wrong: bytes, problem: str) -> None:
    with pytest.raises(ModelFormatError, match=rf"^model\.gguf: .*{problem}"):
        open_bytes(gguf([ARCHITECTURE, wrong], [RawTensor("t", (1,))], b"\0" * 64))


@pytest.mark.parametrize(("tensors", "problem"), WRONG_TENSORS.values(), ids=WRONG_TENSORS)
def test_a_wrong_tensor_is_refused(open_bytes: OpenGguf, tensors: list[RawTensor], problem: str) -> None:
    with pytest.raises(ModelFormatError, match=rf"^model\.gguf: .*{problem}"):
        open_bytes(gguf(tensors=tensors, data=b"\0" * 100))


def test_every_refusal_is_one_line_with_a_hint(open_bytes: OpenGguf) -> None:
    for content, _ in WRONG_HEADERS.values():
        with pytest.raises(ModelFormatError) as caught:
            open_bytes(content)
        assert "\n" not in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize("count", [2**64 - 1, 2**40, 10**7])
def test_counts_that_lie_allocate_nothing(count: int) -> None:
    content = gguf([pair("k", ARRAY, array(STRING, ["a"], count))]) + b"\0" * 1000
    tracemalloc.start()
    with pytest.raises(ModelFormatError):
        parse_header(content, "model.gguf")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def small_file() -> bytes:
    tensors = [
        RawTensor("a", (32, 2), Q8_0),
        RawTensor("b", (4,), offset=96),
        RawTensor("c", (3, 2, 2), F16, offset=128),
    ]
    pairs = [
        ARCHITECTURE,
        pair("llama.block_count", UINT32, 2),
        pair("tokenizer.ggml.tokens", ARRAY, array(STRING, ["a", "b", "\u00e9", ""])),
        pair("tokenizer.ggml.scores", ARRAY, array(FLOAT32, [0.5, 1, 2, 3])),
        pair("flags", ARRAY, array(BOOL, [True, False])),
    ]
    return gguf(pairs, tensors, bytes(range(152)))


def test_a_file_cut_at_any_byte_is_refused() -> None:
    whole = small_file()
    parse_header(whole, "whole")
    for size in range(len(whole)):
        with pytest.raises(ModelFormatError):
            parse_header(whole[:size], "cut")


def test_any_changed_byte_is_refused_or_harmless() -> None:
    whole = small_file()
    for place in range(len(whole) - 152):
        for value in (0, 1, 127, 128, 255):
            damaged = bytearray(whole)
            damaged[place] = value
            try:
                found = parse_header(bytes(damaged), "damaged")
            except ModelFormatError:
                continue
            assert all(tensor.offset + tensor.info.nbytes <= len(whole) for tensor in found.tensors)
            with suppress(ModelFormatError):
                dict(found.metadata)


def test_arrays_are_decoded_when_they_are_asked_for(open_bytes: OpenGguf) -> None:
    opened = open_bytes(gguf([ARCHITECTURE, pair("k", ARRAY, array(STRING, [b"a", b"\xff"]))]))
    assert set(opened.metadata) == {"general.architecture", "k"}
    with pytest.raises(ModelFormatError, match=r"^model\.gguf: key 'k': string 1 is not UTF-8"):
        opened.metadata["k"]


def test_values_and_tensors_are_read(open_bytes: OpenGguf) -> None:
    opened = open_bytes(small_file())
    assert opened.architecture == "gguf:llama"
    assert opened.metadata["llama.block_count"] == 2
    assert opened.metadata["tokenizer.ggml.tokens"] == ["a", "b", "\u00e9", ""]
    assert opened.metadata["tokenizer.ggml.scores"] == [0.5, 1.0, 2.0, 3.0]
    assert opened.metadata["flags"] == [True, False]
    assert {name: (info.shape, info.layout.name) for name, info in opened.tensors.items()} == {
        "a": ((2, 32), "q8_0"),
        "b": ((4,), "f32"),
        "c": ((2, 2, 3), "f16"),
    }
    assert bytes(opened.read("b")) == bytes(range(96, 112))
    assert opened.read("c").nbytes == 24


def test_a_tensor_may_have_no_values(open_bytes: OpenGguf) -> None:
    opened = open_bytes(gguf(tensors=[RawTensor("t", (4, 0))], data=b""))
    assert opened.tensors["t"].shape == (0, 4)
    assert opened.read("t").nbytes == 0


def test_the_alignment_of_the_file_is_used(open_bytes: OpenGguf) -> None:
    tensors = [RawTensor("a", (1,)), RawTensor("b", (1,), offset=64)]
    content = gguf([pair(ALIGNMENT, UINT32, 64)], tensors, bytes(68), alignment=64)
    assert open_bytes(content).read("b").nbytes == 4
    tensors[1].offset = 32
    with pytest.raises(ModelFormatError, match="offset 32 is not a multiple of the alignment, 64"):
        open_bytes(gguf([pair(ALIGNMENT, UINT32, 64)], tensors, bytes(68), alignment=64))


def test_views_are_private_and_outlive_the_checkpoint(open_bytes: OpenGguf, tmp_path: Path) -> None:
    opened = open_bytes(small_file())
    view = opened.read("b")
    opened.close()
    view[0] = 200
    assert view[0] == 200
    assert (tmp_path / "model.gguf").read_bytes() == small_file()


def test_the_writer_of_the_gguf_package_is_understood(tmp_path: Path, open_bytes: OpenGguf) -> None:
    writer = reference.GGUFWriter(str(tmp_path / "written.gguf"), "qwen3")
    writer.add_context_length(4096)
    writer.add_array("numbers", [-1, 2, 3])
    writer.add_token_list(["a", "b"])
    writer.add_float64("epsilon", 1e-5)
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    writer.add_tensor("weight", values)
    quantized = reference.quants.quantize(np.ones((4, 64), np.float32), reference.GGMLQuantizationType.Q4_1)
    writer.add_tensor("packed", quantized, raw_dtype=reference.GGMLQuantizationType.Q4_1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    opened = open_bytes((tmp_path / "written.gguf").read_bytes())
    assert opened.architecture == "gguf:qwen3"
    assert opened.metadata["qwen3.context_length"] == 4096
    assert opened.metadata["numbers"] == [-1, 2, 3]
    assert opened.metadata["epsilon"] == 1e-5
    assert opened.tensors["packed"].shape == (4, 64)
    assert bytes(opened.read("weight")) == values.tobytes()
    assert bytes(opened.read("packed")) == quantized.tobytes()


def test_a_missing_architecture_is_named(open_bytes: OpenGguf) -> None:
    for pairs in ([], [pair("general.architecture", UINT32, 3)], [pair("general.architecture", STRING, "")]):
        with pytest.raises(ModelFormatError, match=r"key 'general\.architecture' is (missing|empty or not a text)"):
            _ = open_bytes(gguf(pairs)).architecture


def test_templates_and_special_ids(open_bytes: OpenGguf) -> None:
    pairs = [
        pair("tokenizer.ggml.tokens", ARRAY, array(STRING, ["a", "b", "c"])),
        pair("tokenizer.ggml.eos_token_id", UINT32, 2),
        pair("tokenizer.ggml.unknown_token_id", UINT32, 0),
        pair("tokenizer.chat_template", STRING, "{{ x }}"),
        pair("tokenizer.chat_template.tool_use", STRING, "{{ y }}"),
        pair("tokenizer.chat_template.empty", STRING, ""),
    ]
    opened = open_bytes(gguf(pairs))
    assert opened.special_ids() == {"eos": 2, "unk": 0}
    assert opened.chat_templates() == {"default": "{{ x }}", "tool_use": "{{ y }}"}
    assert opened.tokenizer() is None


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (UINT32, 2**32 - 1, "token id 4294967295 is outside the vocabulary of 1"),
        (UINT32, 1, "token id 1 is outside"),
        (INT32, -1, "token id -1 is outside"),
        (STRING, "0", "must be an integer"),
        (BOOL, False, "must be an integer"),
    ],
)
def test_special_ids_outside_the_vocabulary_are_refused(
    open_bytes: OpenGguf, kind: int, value: object, problem: str
) -> None:
    pairs = [
        pair("tokenizer.ggml.tokens", ARRAY, array(STRING, ["a"])),
        pair("tokenizer.ggml.eos_token_id", kind, value),
    ]
    with pytest.raises(ModelFormatError, match=rf"key 'tokenizer\.ggml\.eos_token_id': {problem}"):
        open_bytes(gguf(pairs)).special_ids()


def test_opening_imports_neither_torch_nor_numpy() -> None:
    modules = [f"mistralrs_plugins.formats.{name}.checkpoint" for name in ("gguf", "safetensors")]
    code = (
        f"import sys, {', '.join(modules)}; print(*{{'torch', 'numpy', 'pydantic', 'tokenizers'}} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
