"""Which plugins may load and who wins a key: the registry.toml files, the environment and the flags, in layers.

registry.toml is policy, not inventory: what exists is known from installed entry points. Later layers win: the shipped
file, the user's, the one named by ``MISTRALRS_REGISTRY`` or ``--registry``, a configuration file's, the environment,
``--no-plugin``. Tables merge key by key, lists replace; what the environment and the flags switch off comes on top.
Nothing is ever read from the working directory unasked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mistralrs import resources
from mistralrs.errors import UsageError
from mistralrs.plugin.registry_file import ModelAlias, RegistryFile, read_registry

__all__ = ["ESSENTIAL", "ModelAlias", "Policy", "is_strict", "load_policy", "user_registry"]

ESSENTIAL: Final = frozenset({"format/safetensors", "kernels/torch"})
"""Built-ins nothing works without."""

ENV_DISABLE: Final = "MISTRALRS_DISABLE_PLUGINS"
ENV_ONLY: Final = "MISTRALRS_PLUGINS"
ENV_REGISTRY: Final = "MISTRALRS_REGISTRY"
ENV_STRICT: Final = "MISTRALRS_PLUGIN_STRICT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The decisions in force.

    ``disabled`` and ``only`` hold ids, names or distributions; ``only`` None lets every third party in, empty none.
    ``prefer`` maps ``kind:key`` to a plugin, ``options`` maps ``kind/name`` to its table, ``models`` short names to
    model references. ``strict`` re-raises what a plugin raises. ``layers`` says where each decision came from.
    """

    disabled: Set[str] = frozenset()
    only: Set[str] | None = None
    prefer: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, ModelAlias] = field(default_factory=dict)
    default_model: str | None = None
    strict: bool = False
    layers: Mapping[str, str] = field(default_factory=dict)

    def refuses(self, names: Set[str], *, builtin: bool) -> str:
        """Why the plugin with these names may not load, or an empty string."""
        if builtin and names & ESSENTIAL:
            return ""
        if named := sorted(names & self.disabled):
            return f"by {self.layer('disable', named[0])}, as {named[0]!r}"
        if self.only is not None and not builtin and not names & self.only:
            return f"not in the allow-list of {self.layer('only')}"
        return ""

    def layer(self, table: str, key: str = "") -> str:
        """The layer that made a decision: ``layer("prefer", "architecture:X")``, ``layer("default_model")``."""
        return self.layers.get(f"{table} {key}".strip(), "the program")


def user_registry() -> Path:
    """Where the user's own file is, present or not."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # as the XDG specification wants, and it would be the working directory's
        base = os.path.expanduser("~/.config")
    return Path(base, "mistralrs", "registry.toml")


def load_policy(
    registry: Path | None = None,
    no_plugins: Sequence[str] = (),
    extra: tuple[RegistryFile, str] | None = None,
) -> Policy:
    """Merge all layers. ``registry`` is ``--registry``, ``no_plugins`` the values of ``--no-plugin``.

    ``extra`` are the decisions of a configuration file, with its name: above the registries, below the environment.

    Raises :class:`UsageError` naming the layer for a file that is missing or wrong, and for an attempt to disable an
    essential plugin.
    """
    merge = _Merge()
    for path in (resources.registry_file(), user_registry()):
        if path.is_absolute() and os.path.isfile(path):  # a process may have no home
            merge.file(read_registry(path), str(path))
    named = registry or _path(os.environ.get(ENV_REGISTRY))
    if named is not None:
        merge.file(read_registry(named), str(named))
    if extra is not None:
        merge.file(*extra)
    if (only := os.environ.get(ENV_ONLY)) is not None:
        merge.only(_words(only), ENV_ONLY)
    merge.disable(_words(os.environ.get(ENV_DISABLE, "")), ENV_DISABLE)
    merge.disable(no_plugins, "--no-plugin")
    return merge.policy(strict=is_strict())


def is_strict() -> bool:
    """Whether ``MISTRALRS_PLUGIN_STRICT`` asks for exceptions where plugins are usually just reported."""
    return os.environ.get(ENV_STRICT, "") not in ("", "0")


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]


class _Merge:
    """Layers laid on one another, lowest first."""

    def __init__(self) -> None:
        self._disabled: list[str] = []
        self._only: list[str] | None = None
        self._prefer: dict[str, str] = {}
        self._options: dict[str, dict[str, Any]] = {}
        self._models: dict[str, ModelAlias] = {}
        self._default: str | None = None
        self._layers: dict[str, str] = {}

    def file(self, file: RegistryFile, layer: str) -> None:
        """Lay one registry.toml on top."""
        if file.disable is not None:
            self._disabled = []
            self.disable(file.disable, layer)
        if file.only is not None:
            self.only(file.only, layer)
        for key, winner in file.prefer.items():
            self._prefer[key] = winner
            self._layers[f"prefer {key}"] = layer
        for plugin, table in file.options.items():
            self._options[plugin] = {**self._options.get(plugin, {}), **table}
            self._layers.update({f"options {plugin}.{key}": layer for key in table})
        for name, alias in file.models.items():
            self._models[name] = alias
            self._layers[f"models {name}"] = layer
        if file.default_model is not None:
            self._default = file.default_model
            self._layers["default_model"] = layer

    def only(self, names: Sequence[str], layer: str) -> None:
        """Replace the allow-list."""
        self._only = list(names)
        self._layers["only"] = layer

    def disable(self, names: Sequence[str], layer: str) -> None:
        """Add to what is disabled."""
        for name in names:
            _refuse_essential(name, layer)
            self._disabled.append(name)
            self._layers[f"disable {name}"] = layer

    def policy(self, *, strict: bool) -> Policy:
        """The decisions in force after the last layer."""
        return Policy(
            disabled=frozenset(self._disabled),
            only=None if self._only is None else frozenset(self._only),
            prefer=self._prefer,
            options=self._options,
            models=self._models,
            default_model=self._default,
            strict=strict,
            layers=self._layers,
        )


def _refuse_essential(name: str, layer: str) -> None:
    for essential in sorted(ESSENTIAL):
        if name in (essential, essential.partition("/")[2], f"{essential}@mistralrs-py"):
            message = f"{layer}: {essential} cannot be disabled, nothing works without it"
            raise UsageError(message, f"remove {name!r} there")
