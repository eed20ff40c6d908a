"""Virtual environments with the project's wheel, as users have them: nothing editable, nothing from this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Environment:
    """A virtual environment. What the project depends on is borrowed from the one the tests run in."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    def run(self, *command: str | Path, status: int = 0, **variables: str) -> str:
        """Standard output of a command of this environment; its exit status must be ``status``."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MISTRALRS", "XDG"))
        }
        home = {"HOME": str(self.root), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [str(word) for word in command],
            env={**kept, **home, **variables},
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def mistralrs(self, *arguments: str | Path, status: int = 0, **variables: str) -> str:
        """Standard output of ``mistralrs``."""
        return self.run(self.root / "bin" / "mistralrs", *arguments, status=status, **variables)

    def plugins(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """``plugins list --load --json`` by id."""
        return {row["id"]: row for row in json.loads(self.mistralrs("plugins", "list", "--load", "--json", *arguments))}

    def install(self, *wheels: Path) -> None:
        self.run(self.python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", *wheels)


def build_wheels(projects: Sequence[Path], into: Path) -> list[Path]:
    """Build a wheel of each with the build backend that is installed."""
    before = set(into.glob("*.whl"))
    options = ["-q", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(into), *map(str, projects)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    built = sorted(set(into.glob("*.whl")) - before)
    assert len(built) == len(projects)
    return built


def share_kernels(home: Path) -> None:
    """Let a home of its own have the kernels that were compiled before.

    They are kept under a name of the sources, the compiler and the processor, so only the same sources find them.
    """
    kept, own = user_cache_path("mistralrs") / "kernels", home / ".cache" / "mistralrs"
    kept.mkdir(parents=True, exist_ok=True)
    own.mkdir(parents=True)
    (own / "kernels").symlink_to(kept, target_is_directory=True)
