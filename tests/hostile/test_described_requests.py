"""Requests made up from the server's own description, well-formed and not: none of them is the server's fault."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, Response

from tests.serve.running import LEAKS, RunningServer, scripted

EXAMPLES = 12
"""Of each route and kind."""
SMALL = {"max_tokens": 4, "max_completion_tokens": 4, "max_output_tokens": 4, "n": 2}
"""Answers are kept short: their number and length are bounded by other tests."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
LEAST = 150
"""Requests of each kind that must have been sent."""
SECONDS = 100.0

Operation = Any


@pytest.fixture(scope="module")
def hosted() -> Iterator[RunningServer]:
    with scripted() as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def operations(hosted: RunningServer) -> dict[str, Operation]:
    schema = schemathesis.openapi.from_url(f"{hosted.root}/api-doc/openapi.json")
    return {operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_no_described_request_is_the_servers_fault(
    hosted: RunningServer, operations: dict[str, Operation], mode: GenerationMode
) -> None:
    assert len(operations) > 30
    sent = 0
    for operation in operations.values():
        with contextlib.suppress(Unsatisfiable):  # nothing of it can be malformed
            sent += tried(operation, mode, hosted)
    assert sent > LEAST
    hosted.wait_idle()
    assert hosted.get("/health/ready").status == 200


def tried(operation: Operation, mode: GenerationMode, server: RunningServer) -> int:
    """Send some requests of one operation; returns how many."""
    sent = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        nonlocal sent
        sent += 1
        if isinstance(case.body, dict):
            for name, limit in SMALL.items():
                if isinstance(wanted := case.body.get(name), int) and wanted > limit:
                    case.body[name] = limit
        check(case.call(base_url=server.root, timeout=SECONDS), case)

    send()
    return sent


def check(response: Response, case: Case) -> None:
    """A good answer, or a refusal that is the client's fault, documented, and in the documented form."""
    documented = case.operation.definition.raw["responses"]
    assert response.status_code < 500, case.as_curl_command()
    assert str(response.status_code) in {*documented, "405"}, case.as_curl_command()
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == ["application/json"]
    assert not re.search(LEAKS, response.text)
    error = response.json()["error"]
    assert error["message"]
    assert error["type"]
    if not case.path.startswith("/v1/messages"):
        assert set(error) == {"message", "type", "param", "code"}
