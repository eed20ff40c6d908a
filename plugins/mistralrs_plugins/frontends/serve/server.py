"""The life of the server: bind, load, serve, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from mistralrs.api.log import RequestLog
from mistralrs.api.process import Post
from mistralrs.cli.console import note
from mistralrs.config.server import ServerConfig, read_keys
from mistralrs.errors import MistralrsError, UsageError
from mistralrs.plugin.host import PluginHost
from mistralrs_plugins.frontends.serve.app import make_server_app
from mistralrs_plugins.frontends.serve.guard import KeyRing
from mistralrs_plugins.frontends.serve.models.model import Model, ModelPlan
from mistralrs_plugins.frontends.serve.models.pool import LAST_WORDS_SECONDS, ModelPool, PoolLimits, check_plans
from mistralrs_plugins.frontends.serve.protocol import guarded_protocol
from mistralrs_plugins.frontends.serve.service import Service

if TYPE_CHECKING:
    from mistralrs_plugins.frontends.serve.tracing import Tracing

SIGNALS = (signal.SIGINT, signal.SIGTERM)
KILLED_AT_ONCE = 1
OTLP_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a server needs. The first of ``models`` is the default one; ``listener`` is bound and open.

    ``open_page`` is whether a browser is to show the web page once the default model is loaded.
    """

    config: ServerConfig
    models: tuple[ModelPlan, ...]
    keys: KeyRing
    listener: socket.socket
    host: PluginHost
    log: RequestLog | None = None
    open_page: bool = False
    tracing: Tracing | None = None


def _pool(plan: Plan, post: Post) -> ModelPool:
    config = plan.config
    budget = None if config.memory_budget_mb is None else config.memory_budget_mb << 20
    models = [Model(each, post, plan.host.notify) for each in plan.models]
    check_plans(models, budget)
    limits = PoolLimits(budget=budget, idle_unload=config.idle_unload, drain_timeout=config.drain_timeout)
    return ModelPool(models, limits)


def load_keys(config: ServerConfig) -> KeyRing:
    """The keys of the flags and of the file. Raises :class:`UsageError` without repeating one."""
    keys = list(config.api_key)
    if config.api_key_file is not None:
        try:
            keys += read_keys(config.api_key_file)
        except OSError as error:
            raise UsageError(f"--api-key-file: cannot read {config.api_key_file}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise UsageError(f"--api-key-file: {config.api_key_file} is not a text file") from None
        except ValueError as error:
            raise UsageError(f"--api-key-file: {config.api_key_file}: {error}") from None
    return KeyRing(keys)


def load_tracing(config: ServerConfig) -> Tracing | None:
    """Where spans go, if anywhere. Raises :class:`UsageError` when that is wanted and not installed."""
    named = [name for name in OTLP_VARIABLES if os.environ.get(name)]
    if config.otlp_endpoint is None and not named:
        return None
    try:
        from mistralrs_plugins.frontends.serve.tracing import Tracing
    except ImportError:
        hint = 'pip install "mistralrs-py[otel]"'
        if config.otlp_endpoint is not None:
            raise UsageError("--otlp-endpoint needs OpenTelemetry, which is not installed", hint) from None
        note(f"warning: {named[0]} is set, but OpenTelemetry is not installed: {hint}")  # it may be meant for others
        return None
    return Tracing(config.otlp_endpoint)


def bind(config: ServerConfig) -> socket.socket:
    """A listening socket. Raises :class:`UsageError` for an address that cannot be used or is in use."""
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(f"--host: {config.host!r} is not a host name or address") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {config.host} port {config.port}: {error.strerror}", "choose another with --port"
        ) from error
    listener.setblocking(False)
    return listener


def root_url(listener: socket.socket) -> str:
    """The address as it was bound."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def page_url(listener: socket.socket) -> str:
    """Where a browser on this machine finds the web page; one cannot go to the address that means all addresses."""
    return re.sub(r"//(0\.0\.0\.0|\[::\]):", "//localhost:", root_url(listener)) + "/ui/"


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: it would stop listening at once, and die of the signal in the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class Server:
    """Runs one plan. The first signal lets running requests end, the second ends everything."""

    def __init__(self, plan: Plan) -> None:
        loop = asyncio.get_running_loop()
        self._plan = plan
        self._loop = loop
        self._pool = _pool(plan, self._post)
        self.service = Service(plan.config, self._pool, plan.host, plan.log)
        self._uvicorn = _Uvicorn(self._uvicorn_config())
        self._stopping: asyncio.Task[None] | None = None

    def _uvicorn_config(self) -> uvicorn.Config:
        config = self._plan.config
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of each request that is not HTTP
        return uvicorn.Config(
            make_server_app(self.service, self._plan.keys, self._plan.tracing),
            http=guarded_protocol(config),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(LAST_WORDS_SECONDS),
        )

    def _post(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(call)

    async def run(self) -> None:
        """Serve until a signal. Raises what kept the default model from being loaded."""
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._signaled)
        self._announce()
        starting = self._loop.create_task(self._start())
        try:
            await self._uvicorn.serve(sockets=[self._plan.listener])
        finally:
            starting.cancel()
            await self._pool.close()
            self._plan.host.notify("mistralrs_stopping")
            if self._plan.log is not None:
                self._plan.log.close()
            if self._plan.tracing is not None:
                await asyncio.to_thread(self._plan.tracing.close)
        if starting.done() and not starting.cancelled():
            starting.result()

    async def _start(self) -> None:
        try:
            await self._pool.start()
        except MistralrsError:
            self._uvicorn.should_exit = True
            raise
        if self._plan.open_page and not await asyncio.to_thread(webbrowser.open, page_url(self._plan.listener)):
            note("no browser could be started; open the web page by hand")

    def _announce(self) -> None:
        root = root_url(self._plan.listener)
        note(f"Listening on {root}")
        if self._plan.config.ui:
            note(f"Web page: {page_url(self._plan.listener)}")
        note(f"OpenAI interface: {root}/v1, Anthropic interface: {root}, description: {root}/docs")
        if not (self._plan.keys or self._plan.config.is_loopback):
            note("warning: everybody who can reach this address can use the server (--insecure)")

    def _signaled(self) -> None:
        if self._stopping is not None:
            self._pool.kill()
            os._exit(KILLED_AT_ONCE)
        self._stopping = self._loop.create_task(self._stop())

    async def _stop(self) -> None:
        self.service.draining = True
        if self.service.tickets:
            note(f"Shutting down when {len(self.service.tickets)} requests have ended; again to end at once")
        if not await self.service.drained(self._plan.config.drain_timeout):
            self.service.cut_off()
            await self.service.drained(LAST_WORDS_SECONDS)
        self._uvicorn.should_exit = True


def serve(plan: Plan) -> None:
    """Run a server in this thread until it is told to end."""

    async def run() -> None:
        await Server(plan).run()

    asyncio.run(run())
