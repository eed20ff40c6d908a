"""The openai package for Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serve.running import scripted

PACKAGE = "openai@7.57.0"
CLIENT = Path(__file__).with_name("node_client.mjs")
INSTALL_SECONDS, RUN_SECONDS = 200, 200


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's script beside the package that it imports."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", PACKAGE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not install {PACKAGE}: {str(error.stderr)[:200]}")
    return Path(shutil.copy(CLIENT, folder))


@pytest.mark.slow
def test_it_reads_answers_streams_and_errors(client: Path) -> None:
    with scripted(light=True) as server:
        server.wait_ready()
        command = ["node", str(client), f"{server.root}/v1"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["whole"] == found["streamed"] == found["response"] == "abcdefgh"
    assert (found["finish"], found["tokens"]) == ("length", 8)
    assert found["refused"] == {"name": "BadRequestError", "status": 400, "param": "temperature"}
    assert found["models"] == ["default", "scripted", "alias"]
