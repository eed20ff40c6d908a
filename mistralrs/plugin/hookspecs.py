"""Every hook of mistralrs. The docstrings are the reference: who implements it, when it is called, what it returns.

Registration hooks are pure: no argument, no torch, may be called any number of times. Decision hooks are asked only
when looking up an exact key found nothing, so that no plugin can take over a name that is known; third parties are
asked before built-ins, and the first answer that is not None counts. Event hooks are told, not asked: the result is
ignored, and an observer that raises is reported once and not called again. No hook is called per token, batch or layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from mistralrs.plugin.facts import KernelNeeds, ModelInfo, RequestRecord
    from mistralrs.plugin.records import PluginRecord
    from mistralrs.plugin.specs import (
        ArchitectureSpec,
        FormatSpec,
        FrontendSpec,
        KernelsSpec,
        QuantizationSpec,
        SourceSpec,
        TokenizerSpec,
    )

PROJECT: Final = "mistralrs"
PREFIX: Final = "mistralrs_"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

DECIDERS: Final = {
    "mistralrs_claim_architecture": "architecture",
    "mistralrs_claim_format": "format",
    "mistralrs_choose_kernels": "kernels",
    "mistralrs_chat_template": "architecture",
}
"""Decision hook -> the kind of plugin that is asked."""

EVENTS: Final = frozenset(
    {
        "mistralrs_started",
        "mistralrs_model_loaded",
        "mistralrs_request_finished",
        "mistralrs_stopping",
    }
)


@hookspec
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Give the model architectures of this plugin.

    Implemented by: plugins of the group ``mistralrs.architectures``.
    Called: when a model's architecture is looked up, and by ``plugins list --load``.
    Result: one :class:`ArchitectureSpec` for each; one of them is named like the entry point.
    """
    return ()


@hookspec
def mistralrs_register_quantizations() -> Iterable[QuantizationSpec]:
    """Give the quantization methods of this plugin.

    Implemented by: plugins of the group ``mistralrs.quantizations``.
    Called: when a model is loaded whose config.json states a method, or the user asks for one.
    Result: one :class:`QuantizationSpec` for each; one of them is named like the entry point.
    """
    return ()


@hookspec
def mistralrs_register_formats() -> Iterable[FormatSpec]:
    """Give the checkpoint file formats of this plugin.

    Implemented by: plugins of the group ``mistralrs.formats``.
    Called: before a model's files are fetched (suffixes and companions say which) and when they are opened.
    Result: one :class:`FormatSpec` for each; one of them is named like the entry point.
    """
    return ()


@hookspec
def mistralrs_register_tokenizers() -> Iterable[TokenizerSpec]:
    """Give the kinds of tokenizer file of this plugin.

    Implemented by: plugins of the group ``mistralrs.tokenizers``.
    Called: before a model's files are fetched (their names say which) and when its tokenizer is read.
    Result: one :class:`TokenizerSpec` for each; one of them is named like the entry point.
    """
    return ()


@hookspec
def mistralrs_register_sources() -> Iterable[SourceSpec]:
    """Give the places model files come from.

    Implemented by: plugins of the group ``mistralrs.sources``.
    Called: when a model reference is turned into local files, and by the ``cache`` commands.
    Result: one :class:`SourceSpec` for each; one of them is named like the entry point.
    """
    return ()


@hookspec
def mistralrs_register_kernels() -> Iterable[KernelsSpec]:
    """Give the compute backends of this plugin.

    Implemented by: plugins of the group ``mistralrs.kernels``.
    Called: when a model is loaded, before its weights are.
    Result: one :class:`KernelsSpec` for each; one of them is named like the entry point.
    """
    return ()


@hookspec
def mistralrs_register_frontends() -> Iterable[FrontendSpec]:
    """Give the commands of this plugin.

    Implemented by: plugins of the group ``mistralrs.frontends``.
    Called: at every start of the command line, so importing the declaration must take a millisecond or two.
    Result: one :class:`FrontendSpec` for each command; one of them is named like the entry point.
    """
    return ()


@hookspec(firstresult=True)
def mistralrs_claim_architecture(config: Mapping[str, Any]) -> str | None:
    """Name the architecture of a model that no ``hf_names`` and no ``gguf_names`` matches.

    Implemented by: architecture plugins.
    Called: while a model is loaded. ``config`` is config.json, or the key-value pairs of a GGUF file.
    Result: a key of an architecture, or None to leave it to others.
    """


@hookspec(firstresult=True)
def mistralrs_claim_format(files: Sequence[str]) -> str | None:
    """Name the format of files whose suffix no format plugin gives.

    Implemented by: format plugins.
    Called: while a model is loaded. ``files`` are plain names, without folders.
    Result: a key of a format, or None to leave it to others.
    """


@hookspec(firstresult=True)
def mistralrs_choose_kernels(device: str, needs: KernelNeeds) -> str | None:
    """Choose the compute backend for a model.

    Implemented by: kernels plugins.
    Called: while a model is loaded and the user asked for no backend by name. ``device`` is as torch writes it,
        ``needs`` says what the model's weights and activations are.
    Result: a key of a kernels plugin; when all answer None, the highest ``priority`` for the device is taken.
    """


@hookspec(firstresult=True)
def mistralrs_chat_template(model: ModelInfo) -> str | None:
    """Give a chat template for a model that has none.

    Implemented by: architecture plugins.
    Called: while ``model`` is loaded, when neither the user, nor its files, nor its architecture gave one.
    Result: Jinja source, or None to leave it to others.
    """


@hookspec
def mistralrs_started(settings: Mapping[str, Any], plugins: Sequence[PluginRecord]) -> None:
    """Told that a front end has started and knows its settings.

    Implemented by: observers, and any other plugin.
    Called: once, before a model is loaded. ``settings`` are the front end's, without secrets; ``plugins`` are the
        records known at that time.
    Result: ignored.
    """


@hookspec
def mistralrs_model_loaded(model: ModelInfo, device: str, seconds: float) -> None:
    """Told that a model is ready for requests.

    Implemented by: observers, and any other plugin.
    Called: once for each ``model``; ``device`` is as torch writes it, ``seconds`` is from the call to ready.
    Result: ignored.
    """


@hookspec
def mistralrs_request_finished(record: RequestRecord) -> None:
    """Told that a request has ended, for whatever reason.

    Implemented by: observers, and any other plugin.
    Called: once for each accepted request, off the engine's loop; ``record`` holds counts and times, no text.
    Result: ignored.
    """


@hookspec
def mistralrs_stopping() -> None:
    """Told that the process is about to end in good order.

    Implemented by: observers, and any other plugin.
    Called: once, after the last request.
    Result: ignored.
    """
