"""Errors that are meant for people: one line that says what is wrong, one hint that says what to do."""

from __future__ import annotations

from typing import Any, ClassVar


class MistralrsError(Exception):
    """Base of every expected failure. ``message`` is one line; ``hint`` is the fix, or empty.

    ``exit_code`` is the status a command ends with: 1 failed while running, 2 wrong usage, file or model.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders with the engine's messages; the default reduce would lose the hint.
        return type(self), (self.message, self.hint)


class UsageError(MistralrsError):
    """A wrong flag, value or configuration key."""

    exit_code = 2


class SourceError(MistralrsError):
    """A model reference that cannot be turned into local files."""

    exit_code = 2


class ModelFormatError(MistralrsError):
    """A model file that is damaged, inconsistent or of an unsupported kind."""

    exit_code = 2


class PluginError(MistralrsError):
    """A plugin that is missing, broken, or in conflict with another."""

    exit_code = 2


class RequestError(MistralrsError):
    """A request that cannot be served as it stands; ``param`` names the field, ``code`` is for programs."""

    def __init__(self, message: str, hint: str = "", *, param: str = "", code: str = "invalid_request") -> None:
        super().__init__(message, hint)
        self.param = param
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_request_error, (self.message, self.hint, self.param, self.code)


def _rebuild_request_error(message: str, hint: str, param: str, code: str) -> RequestError:
    return RequestError(message, hint, param=param, code=code)


class EngineError(MistralrsError):
    """The engine could not finish a request: numerical trouble, an exhausted cache, a stopped engine.

    ``code`` is for programs: ``engine_error``, ``numerical_error``, ``engine_stopped``.
    """

    def __init__(self, message: str, hint: str = "", *, code: str = "engine_error") -> None:
        super().__init__(message, hint)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_engine_error, (self.message, self.hint, self.code)


def _rebuild_engine_error(message: str, hint: str, code: str) -> EngineError:
    return EngineError(message, hint, code=code)
