"""What the engine's process and its owner tell each other besides the engine's own messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

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
"""Tokens without log-probabilities: id, token ids, text. Pickling these takes a tenth of the time."""


class Report(NamedTuple):
    """What the engine said since the last report; and how it is, now and then."""

    outputs: tuple[EngineOutput | Piece, ...] = ()
    stats: EngineStats | None = None

    @classmethod
    def of(cls, outputs: Iterable[EngineOutput], stats: EngineStats | None = None) -> Report:
        """A report that is quick to send."""
        return cls(tuple(_light(output) for output in outputs), stats)

    def said(self) -> list[EngineOutput]:
        """What the engine said, as it said it."""
        return [_whole(each) for each in self.outputs]


def _light(output: EngineOutput) -> EngineOutput | Piece:
    return output[:3] if isinstance(output, Tokens) and not output.logprobs else output


def _whole(said: EngineOutput | Piece) -> EngineOutput:
    is_piece = isinstance(said, tuple) and not isinstance(said, Tokens)
    return Tokens(*said) if is_piece else said  # type: ignore[misc, return-value]


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
