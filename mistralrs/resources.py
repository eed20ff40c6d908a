"""Finds the files shipped with the package: ``registry.toml`` and ``chat_templates/``."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def data_root() -> Path:
    """The folder of the shipped data: ``mistralrs/_data`` in a wheel, the repository root in a checkout."""
    installed = PACKAGE / "_data"
    return installed if installed.is_dir() else PACKAGE.parent


def registry_file() -> Path:
    """The shipped ``registry.toml``, the lowest layer of the policy."""
    return data_root() / "registry.toml"


def chat_templates() -> Path:
    """The folder of fallback chat templates."""
    return data_root() / "chat_templates"
