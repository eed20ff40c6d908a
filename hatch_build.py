"""Build hook: every folder ``plugins/mistralrs_plugins/<kinds>/<name>`` with a ``plugin.py`` is an entry point.

So adding a built-in is adding a folder; no list is edited, not even pyproject.toml. The test-kit's pytest plugin is
declared here too, for pyproject.toml cannot give some entry points and leave others to a hook.
"""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PACKAGE = "mistralrs_plugins"


class BuiltinEntryPoints(MetadataHookInterface):
    """Writes the entry points of the built-in plugins from their folders."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill ``entry-points``: group ``mistralrs.<kinds>``, name of the folder, module of its declaration."""
        groups: dict[str, dict[str, str]] = {"pytest11": {"mistralrs": "mistralrs.testing.pytest_plugin"}}
        for found in sorted(Path(self.root, "plugins", PACKAGE).glob("*/*/plugin.py")):
            kinds, name = found.parts[-3:-1]
            groups.setdefault(f"mistralrs.{kinds}", {})[name.replace("_", "-")] = f"{PACKAGE}.{kinds}.{name}.plugin"
        metadata["entry-points"] = groups
