"""A chat template is code from a stranger: it may compute a text, and nothing else, in bounded time and memory."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mistralrs.errors import RequestError
from mistralrs.loading.templates.renderer import Renderer
from tests.waiting import wait_until

CPU_SECONDS = 2.5
MEMORY = 100 << 20

ESCAPES = {
    "subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('touch MARKER') }}",
    "lipsum": "{{ lipsum.__globals__['os'].popen('touch MARKER').read() }}",
    "stored format": "{% set f = '{0.__class__.__mro__}'.format %}{{ f('a') }}",
    "format map": "{{ '{a.__init__.__globals__}'.format_map({'a': namespace()}) }}",
    "namespace": "{{ namespace(__class__=1) }}",
    "mutation": "{{ messages.clear() }}",
}

BOMBS = {
    "range": "{% for a in range(10**9) %}{% endfor %}",
    "nested": "{% for a in range(1000) %}" * 4 + "{% endfor %}" * 4,
    "filtered": "{% for a in range(99999) if (range(99999)|list|sum) < 0 %}{% endfor %}",
    "string": "{{ 'A' * 10**10 }}",
    "late string": "{% set a = 'A' %}{{ a * 10**10 }}",
    "list": "{% set a = [0] %}{{ (a * 10**10)|length }}",
    "doubling": "{% set ns = namespace(s='A') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "nesting": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 50 + "{{ x }}",
    "power": "{% set n = 9 %}{{ (n ** n ** n) % 7 }}{{ n ** (n ** n) ** n }}",
    "padding": "{{ 'a'.ljust(10**10) }}",
    "format": "{{ '%10000000000d' % 1 }}",
    "lorem": "{{ lipsum(n=10**7) }}",
    "macro": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "indent": "{{ [1]|tojson(indent=10**18) }}",
    "brackets": "{{ " + "(" * 100_000,
    "blocks": "{% if 1 %}" * 5_000,
}


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


@pytest.mark.parametrize("source", ESCAPES.values(), ids=ESCAPES.keys())
def test_a_template_cannot_leave_the_sandbox(renderer: Renderer, source: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(RequestError) as caught:
        renderer.render(source.replace("MARKER", str(marker)), {"messages": []})
    assert caught.value.code == "template_error"
    assert " at 0x" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize("source", ["{{ ''|attr('__class__') }}", "{{ '{0.x}'|attr('format')(1) }}"])
def test_what_is_out_of_reach_may_also_be_just_undefined(renderer: Renderer, source: str) -> None:
    assert renderer.render(source, {}) == ""


def _children_cpu_seconds() -> float:
    """What ended processes have computed: the clock says nothing about them on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def start_seconds() -> float:
    """What a process computes that renders nothing of account."""
    renderer = Renderer()
    before = _children_cpu_seconds()
    renderer.render("{{ 1 }}", {})
    renderer.close()
    return _children_cpu_seconds() - before


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_stopped(renderer: Renderer, start_seconds: float, source: str) -> None:
    renderer.warm_up()
    before = psutil.Process().memory_info().rss
    spent = _children_cpu_seconds()
    with pytest.raises(RequestError) as caught:
        renderer.render(source, {"messages": []})
    assert _children_cpu_seconds() - spent <= start_seconds + CPU_SECONDS
    assert caught.value.code == "template_error"
    assert psutil.Process().memory_info().rss - before < MEMORY
    assert renderer.render("{{ 1 + 1 }}", {}) == "2"


def test_small_requests_pass_a_stuck_one(renderer: Renderer) -> None:
    renderer.render("warm", {})
    taken = renderer._idle[-1]._process

    def explode() -> None:
        with pytest.raises(RequestError):
            renderer.render(BOMBS["nested"], {})

    stuck = threading.Thread(target=explode)
    stuck.start()
    wait_until(lambda: all(each._process is not taken for each in renderer._idle))
    taken.send_signal(signal.SIGSTOP)  # so that it is stuck for longer than whatever this machine is busy with
    assert renderer.render("{{ x }}", {"x": "small"}) == "small"
    assert stuck.is_alive()
    taken.send_signal(signal.SIGCONT)
    stuck.join()


def test_the_process_cannot_open_files_even_without_the_sandbox(tmp_path: Path) -> None:
    # The second wall: what an escape would find behind the first one.
    code = (
        "from mistralrs.loading.templates.worker import lock_down\n"
        "lock_down()\n"
        "try:\n    open('marker', 'w')\n    print('opened')\n"
        "except OSError:\n    print('refused')\n"
    )
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == "refused"
    assert not (tmp_path / "marker").exists()


def test_a_dead_process_is_replaced(renderer: Renderer) -> None:
    renderer.render("warm", {})
    process = renderer._idle[-1]._process
    process.kill()
    process.wait()
    assert renderer.render("{{ 1 }}", {}) == "1"


def test_an_oversized_conversation_is_refused(renderer: Renderer) -> None:
    with pytest.raises(RequestError, match="larger than 32 MiB"):
        renderer.render("{{ x }}", {"x": "a" * (33 << 20)})


def test_a_large_conversation_passes(renderer: Renderer) -> None:
    text = "\N{SNOWMAN}" * (1 << 20)
    assert renderer.render("{{ x }}", {"x": text}) == text
