"""Hostile model files from the command line, with and without Python's ``-O``: no check may hang on an ``assert``."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rawgguf import ARCHITECTURE, ARRAY, FLOAT32, STRING, UINT32, RawTensor, array, gguf, pair
from test_gguf_header import WRONG_HEADERS, WRONG_PAIRS, WRONG_TENSORS
from test_safetensors import WRONG

TRYING = """
import contextlib, io, json, sys
from mistralrs.cli.main import run
found = []
for path in json.load(sys.stdin):
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        status = run(["run", "-m", path, "-i", "x", "--max-tokens", "1"])
    found.append((status, said.getvalue()))
print(json.dumps({"asserts": __debug__, "found": found}))
"""


def sized(name: str = "", value: int = 0) -> bytes:
    """A GGUF with the sizes of a model of one block, and perhaps one of its numbers replaced."""
    numbers = {
        "llama.block_count": 1,
        "llama.context_length": 64,
        "llama.embedding_length": 32,
        "llama.feed_forward_length": 32,
        "llama.attention.head_count": 4,
        EOS: 0,
        **({name: value} if name else {}),
    }
    pairs = [ARCHITECTURE, *(pair(key, UINT32, number) for key, number in numbers.items())]
    pairs += [pair("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5), pair(MODEL, STRING, "gpt2")]
    pairs += [pair(TOKENS, ARRAY, array(STRING, list("abcdefgh"))), pair(MERGES, ARRAY, array(STRING, []))]
    return gguf(pairs, [RawTensor("token_embd.weight", (32, 8))], bytes(1024))


MODEL, TOKENS, MERGES, EOS = (f"tokenizer.ggml.{name}" for name in ("model", "tokens", "merges", "eos_token_id"))
WHOLE = sized()
GGUF: dict[str, tuple[bytes, str]] = {
    **{f"cut at {end}": (WHOLE[:end], "") for end in (1, 5, 20, 40, len(WHOLE) // 2, len(WHOLE) - 1)},
    **WRONG_HEADERS,
    **{name: (gguf([ARCHITECTURE, wrong]), problem) for name, (wrong, problem) in WRONG_PAIRS.items()},
    **{name: (gguf(tensors=tensors, data=bytes(100)), problem) for name, (tensors, problem) in WRONG_TENSORS.items()},
    "zero heads": (sized("llama.attention.head_count"), "num_attention_heads: .*greater than 0"),
    "zero blocks": (sized("llama.block_count"), "num_hidden_layers: .*greater than 0"),
    "zero width": (sized("llama.embedding_length"), "hidden_size: .*greater than 0"),
    "an impossible id": (sized(EOS, 8), f"key '{EOS}': token id 8 is outside"),
}
"""Each with what its refusal has to say after the file's name."""
CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "zero heads": ({"num_attention_heads": 0}, "num_attention_heads"),
    "zero blocks": ({"num_hidden_layers": 0}, "num_hidden_layers"),
    "no width": ({"hidden_size": -1}, "hidden_size"),
    "a word for a size": ({"vocab_size": "many"}, "vocab_size"),
    "code of its own": (
        {"architectures": ["EvilModel"], "auto_map": {"AutoModelForCausalLM": "evil.EvilModel"}},
        r"config\.json: code of the model's own \(auto_map\) is never run.*'EvilModel'",
    ),
}


class Bomb:
    """What a pickle can do to whoever opens it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def model(folder: Path, checkpoint: Path, **config: Any) -> Path:
    """A copy of a checkpoint with other settings."""
    shutil.copytree(checkpoint, folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, **config}))
    return folder


def hostile(home: Path, checkpoint: Path) -> dict[str, tuple[Path, str]]:
    """Models with what a refusal has to say."""
    found: dict[str, tuple[Path, str]] = {}
    for index, (name, (content, said)) in enumerate(GGUF.items()):
        path = home / f"g{index}" / "model.gguf"
        path.parent.mkdir()
        path.write_bytes(content)
        found[f"gguf: {name}"] = path, rf"model\.gguf.*({said})"
    for index, (name, (content, said)) in enumerate(WRONG.items()):
        folder = model(home / f"s{index}", checkpoint)
        (folder / "model.safetensors").write_bytes(content)
        found[f"safetensors: {name}"] = folder, rf"model\.safetensors: .*({said})"
    for index, (name, (settings, said)) in enumerate(CONFIGS.items()):
        folder = model(home / f"c{index}", checkpoint, **settings)
        (folder / "evil.py").write_text(f"open({str(home / 'code')!r}, 'w')")
        found[f"config: {name}"] = folder, said
    folder = model(home / "pickle", checkpoint)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(home / "pickled")))
    found["pickle"] = folder, r"pickle files \(pytorch_model\.bin\)"
    return found


def refusals(flags: tuple[str, ...], paths: list[Path]) -> tuple[bool, list[tuple[int, str]]]:
    """Whether asserts are on, and how the command ended and what it said for each model, in one process."""
    command = [sys.executable, *flags, "-c", TRYING]
    given = json.dumps([str(path) for path in paths])
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return told["asserts"], [(status, said) for status, said in told["found"]]


@pytest.mark.slow
def test_hostile_files_are_refused_alike_without_asserts(
    tmp_path: Path, tiny_checkpoint: Callable[[str], Path]
) -> None:
    home = tmp_path / "hostile"
    home.mkdir()
    wrong = hostile(home, tiny_checkpoint("llama"))
    paths = [path for path, _ in wrong.values()]
    with ThreadPoolExecutor(2) as both:
        (asserts, plain), (no_asserts, optimised) = both.map(lambda flags: refusals(flags, paths), [(), ("-O",)])
    assert (asserts, no_asserts) == (True, False)
    for (name, (_, says)), before, after in zip(wrong.items(), plain, optimised, strict=True):
        status, said = after
        assert before == after, name
        error, *hint = said.splitlines()
        assert status == 2, (name, said)
        assert error.startswith("error: "), (name, said)
        assert all(line.startswith("hint: ") for line in hint), (name, said)
        assert re.search(says, " ".join([error, *hint])), (name, said)
    assert not (home / "pickled").exists()
    assert not (home / "code").exists()
