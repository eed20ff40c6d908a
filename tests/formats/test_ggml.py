"""LLaMA files from before GGUF: the logits of the same weights in safetensors, and every lie refused by name."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.errors import ModelFormatError, SourceError, UsageError
from mistralrs.loading.inspect import inspect
from mistralrs.loading.locate import locate
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.conformance.format import FormatConformance
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import CheckpointSource, DictSource
from mistralrs_plugins.formats.ggml.checkpoint import open_ggml

SIZES: dict[str, Any] = {
    "vocab_size": 270,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "rms_norm_eps": 5e-6,
    "tie_word_embeddings": False,
}
NAMES = {
    "model.embed_tokens": "tok_embeddings",
    "model.norm": "norm",
    "lm_head": "output",
    "model.layers": "layers",
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
}
MAGIC = {"ggml": b"lmgg", "ggmf": b"fmgg", "ggjt": b"tjgg"}
F32, F16, Q8_0 = 0, 1, 8
WORDS = [" ", "t", "h", "e", " t", "he", " the", "a", " a", "b", "c"]
TOKENS = [" \u2047 ".encode(), b"", b"", *(bytes([value]) for value in range(256)), *(word.encode() for word in WORDS)]


def u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def head(kind: str = "ggjt", version: int = 3, hparams: tuple[int, ...] = (270, 32, 256, 4, 2, 8, 0)) -> bytes:
    """Magic, version, sizes and vocabulary."""
    words = [
        u32(len(token)) + token + (b"" if kind == "ggml" else struct.pack("<f", -float(number)))
        for number, token in enumerate(TOKENS)
    ]
    return MAGIC[kind] + (b"" if kind == "ggml" else u32(version)) + u32(*hparams) + b"".join(words)


def tensor(before: bytes, name: str, shape: tuple[int, ...], kind: int, data: bytes, *, aligned: bool = True) -> bytes:
    """A tensor behind ``before``; sizes are written innermost first."""
    described = u32(len(shape), len(name), kind, *reversed(shape)) + name.encode()
    padding = -(len(before) + len(described)) % 32 if aligned else 0
    return before + described + bytes(padding) + data


def model() -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    made = transformers.LlamaForCausalLM._from_config(transformers.LlamaConfig(**SIZES))
    return {name: each.detach() for name, each in made.state_dict().items()}


def write(path: Path, state: dict[str, torch.Tensor], kind: str, version: int, stored: int) -> dict[str, torch.Tensor]:
    """Write the file; the state that it holds after rounding."""
    content, kept = head(kind, version), {}
    for name, value in state.items():
        data = value.numpy()
        if "q_proj" in name or "k_proj" in name:
            data = data.reshape(-1, 2, 4, 32).swapaxes(1, 2).reshape(data.shape)  # halves of heads interleaved
        as_type = stored if data.ndim == 2 else F32
        raw = gguf.quants.quantize(np.ascontiguousarray(data), gguf.GGMLQuantizationType(as_type))
        rounded = gguf.quants.dequantize(raw, gguf.GGMLQuantizationType(as_type))
        if "q_proj" in name or "k_proj" in name:
            rounded = rounded.reshape(-1, 4, 2, 32).swapaxes(1, 2).reshape(data.shape)
        kept[name] = torch.from_numpy(np.ascontiguousarray(rounded, dtype=np.float32)).view(value.shape)
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        content = tensor(content, name, data.shape, as_type, raw.tobytes(), aligned=kind == "ggjt")
    path.write_bytes(content)
    return kept


def opened(path: Path) -> Checkpoint:
    return open_ggml(ModelFiles(id="tiny", source="file", root=path.parent, weights=(path,)))


@pytest.mark.parametrize(
    ("kind", "version", "stored"),
    [("ggml", 0, F16), ("ggmf", 1, F32), ("ggjt", 1, F16), ("ggjt", 2, F32), ("ggjt", 3, F16), ("ggjt", 3, Q8_0)],
)
def test_every_version_gives_the_logits_of_its_weights(kind: str, version: int, stored: int, tmp_path: Path) -> None:
    path = tmp_path / "ggml-model.bin"
    kept = write(path, model(), kind, version, stored)
    host, chosen = PluginHost(), ModelSelection(model_id=str(path), format="ggml")
    inspected = inspect(host, locate(host, chosen, lambda *_args, **_more: None), chosen)
    source = CheckpointSource(inspected.checkpoint)
    ids = torch.randint(0, SIZES["vocab_size"], (15,), generator=torch.Generator().manual_seed(2)).tolist()
    ours = PagedModel(inspected.architecture, inspected.raw, source).step({"a": ids})["a"]
    config = transformers.LlamaConfig(**SIZES).to_dict()
    theirs = PagedModel(inspected.architecture, config, DictSource(kept)).step({"a": ids})["a"]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert not source.unread()
    assert inspected.raw["num_key_value_heads"] == 2  # told by the shapes, without an option


def test_the_groups_that_a_user_states_are_checked(tmp_path: Path) -> None:
    write(tmp_path / "a.ggml", model(), "ggjt", 3, F32)
    host = PluginHost()
    for gqa in (None, 1, 2, 8):
        chosen = ModelSelection(model_id=str(tmp_path), gqa=gqa)
        files = locate(host, chosen, lambda *_args, **_more: None)
        if gqa == 8:
            with pytest.raises(UsageError, match="2 query heads for each of keys, not 8"):
                inspect(host, files, chosen)
        else:
            assert inspect(host, files, chosen).format.name == "ggml"


def test_its_vocabulary_is_a_tokenizer(tmp_path: Path) -> None:
    write(tmp_path / "a.ggml", model(), "ggjt", 3, F32)
    tokenizer = opened(tmp_path / "a.ggml").tokenizer()
    assert tokenizer is not None
    place = {word: 259 + number for number, word in enumerate(WORDS)}
    assert tokenizer.encode("the a\u00e9").ids == [1, place[" the"], place[" a"], 3 + 0xC3, 3 + 0xA9]
    assert tokenizer.decode([1, place[" the"], place[" a"], 3 + 0xC3, 3 + 0xA9]) == "the a\u00e9"
    assert opened(tmp_path / "a.ggml").special_ids() == {"unk": 0, "bos": 1, "eos": 2}


def test_without_scores_there_is_no_tokenizer(tmp_path: Path) -> None:
    write(tmp_path / "a.ggml", model(), "ggml", 0, F32)
    assert opened(tmp_path / "a.ggml").tokenizer() is None


def test_a_bin_is_a_pickle_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    write(tmp_path / "a.bin", model(), "ggjt", 3, F32)
    with pytest.raises(SourceError, match="pickle"):
        locate(PluginHost(), ModelSelection(model_id=str(tmp_path)), lambda *_args, **_more: None)
    chosen = ModelSelection(model_id=str(tmp_path), format="ggml")
    assert locate(PluginHost(), chosen, lambda *_args, **_more: None).weights == (tmp_path / "a.bin",)


ONE = tensor(head(), "norm.weight", (32,), F32, bytes(128))
WRONG: dict[str, tuple[bytes, str]] = {
    "a pickle": (b"PK\x03\x04" + bytes(100), "no ggml file: it starts with b'PK"),
    "GGUF": (b"GGUF" + bytes(100), "no ggml file: it starts with b'GGUF'"),
    "version 4": (MAGIC["ggjt"] + u32(4) + bytes(100), "version 4 of ggjt is not supported"),
    "version 0": (MAGIC["ggmf"] + u32(0) + bytes(100), "version 0 of ggmf is not supported"),
    "magic only": (MAGIC["ggjt"], "4 bytes at offset 4 run past the end"),
    "no heads": (head(hparams=(270, 32, 256, 0, 2, 8, 0)), "32 wide with 0 heads"),
    "another model": (head(hparams=(270, 2048, 32, 4, 2, 8, 0)), "of which 8 rotate, is no LLaMA model"),
    "tokens 2**32-1": (head(hparams=(2**32 - 1, 32, 256, 4, 2, 8, 0)), "4294967295 tokens do not fit into the file"),
    "a token's length": (head()[:36] + u32(2**32 - 1) + bytes(4000), "vocabulary: 4294967295 bytes at offset"),
    "tensor cut": (ONE[:-1], "tensor 'norm.weight': 128 bytes at offset"),
    "three dimensions": (head() + u32(3, 4, 0, 1, 1, 1) + b"name", "tensor 0: has 3 dimensions"),
    "no name": (head() + u32(1, 0, 0, 1), "a name has 1 to 63 bytes; this has 0"),
    "long name": (head() + u32(1, 2**31, 0, 1), "a name has 1 to 63 bytes; this has 2147483648"),
    "given twice": (tensor(ONE, "norm.weight", (32,), F32, bytes(128)), "tensor 'norm.weight': given twice"),
    "size 0": (tensor(head(), "a", (0, 2**31), F32, b""), "a shape of 0 x 2147483648 is not possible"),
    "half a block": (tensor(head(), "a", (4, 16), Q8_0, bytes(99)), "a shape of 4 x 16 is not possible in Q8_0"),
    "Q4_2": (tensor(head(), "a", (4, 32), 4, bytes(99)), "stored as Q4_2, which is not supported"),
    "type 77": (tensor(head(), "a", (4, 32), 77, bytes(99)), "stored as type 77, which is not supported"),
    "old Q8_0": (tensor(head("ggjt", 2), "a", (4, 32), Q8_0, bytes(200)), "Q8_0 of this version of the format"),
    "old Q5_0": (tensor(head("ggjt", 1), "a", (4, 32), 6, bytes(200)), "Q5_0 of this version of the format"),
    "no layers": (ONE, "there is no two-dimensional tensor 'layers.0.attention.wk.weight'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    content, message = WRONG[name]
    path = tmp_path / "bad.ggml"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError) as caught:
        opened(path)
    assert message in caught.value.message
    assert caught.value.message.startswith("bad.ggml: ")
    assert caught.value.hint


@pytest.mark.parametrize(("place", "token"), [(259, b"t"), (260, b"\xff\xfe")])
def test_a_damaged_vocabulary_asks_for_a_tokenizer(place: int, token: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.ggml"
    write(path, model(), "ggmf", 1, F32)
    old, new = (u32(len(each)) + each for each in (TOKENS[place], token))
    content = path.read_bytes()
    start = 36 + sum(8 + len(each) for each in TOKENS[:place])
    path.write_bytes(content[:start] + new + content[start + len(old) :])
    with pytest.raises(ModelFormatError, match="vocabulary") as caught:
        opened(path).tokenizer()
    assert "--tokenizer" in (caught.value.hint or "")


class TestGgml(FormatConformance):
    plugin = "format/ggml"

    @pytest.fixture
    def sample(self, tmp_path: Path) -> ModelFiles:
        path = tmp_path / "model.ggml"
        write(path, model(), "ggjt", 3, Q8_0)
        return ModelFiles(id="sample", source="file", root=tmp_path, weights=(path,))
