"""What a short name of registry.toml brings along: defaults for one model, below everything the user says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mistralrs.config.model import ModelSelection
from mistralrs.errors import UsageError

if TYPE_CHECKING:
    from mistralrs.plugin.policy import Policy

DEVICES = ("cpu",)


def with_presets(policy: Policy, selection: ModelSelection) -> ModelSelection:
    """The selection with the template and quantization of its short name, where the user gave none.

    Source, files and format of the name are used where the files are located. Raises :class:`UsageError` for a device
    that this release cannot use.
    """
    alias = policy.models.get(selection.model_id or policy.default_model or "")
    if alias is None:
        return selection
    if alias.device not in (None, *DEVICES):
        raise UsageError(f"[models] asks for the device {alias.device!r}", f"this release runs on {', '.join(DEVICES)}")
    found: dict[str, Path | str] = {}
    if alias.chat_template is not None and selection.chat_template is None and selection.jinja_explicit is None:
        found["chat_template"] = Path(alias.chat_template).expanduser()
    if alias.quantization is not None and selection.isq is None:
        found["isq"] = alias.quantization
    return selection.model_copy(update=found)
