"""SmolLM2 with a chat template that attacks: its own requests are refused, others do not notice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.hostile.checks import Watched
from tests.serve.running import RunningServer, chat_body

pytestmark = pytest.mark.slow

SERIES = {"prompt": "1, 2, 3, 4, 5, 6, 7,", "max_tokens": 12, "temperature": 0}
ENDLESS = "{% for a in range(10**5) %}{% for b in range(10**5) %}x{% endfor %}{% endfor %}"
ESCAPE = "{{ messages.__class__.__mro__[1].__subclasses__() }}"


def series(server: RunningServer) -> str:
    text: str = server.post("/v1/completions", SERIES).json["choices"][0]["text"]
    return text


def serve(model: Path, *options: str) -> RunningServer:
    command = [sys.executable, "-m", "mistralrs", "serve", "-m", str(model), "--port", "0", "--disable-access-log"]
    return RunningServer([*command, "--pa-context-len", "4096", *options])


@pytest.mark.parametrize("template", [ENDLESS, ESCAPE], ids=["endless", "escape"])
def test_a_hostile_template_harms_its_own_routes_only(smollm2_gguf: Path, tmp_path: Path, template: str) -> None:
    """The template is tried when the model is opened: it is refused then, before anything is served."""
    file = tmp_path / "template.jinja"
    file.write_text("{% if messages[0].content == 'attack' %}" + template + "{% else %}fine{% endif %}")
    with serve(smollm2_gguf, "--chat-template", str(file)) as server:
        watched = Watched(server.wait_ready(), series)
        with watched.case():
            for path, body in (
                ("/v1/chat/completions", chat_body("attack")),
                ("/v1/messages", chat_body("attack")),
                ("/v1/responses", {"input": "attack"}),
                ("/apply-template", {"messages": chat_body("attack")["messages"]}),
                ("/tokenize", {"messages": chat_body("attack")["messages"]}),
            ):
                reply = server.post(path, body)
                assert reply.status == 400, path
                assert "subclasses" not in reply.body.decode()
            assert server.chat("hello").status == 200
