"""The server: where it listens, who may use it, and what it takes before it refuses."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from mistralrs.config.section import Section

MAX_KEY_CHARS = 512
MAX_KEYS = 1000


class ServerConfig(Section):
    """The settings of ``mistralrs serve``. Times are seconds.

    ``max_queue`` counts answers that wait beyond those that run. ``drain_timeout`` is how long answers may still
    take after the first signal to end, ``request_timeout`` how long one request may take, ``stall_timeout`` how long
    a step may take before the server says that it is not ready. ``header_timeout`` and ``body_timeout`` bound how
    long a client may take to send, ``send_timeout`` how long it may take to read a piece of its answer.
    ``idle_unload`` is after how long without a request a model is unloaded, ``memory_budget_mb`` (MiB) what all
    models together may take; None is never, and what the machine has. ``ui`` is the web page.
    ``otlp_endpoint`` is the address of a collector of OpenTelemetry, which gets a span for each request.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=1234, ge=0, le=65535)
    api_key: tuple[str, ...] = ()
    api_key_file: Path | None = None
    insecure: bool = False
    cors_origin: tuple[str, ...] = ()
    max_queue: int = Field(default=128, ge=0)
    max_body_mb: float = Field(default=50, gt=0, le=4096)
    max_header_kb: int = Field(default=32, ge=1, le=1024)
    header_timeout: float = Field(default=10, gt=0)
    body_timeout: float = Field(default=30, gt=0)
    send_timeout: float = Field(default=60, gt=0)
    request_timeout: float | None = Field(default=None, gt=0)
    drain_timeout: float = Field(default=30, ge=0)
    stall_timeout: float = Field(default=120, gt=0)
    idle_unload: float | None = Field(default=None, gt=0)
    memory_budget_mb: int | None = Field(default=None, ge=1)
    access_log: bool = True
    access_log_format: Literal["text", "json"] = "text"
    access_log_health: bool = False
    request_id_header: bool = True
    metrics: bool = True
    ui: bool = True
    otlp_endpoint: str | None = None

    @field_validator("api_key")
    @classmethod
    def _check_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_key(key) for key in keys)

    @field_validator("cors_origin")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not origin.startswith(("http://", "https://")):
                raise ValueError(f"{origin!r} is not an origin such as https://chat.example")
        return tuple(origin.rstrip("/") for origin in origins)

    @field_validator("otlp_endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise ValueError(f"{endpoint!r} is not an address such as http://127.0.0.1:4318")
        return endpoint

    @model_validator(mode="after")
    def _guard_the_network(self) -> Self:
        if not (self.is_loopback or self.api_key or self.api_key_file or self.insecure):
            raise ValueError(
                f"{self.host} can be reached by other machines: set --api-key or --api-key-file, "
                "or say --insecure to let everybody in"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    name = host.removeprefix("[").removesuffix("]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_key(key: str) -> str:
    """An API key as it is. Raises ValueError, without repeating it, for one that no header can carry."""
    if not 0 < len(key) <= MAX_KEY_CHARS or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"an API key has 1 to {MAX_KEY_CHARS} printable ASCII characters and no space")
    return key


def read_keys(path: Path) -> tuple[str, ...]:
    """The keys of a file: one a line; empty lines and those that begin with ``#`` are left out.

    Raises OSError, and ValueError for a file without keys or with one that cannot be used.
    """
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    keys = tuple(check_key(line) for line in lines if line and not line.startswith("#"))
    if not 0 < len(keys) <= MAX_KEYS:
        raise ValueError(f"there must be 1 to {MAX_KEYS} keys, one a line")
    return keys
