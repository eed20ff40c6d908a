"""The command with a real model, from its start to its end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import openai
import psutil
import pytest

from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import load_policy
from tests.serve.running import ROOT, RunningServer, chat_body
from tests.waiting import wait_until

QUESTION = "What is the capital of France?"
READY = "is ready"
SURE = 5
"""Tokens of its answer that are no near tie: from there on the batch and the cached prefix decide."""
SERIES = {"prompt": "1, 2, 3, 4, 5, 6, 7,", "max_tokens": 12, "temperature": 0}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of ``--log``."""
    return tmp_path_factory.mktemp("log") / "texts.jsonl"


@pytest.fixture(scope="module")
def real(smollm2_gguf: Path, texts: Path) -> Iterator[RunningServer]:
    arguments = ["-m", str(smollm2_gguf), "--port", "0", "--pa-context-len", "4096", "--disable-access-log"]
    arguments += ["--log", str(texts)]
    with RunningServer([sys.executable, "-m", "mistralrs", "serve", *arguments]) as server:
        assert server.get("/health/ready").status == 503 or READY in server.log
        assert server.chat("x").status == 503 or READY in server.log
        yield server.wait_ready()
        server.wait_idle()
        server.signal()
        assert server.wait() == 0


def series(server: RunningServer) -> str:
    text: str = server.post("/v1/completions", SERIES).json["choices"][0]["text"]
    assert text.startswith(" 8, 9, 10")
    return text


def test_it_answers_as_the_engine_in_this_process_does(real: RunningServer, smollm2_gguf: Path) -> None:
    from mistralrs.api.engine import LocalEngine
    from mistralrs.api.requests import ChatRequest, parse
    from mistralrs.config.model import ModelSelection
    from mistralrs.config.paged import PagedAttentionConfig
    from mistralrs.config.runtime import RuntimeConfig

    asked = {"messages": [{"role": "user", "content": QUESTION}], "sampling": {"temperature": 0, "max_tokens": SURE}}
    paged = PagedAttentionConfig(context_len=4096)
    selection = ModelSelection(model_id=str(smollm2_gguf))
    with LocalEngine.open(PluginHost(load_policy()), selection, RuntimeConfig(threads=1), paged) as engine:
        expected = "".join(engine.chat(parse(ChatRequest, asked)))
    answer = real.chat(QUESTION, max_tokens=SURE).json["choices"][0]["message"]["content"]
    assert answer == expected
    assert real.stream(chat_body(QUESTION, max_tokens=SURE)).text() == expected


def test_a_plain_text_goes_on(real: RunningServer) -> None:
    with openai.OpenAI(base_url=f"{real.root}/v1", api_key="any") as client:
        found = client.completions.create(
            model="default", prompt="The capital of France is", max_tokens=3, temperature=0, logprobs=1
        ).choices[0]
    assert found.text.startswith(" Paris")
    assert found.logprobs is not None
    assert found.logprobs.token_logprobs is not None
    assert found.logprobs.token_logprobs[0] > -1


def test_the_server_s_own_process_has_no_torch(real: RunningServer) -> None:
    maps = Path(f"/proc/{real.process.pid}/maps").read_text()
    assert "libtorch" not in maps
    assert "libtorch" in Path(f"/proc/{real.worker().pid}/maps").read_text()


def test_characters_are_never_cut_in_two(real: RunningServer) -> None:
    prompt = {"prompt": "\u4f60\u597d\uff0c\U0001f600\U0001f469\u200d\U0001f52c", "max_tokens": 24, "seed": 3}
    fields = {**prompt, "temperature": 2.0, "top_p": 1}
    whole = real.post("/v1/completions", fields).json["choices"][0]["text"]
    *events, _ = real.stream(fields, "/v1/completions").events()
    assert "".join(json.loads(event)["choices"][0]["text"] for event in events) == whole


def test_the_engine_runs_many_at_a_time_and_forgets_them(real: RunningServer) -> None:
    alone = series(real)
    answers: list[str] = []

    def ask() -> None:
        answers.append(series(real))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    stream = real.stream(chat_body("Tell me a long story.", max_tokens=200))
    next(stream.events())
    for thread in threads:
        thread.start()
    stream.drop()
    for thread in threads:
        thread.join()
    assert set(answers) == {alone}


def test_the_guide_s_examples_work(real: RunningServer) -> None:
    guide = (ROOT / "docs/guides/serve.md").read_text()
    examples = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    assert len(examples) >= 5
    for example in examples:
        ran = subprocess.run(["sh", "-c", example.replace(":1234", f":{real.port}")], capture_output=True, text=True)
        assert ran.returncode == 0
        assert '"error": {' not in ran.stdout  # a response names its error, which is null
        assert '"choices"' in ran.stdout or '"content"' in ran.stdout or '"tokens"' in ran.stdout


def test_texts_are_logged_for_who_asks(real: RunningServer, texts: Path) -> None:
    answer = series(real)
    entry = json.loads(texts.read_text().splitlines()[-1])
    assert (entry["request"]["prompt"], entry["response"], entry["reason"]) == (SERIES["prompt"], answer, "length")
    assert answer not in real.log


def test_a_killed_engine_is_loaded_again(real: RunningServer) -> None:
    before = series(real)
    events = real.stream(chat_body("Tell me a long story.", max_tokens=400)).events()
    for _ in range(4):
        next(events)
    old = real.worker()
    old.kill()
    *_, error, _done = events
    assert json.loads(error)["error"]["code"] == "engine_unavailable"
    wait_until(lambda: "is loaded again" in real.log)
    real.wait_ready()
    assert not psutil.pid_exists(old.pid) or real.worker().pid != old.pid
    assert series(real) == before
