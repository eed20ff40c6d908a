"""``mistralrs show`` on a tiny model, on the real one, and on files that lack something."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mistralrs.cli.main import run
from mistralrs.testing.tiny import write_checkpoint
from mistralrs_plugins.architectures.llama.plugin import mistralrs_register_architectures

CARD = "---\nlicense: other\nlicense_name: tiny-licence\nlicense_link: https://example.org\n---\n# A tiny model\n"

TORCH_IMPORTED = (
    "import sys\n"
    "from mistralrs.cli.main import run\n"
    "status = run(sys.argv[1:])\n"
    "print('torch' in sys.modules)\n"
    "sys.exit(status)\n"
)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (spec,) = mistralrs_register_architectures()
    return write_checkpoint(spec, tmp_path / "tiny")


def shown(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["show", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_a_folder(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tiny / "README.md").write_text(CARD)
    config = json.loads((tiny / "config.json").read_text())
    facts = shown(capfd, str(tiny))
    assert facts["architecture"] == config["architectures"][0]
    assert facts["plugin"] == "architecture/llama"
    assert facts["format"] == "safetensors"
    assert facts["sizes"]["layers"] == config["num_hidden_layers"]
    assert facts["chat_template"]["names"] == ["default"]
    assert facts["tokenizer"]["end"] == [{"id": 2, "text": "</s>"}]
    assert facts["license"] == {
        "name": "other",
        "title": "tiny-licence",
        "link": "https://example.org",
        "source": "README.md",
    }
    (tensors,) = facts["tensors"]
    assert tensors["type"] == "f32"
    assert tensors["bytes"] == facts["memory"]["weights_bytes"] == 4 * facts["parameters"]
    cached = (
        2
        * config["num_hidden_layers"]
        * config["num_key_value_heads"]
        * config["hidden_size"]
        // config["num_attention_heads"]
    )
    assert facts["memory"]["cache_bytes_per_1000_tokens"] == {"f16": 2000 * cached, "f32": 4000 * cached}


def test_the_real_model(smollm2_gguf: Path, capfd: pytest.CaptureFixture[str]) -> None:
    facts = shown(capfd, str(smollm2_gguf))
    assert facts["parameters"] == 134_515_008
    assert facts["license"]["name"] == "apache-2.0"
    assert [row["type"] for row in facts["tensors"]] == ["q4_1", "q8_0", "f32"]
    assert facts["context_length"] == 8192
    assert {end["text"] for end in facts["tokenizer"]["end"]} == {"<|endoftext|>", "<|im_end|>"}


def test_lines_for_people(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tiny / "LICENSE").write_text("\n  The \x1b[31mTiny Licence\nmore\n")
    assert run(["show", "-m", str(tiny)]) == 0
    printed = capfd.readouterr().out
    assert "\x1b" not in printed
    names = [line[:15].strip() for line in printed.splitlines() if line[:15].strip()]
    wanted = ["model", "files", "format", "architecture", "context", "sizes", "tensors", "tokenizer"]
    assert names == [*wanted, "chat template", "licence", "parameters", "memory"]
    assert "Tiny Licence (says LICENSE)" in printed


def test_a_model_without_a_tokenizer_is_still_shown(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tiny / "tokenizer.json").unlink()
    facts = shown(capfd, str(tiny))
    assert "no tokenizer" in facts["tokenizer"]["error"]
    assert facts["chat_template"] is None
    assert facts["parameters"] > 0


@pytest.mark.parametrize(
    "card", ["", "no front matter", "---\nlicense: [\n---\n", "---\n- a\n- b\n---\n", "---\nlicense: 3\n---\n"]
)
def test_cards_that_state_no_licence(tiny: Path, card: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tiny / "README.md").write_text(card)
    assert shown(capfd, str(tiny))["license"] is None


def test_a_model_is_given_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "a/b", "-m", "c/d"]) == 2
    assert "given twice" in capfd.readouterr().err


def test_a_damaged_file_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 16)
    command = [sys.executable, "-c", TORCH_IMPORTED, "show", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == "False\n"
    assert "bad.gguf" in done.stderr
