import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mistralrs.cli.main import run
from mistralrs.testing.conformance import FrontendConformance


class TestTokens(FrontendConformance):
    plugin = "frontend/tokens"


def test_one_token_for_each_letter(tiny_checkpoint: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tokens", "abc", "-m", str(tiny_checkpoint("llama")), "--json"]) == 0
    assert [row["token"] for row in json.loads(capsys.readouterr().out)] == ["a", "b", "c"]
