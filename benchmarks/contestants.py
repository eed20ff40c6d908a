"""Who takes part in a comparison, how each is installed, and how one is made to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
TIME_LIMIT = 1800.0


class ContestantError(Exception):
    """A contestant could not be installed or did not finish. The text is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The same work for everybody: a prompt of ``prompt`` tokens, then ``new`` tokens after ``depth`` others."""

    model: Path
    threads: int
    iterations: int
    prompt: int = 512
    new: int = 128
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run measured: ``load`` in seconds, rates in tokens a second, memory in bytes.

    ``peak`` is that of the process, ``imports`` what it held before it loaded the model.
    """

    load: float
    prompt: float
    decode: float
    peak: float
    imports: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another engine: its module in ``peers``, and what its environment is made of."""

    name: str
    module: str
    requirements: tuple[str, ...]

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        home = os.environ.get("MISTRALRS_PEERS")
        root = Path(home).expanduser() if home else Path.home() / ".cache" / "mistralrs-peers"
        return root / self.name / "bin" / "python"

    def install(self) -> None:
        """Make its environment, or bring it up to date."""
        if not self.python.exists():
            _run([sys.executable, "-m", "venv", str(self.python.parents[1])], self.name)
        _run([str(self.python), "-m", "pip", "install", "-q", *self.requirements], self.name)

    def run(self, task: Task) -> Figures:
        """Measure it. Raises :class:`ContestantError`."""
        if not self.python.exists():
            raise ContestantError(f"{self.name} is not installed: python -m benchmarks.compare --setup")
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            words = [str(self.python), str(PEERS / "worker.py"), self.module, str(task.model), str(result)]
            for option in ("threads", "iterations", "prompt", "new", "depth"):
                words += [f"--{option}", str(getattr(task, option))]
            output = _run(words, self.name)
            if not result.exists():
                raise ContestantError(f"{self.name} ended without figures:\n{output[-2000:]}")
            return Figures(**json.loads(result.read_text(encoding="ascii")))


ALL_PEERS = {
    peer.name: peer
    for peer in (
        Peer(name="llama.cpp", module="llama_cpp", requirements=("xllamacpp==2026.10.11549",)),
        Peer(
            name="transformers",
            module="transformers_f32",
            requirements=("torch>=2.6,<2.14", "transformers==5.23.0", "accelerate", "gguf"),
        ),
        Peer(name="mistral.rs", module="mistral_rs", requirements=("mistralrs==0.9.5",)),
    )
}


def run_ours(command: Sequence[str], task: Task) -> Figures:
    """Measure this project, through the command that its users have. Raises :class:`ContestantError`."""
    words = [*command, "bench", "-m", str(task.model), "--json", "--threads", str(task.threads)]
    words += ["--prompt-len", str(task.prompt), "--gen-len", str(task.new), "--depth", str(task.depth)]
    words += ["--iterations", str(task.iterations)]
    rows = {row["test"]: row for row in json.loads(_run(words, "ours", with_errors=False))}
    load = rows["load"]
    return Figures(
        load=load["seconds"],
        prompt=rows[f"pp{task.prompt}"]["tokens_per_second"],
        decode=rows[f"tg{task.new}"]["tokens_per_second"],
        peak=load["peak_rss_bytes"],
        imports=load["rss_after_imports_bytes"],
    )


def _run(words: Sequence[str], name: str, *, with_errors: bool = True) -> str:
    """What a command printed. Raises :class:`ContestantError` with the end of it when it fails."""
    errors = subprocess.STDOUT if with_errors else subprocess.PIPE
    try:
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace", timeout=TIME_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ContestantError(f"{name}: {error}") from error
    if done.returncode:
        shown = (done.stderr or done.stdout)[-2000:]
        raise ContestantError(f"{name} ended with status {done.returncode}:\n{shown}")
    return done.stdout
