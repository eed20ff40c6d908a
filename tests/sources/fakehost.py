"""A plugin host with the built-in sources and two formats, without discovery."""

from __future__ import annotations

from typing import Any

from mistralrs.errors import PluginError
from mistralrs.plugin import FormatSpec, Ref
from mistralrs.plugin.policy import Policy
from mistralrs_plugins.sources.huggingface import plugin as huggingface
from mistralrs_plugins.sources.local import plugin as local
from mistralrs_plugins.sources.pypi import plugin as pypi

FORMATS = [
    FormatSpec(name="gguf", summary="-", suffixes=(".gguf",), opener=Ref("nothing:here")),
    FormatSpec(
        name="safetensors",
        summary="-",
        suffixes=(".safetensors",),
        opener=Ref("nothing:here"),
        companions=("config.json", "tokenizer*.json"),
    ),
]


class FakeHost:
    """The part of :class:`mistralrs.plugin.host.PluginHost` that locating a model uses."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.claims: str | None = None

    def specs(self, kind: str) -> list[Any]:
        if kind == "format":
            return FORMATS
        if kind == "tokenizer":
            return []
        modules = (huggingface, local, pypi)
        return [spec for module in modules for spec in module.mistralrs_register_sources()]

    def resolve(self, kind: str, key: str) -> Any:
        for spec in self.specs(kind):
            if key in spec.keys:
                return spec
        raise PluginError(f"no plugin provides {kind} {key!r}")

    def make(self, spec: Any, ref: Ref, *arguments: Any) -> Any:
        return ref.load()(*arguments)

    def decide(self, hook: str, **facts: Any) -> Any:
        return self.claims
