"""``mistralrs run`` with a real model, from the command to the answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, wait_until

TORCH_IMPORTED = (
    "import sys\n"
    "from mistralrs.cli.main import run\n"
    "status = run(sys.argv[1:])\n"
    "print('torch' in sys.modules)\n"
    "sys.exit(status)\n"
)


def mistralrs(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mistralrs", "run", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False, timeout=500)


@pytest.mark.slow
def test_an_answer(smollm2_gguf: Path) -> None:
    greedy = ("-m", str(smollm2_gguf), "--temperature", "0", "--max-tokens", "24")
    ran = mistralrs(*greedy, "-i", "What is the capital of France?", "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert "Paris" in report["text"]
    assert report["usage"]["prompt_tokens"] == 37
    assert report["timings"]["first_token"] > 0

    piped = mistralrs(*greedy, stdin=b"What is the capital of France?\n")
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout.decode() == report["text"] + "\n"
    assert b"Stats:" in piped.stderr


@pytest.mark.parametrize("content", [b"", b"GGU", b"GGUF\x03\0\0\0" + b"\xff" * 16, b"not a model" * 100])
def test_a_damaged_file_is_refused_before_torch_is_imported(tmp_path: Path, content: bytes) -> None:
    model = tmp_path / "bad.gguf"
    model.write_bytes(content)
    command = [sys.executable, "-c", TORCH_IMPORTED, "run", "-m", str(model), "-i", "hi"]
    ran = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert ran.returncode == 2
    assert ran.stdout == "False\n"
    assert "bad.gguf" in ran.stderr
    assert len(ran.stderr.splitlines()) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("mapped", ["pydantic_core", "libtorch", ".gguf", "llvmlite"])
def test_ctrl_c_while_loading_ends_it(smollm2_gguf: Path, mapped: str) -> None:
    """Interrupted once a file of this name is in its memory. The answer would be long."""
    command = [sys.executable, "-m", "mistralrs", "run", "-m", str(smollm2_gguf), "-i", "Count from 1 to 1000."]
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    maps = Path(f"/proc/{running.pid}/maps")
    wait_until(lambda: mapped in maps.read_text())
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert b"Traceback" not in err
