"""Headers with bytes changed, put in or cut out: opened as something that can be read, or refused in one line."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.errors import MistralrsError
from mistralrs_plugins.formats.gguf.checkpoint import open_gguf
from mistralrs_plugins.formats.safetensors.checkpoint import open_safetensors

Opener = Callable[[ModelFiles], Checkpoint]
EXAMPLES = 300
ALLOWANCE = 32 << 20
"""Bytes that opening may take besides the file's own size."""
SPECIAL = [0, 1, 0x7F, 0x80, 0xFF, ord('"'), ord("{"), ord("[")]

changes = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete"]),
        st.integers(0, 1 << 14),
        st.one_of(st.sampled_from(SPECIAL), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small GGUF with every kind of field."""
    path = tmp_path_factory.mktemp("fuzz") / "model.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{index}" for index in range(16)])
    writer.add_token_merges(["a b", "c d"])
    writer.add_chat_template("{{ messages }}")
    writer.add_array("extra.numbers", [1, 2, 3])
    writer.add_bool("extra.flag", True)
    writer.add_tensor("token_embd.weight", np.ones((16, 32), np.float32))
    writer.add_tensor("output_norm.weight", np.ones(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def safetensors_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small safetensors file with its config.json beside it."""
    folder = tmp_path_factory.mktemp("fuzz")
    header = {
        "__metadata__": {"format": "pt"},
        "a.weight": {"dtype": "F32", "shape": [4, 2], "data_offsets": [0, 32]},
        "b.weight": {"dtype": "BF16", "shape": [8], "data_offsets": [32, 48]},
    }
    packed = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(packed)) + packed + bytes(48))
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    return folder / "model.safetensors"


def changed(content: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    """``content`` with edits at positions within its header, which is nearly all of it."""
    out = bytearray(content)
    for kind, where, value in edits:
        at = where % len(out)
        if kind == "set":
            out[at] = value
        elif kind == "insert":
            out.insert(at, value)
        elif len(out) > 1:
            del out[at]
    return bytes(out)


def examine(opener: Opener, files: ModelFiles, size: int) -> None:
    """Open it and read everything. Nothing but a refusal may come of it, and no memory beyond the file's size."""
    refusal = ""
    tracemalloc.start()
    try:
        opened = opener(files)
        for name in opened.tensors:
            opened.read(name)
        opened.tokenizer()
        opened.chat_templates()
        opened.special_ids()
        opened.close()
    except MistralrsError as error:
        refusal = error.message
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "\n" not in refusal
    assert " at 0x" not in refusal
    assert peak < size + ALLOWANCE


@settings(derandomize=True, max_examples=EXAMPLES, deadline=None, database=None)
@given(edits=changes)
def test_gguf(gguf_file: Path, edits: Any) -> None:
    content = changed(gguf_file.read_bytes(), edits)
    path = gguf_file.with_name("changed.gguf")
    path.write_bytes(content)
    examine(open_gguf, ModelFiles(id="fuzz", source="file", root=path.parent, weights=(path,)), len(content))


@settings(derandomize=True, max_examples=EXAMPLES, deadline=None, database=None)
@given(edits=changes)
def test_safetensors(safetensors_file: Path, edits: Any) -> None:
    content = changed(safetensors_file.read_bytes(), edits)
    path = safetensors_file.with_name("changed.safetensors")
    path.write_bytes(content)
    companions = {"config.json": path.with_name("config.json")}
    files = ModelFiles(id="fuzz", source="file", root=path.parent, weights=(path,), companions=companions)
    examine(open_safetensors, files, len(content))


@settings(derandomize=True, max_examples=EXAMPLES, deadline=None, database=None)
@given(edits=changes)
def test_config(safetensors_file: Path, edits: Any) -> None:
    path = safetensors_file.with_name("changed.json")
    content = changed((safetensors_file.parent / "config.json").read_bytes(), edits)
    path.write_bytes(content)
    files = ModelFiles(
        id="fuzz",
        source="file",
        root=path.parent,
        weights=(safetensors_file,),
        companions={"config.json": path},
    )
    examine(open_safetensors, files, len(content))
