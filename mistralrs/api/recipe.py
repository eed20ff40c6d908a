"""What the engine's process and its owner tell each other besides the engine's own messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mistralrs.engine.request import EngineInput, EngineOutput, Tokens
from mistralrs.engine.stats import EngineStats
from mistralrs.errors import MistralrsError
from mistralrs.plugin import Ref

if TYPE_CHECKING:
    from mistralrs.config.model import ModelSelection
    from mistralrs.config.paged import PagedAttentionConfig
    from mistralrs.config.runtime import RuntimeConfig
    from mistralrs.plugin.host import PluginHost

HEARTBEAT_SECONDS = 0.25
"""How often the engine's process says how it is while nothing else happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecipe:
    """How a fresh process makes its engine: ``make(*arguments)`` returns an :class:`EngineThread` that was started.

    ``path`` are folders to import from besides the installed packages.
    """

    make: Ref
    arguments: tuple[Any, ...] = ()
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded; requests may come."""


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The model cannot be loaded; the process ends."""

    error: MistralrsError


Piece = tuple[int, tuple[int, ...], str]
"""Tokens without log-probabilities: id, token ids, text."""
Report = tuple[list[EngineOutput | Piece], EngineStats | None]
"""What the engine said since the last report; and how it is, now and then.

Of plain types as far as may be: one with a token takes a microsecond to pickle, and seven if it has a class.
"""


def light(output: EngineOutput) -> EngineOutput | Piece:
    """What is quick to send of an output."""
    return output[:3] if type(output) is Tokens and not output.logprobs else output


def said(report: Report) -> list[EngineOutput]:
    """What the engine said, as it said it."""
    return [Tokens(*each) if type(each) is tuple else each for each in report[0]]  # type: ignore[misc]


FromEngine = Ready | LoadFailed | Report
ToEngine = EngineRecipe | EngineInput


def model_recipe(
    host: PluginHost,
    selection: ModelSelection,
    runtime: RuntimeConfig,
    paged: PagedAttentionConfig,
    seed: int | None = None,
) -> EngineRecipe:
    """The recipe of the engine that :meth:`LocalEngine.open` makes from the same arguments."""
    return EngineRecipe(
        make=Ref("mistralrs.api.worker:open_model"), arguments=(host.policy, selection, runtime, paged, seed)
    )
