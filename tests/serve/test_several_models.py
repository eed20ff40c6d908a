"""Several models in one server: names, loading on demand, unloading, and a budget of memory."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.running import Reply, RunningServer, chat_body, scripted
from tests.waiting import wait_until

MORE = {"second": {}, "third": {}}


def status(server: RunningServer, name: str) -> str:
    return str(server.post("/v1/models/status", {"model_id": name}).json["status"])


def change(server: RunningServer, what: str, name: str) -> Reply:
    return server.post(f"/v1/models/{what}", {"model_id": name})


def workers(server: RunningServer) -> int:
    return len(server.workers())


def pending(server: RunningServer, count: int) -> None:
    """Wait until so many answers are accepted and have not ended."""
    wait_until(lambda: server.metric("mistralrs_requests_pending_admission") == count)


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that lets slow answers of the second model end."""
    file = tmp_path_factory.mktemp("several") / "ending"
    file.touch()
    return file


@pytest.fixture(scope="module")
def several(ending: Path) -> Iterator[RunningServer]:
    more = {**MORE, "second": {"ends_when": str(ending)}, "damaged": {"fails": True}}
    with scripted({"more": more}, light=True) as server:
        yield server.wait_ready()


def test_models_are_found_by_all_their_names(several: RunningServer) -> None:
    cards = several.get("/v1/models").json["data"]
    assert [card["id"] for card in cards] == ["default", "scripted", "alias", "second", "third", "damaged"]
    assert [card["root"] for card in cards[:3]] == ["scripted"] * 3
    assert {(*card["input_modalities"], *card["output_modalities"]) for card in cards} == {("text", "text")}
    assert several.get("/v1/models/second").json["id"] == "second"
    assert several.chat("x").json["model"] == "scripted"
    assert several.chat("x", model="alias").json["model"] == "scripted"
    assert several.chat("x", model="nope").status == 404


def test_a_request_loads_its_model_and_waits_for_it(several: RunningServer) -> None:
    before = workers(several)
    assert status(several, "second") == "unloaded"
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda: replies.append(several.chat("x", model="second"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(reply.status, reply.json["model"]) for reply in replies] == [(200, "second")] * 6
    assert status(several, "second") == "loaded"
    assert workers(several) == before + 1
    metrics = several.get("/metrics").body.decode()
    assert 'mistralrs_sequences_completed_total{model="second",reason="length"} 6.0' in metrics


def test_text_routes_need_no_engine(several: RunningServer) -> None:
    assert several.post("/tokenize", {"prompt": "hello", "model": "third"}).json["count"] > 0
    assert status(several, "third") == "unloaded"


def test_unloading_lets_answers_end_and_loses_no_request(several: RunningServer, ending: Path) -> None:
    assert change(several, "reload", "second").json["status"] == "loaded"
    ending.unlink()
    stream = several.stream(chat_body("~", model="second", max_tokens=40))
    replies: list[Reply] = []
    late_replies: list[Reply] = []
    unloads = threading.Thread(target=lambda: replies.append(change(several, "unload", "second")))
    unloads.start()
    wait_until(lambda: status(several, "second") == "unloading")
    late = threading.Thread(target=lambda: late_replies.append(several.chat("x", model="second")))
    late.start()  # waits for the unload, then for the load
    pending(several, 2)
    ending.touch()
    late.join()
    assert late_replies[0].status == 200
    assert len(stream.text()) == 40
    unloads.join()
    assert replies[0].status == 200
    assert status(several, "second") == "loaded"


def test_no_request_is_lost_while_a_model_comes_and_goes(several: RunningServer) -> None:
    stop = threading.Event()
    answers: list[int] = []

    def ask() -> None:
        while not stop.is_set() or not answers:
            answers.append(several.chat("x", model="second", max_tokens=3).status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        assert change(several, "unload", "second").status == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
    several.wait_idle()


def test_status_codes_are_true(several: RunningServer) -> None:
    for what in ("unload", "reload", "status"):
        assert change(several, what, "nope").status == 404
        assert several.post(f"/v1/models/{what}", {}).error["param"] == "model_id"
        assert several.post(f"/v1/models/{what}", {"model_id": 3}).status == 400
    failed = change(several, "reload", "damaged")
    assert (failed.status, failed.error["code"]) == (503, "model_load_failed")
    refused = several.chat("x", model="damaged")
    assert (refused.status, refused.error["code"]) == (503, "model_load_failed")
    assert "retry-after" in refused.headers
    assert "the scripted model is damaged" in several.log
    assert several.chat("x").status == 200


def test_a_client_that_does_not_wait_frees_its_place(tmp_path: Path) -> None:
    more = {"slow": {"loads_when": str(tmp_path / "never")}}
    with scripted({"more": more}, light=True, drain_timeout=0.2) as server:
        server.wait_ready()
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            leaving.sendall(_request("slow"))
            pending(server, 1)
        server.wait_idle()
        assert status(server, "slow") == "reloading"
        server.signal()  # it can be ended in the middle of a load
        assert server.wait() == 0


def _request(model: str) -> bytes:
    body = json.dumps(chat_body("x", model=model)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    return f"{head}content-type: application/json\r\n\r\n".encode() + body


def test_the_limit_of_the_queue_holds_for_a_model_that_is_loaded(tmp_path: Path) -> None:
    more = {"slow": {"loads_when": str(tmp_path / "never"), "max_seqs": 1}}
    with scripted({"more": more}, light=True, max_queue=0) as server:
        server.wait_ready()
        with socket.create_connection(("127.0.0.1", server.port)) as waiting:
            waiting.sendall(_request("slow"))
            pending(server, 1)
            assert server.chat("x", model="slow").status == 429
            assert server.chat("x").status == 200


def test_models_that_nobody_uses_are_unloaded() -> None:
    with scripted({"more": {"second": {}}}, light=True, idle_unload=0.4) as server:
        server.wait_ready()
        assert server.chat("x", model="second").status == 200
        assert len(server.stream(chat_body("~", max_tokens=60)).text()) == 60  # longer than that, and not cut off
        wait_until(lambda: {status(server, name) for name in ("default", "second")} == {"unloaded"})
        assert workers(server) == 0
        assert server.get("/health/ready").status == 200
        assert server.chat("x").json["model"] == "scripted"


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    ending = tmp_path / "ending"
    each = {"memory_mb": 1000, "ends_when": str(ending)}
    sizes: dict[str, Any] = {**each, "more": {name: dict(each) for name in ("second", "third")}}
    with scripted(sizes, light=True, memory_budget_mb=2500) as server:
        server.wait_ready()
        assert "Loading scripted: about 0.98 GiB" in server.log
        for name in ("second", "scripted", "third"):
            assert server.chat("x", model=name).json["model"] == name
        assert [status(server, name) for name in ("scripted", "second", "third")] == ["loaded", "unloaded", "loaded"]
        busy = [server.stream(chat_body("~", model=name, max_tokens=60)) for name in ("scripted", "third")]
        refused = server.chat("x", model="second")
        assert (refused.status, refused.error["code"]) == (503, "model_memory_taken")
        ending.touch()
        assert [len(stream.text()) for stream in busy] == [60, 60]
        server.wait_idle()
        assert server.chat("x", model="second").status == 200
        assert workers(server) == 2


@pytest.mark.parametrize(
    ("settings", "options", "said"),
    [
        ({"more": {"alias": {}}}, {}, "two models are called 'alias'"),
        ({"more": {"default": {}}}, {}, "two models are called 'default'"),
        ({"memory_mb": 3000}, {"memory_budget_mb": 2000}, "the budget for all models is 1.95 GiB"),
    ],
)
def test_what_can_never_work_is_told_at_once(settings: Any, options: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):  # it never listens
        scripted(settings, light=True, **options)
