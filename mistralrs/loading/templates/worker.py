"""The template process: ``python -m mistralrs.loading.templates.worker``.

The sandbox keeps a template from running code; it does not keep it from running for ever or filling the memory. Only
the kernel can promise that, so templates are rendered in a process of their own that the kernel ends when its time
is up, that cannot get more memory, and that cannot open a file, a socket or another program once it has started.

One JSON object a line on standard input, one a line on standard output:
``{"source": ..., "variables": {...}}`` gives ``{"text": ...}``; without variables the source is only compiled.
A failure gives ``{"failure": kind, "message": ..., "line": ...}``.
"""

from __future__ import annotations

import codecs
import json
import resource
import signal
import sys
import time
import traceback
from functools import lru_cache
from pathlib import Path
from typing import Any

# jinja2 imports these two late, when files can no longer be opened.
import jinja2.constants
import jinja2.debug  # noqa: F401
from jinja2 import Template, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError

from mistralrs.loading.templates.environment import TemplateRaised, build_environment

CPU_SECONDS = 1.5  # of computing: a busy machine must not fail what is harmless
MEMORY = 64 << 20
MAX_OUTPUT_CHARS = 16 << 20
MAX_MESSAGE_CHARS = 300
TEMPLATE_FILE = "<template>"

_environment = build_environment()


def main() -> None:
    """Answer requests until standard input closes."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    lock_down()
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        reply = json.dumps(answer(line)).encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(reply + b"\n")
        sys.stdout.buffer.flush()


def lock_down() -> None:
    """Give up what rendering does not need: further memory, files, sockets and programs."""
    time.tzset()  # reads the time zone's file while that is still possible
    codecs.lookup("unicode_escape")  # what the lexer decodes string literals with
    status = Path("/proc/self/status")
    if status.exists():
        used = next(int(line.split()[1]) << 10 for line in status.open() if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def answer(line: bytes) -> dict[str, Any]:
    """The reply to one request; nothing a template does is an exception here."""
    try:
        request = json.loads(line)
        template = compile_template(request["source"])
        if "variables" not in request:
            return {"text": ""}
        text = template.render(request["variables"])
        if len(text) > MAX_OUTPUT_CHARS:
            return failure("limit", f"its output is longer than {MAX_OUTPUT_CHARS} characters")
        return {"text": text}
    except Exception as error:
        return describe(error)


@lru_cache(maxsize=8)
def compile_template(source: str) -> Template:
    """The compiled template; a model has one or two of them."""
    code = _environment.compile(source, filename=TEMPLATE_FILE)
    return Template.from_code(_environment, code, _environment.make_globals(None))


def describe(error: Exception) -> dict[str, Any]:
    """What went wrong, in words that give away neither addresses nor paths."""
    match error:
        case TemplateSyntaxError():
            return failure("syntax", error.message or "syntax error", error.lineno)
        case TemplateRaised():
            return failure("raised", error.message or "", template_line(error))
        case SecurityError():
            return failure("forbidden", "it reached for something that templates must not use", template_line(error))
        case UndefinedError():
            return failure("failed", error.message or "undefined value", template_line(error))
        case MemoryError():
            return failure("limit", f"it needs more than {MEMORY >> 20} MiB of memory")
        case RecursionError():
            return failure("limit", "it is nested or calls itself too deeply")
        case _:
            return failure("failed", type(error).__name__, template_line(error))


def template_line(error: Exception) -> int | None:
    """The template's line where ``error`` happened, which jinja2 writes into the traceback."""
    lines = [
        line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == TEMPLATE_FILE
    ]
    return lines[-1] if lines else None


def failure(kind: str, message: str, line: int | None = None) -> dict[str, Any]:
    """A failed reply; the message is one line of bounded length."""
    return {"failure": kind, "message": " ".join(message.split())[:MAX_MESSAGE_CHARS], "line": line}


if __name__ == "__main__":
    main()
