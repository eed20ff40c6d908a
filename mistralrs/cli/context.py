"""What the global options said: the object every front end finds as ``ctx.obj``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy, load_policy
from mistralrs.plugin.registry_file import RegistryFile


@dataclass
class CliContext:
    """The global options of one call, and the plugin host they lead to.

    ``seed`` is the engine's; ``log`` the file every request and response is appended to; ``token_source`` where the
    Hugging Face token comes from; ``verbose`` counts ``-v``. ``decisions`` are those of a configuration file about
    plugins, with its name. The policy and the host are made when first used.
    """

    registry: Path | None = None
    no_plugins: list[str] = field(default_factory=list)
    seed: int | None = None
    log: Path | None = None
    token_source: str = "cache"
    verbose: int = 0
    decisions: tuple[RegistryFile, str] | None = None

    @cached_property
    def policy(self) -> Policy:
        """The merged layers of registry.toml, environment and flags. Raises :class:`UsageError`."""
        return load_policy(self.registry, self.no_plugins, self.decisions)

    @cached_property
    def host(self) -> PluginHost:
        """The plugins under that policy."""
        return PluginHost(self.policy)
