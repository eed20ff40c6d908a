"""Where the access token comes from: ``--token-source``."""

from __future__ import annotations

import os
from pathlib import Path

from mistralrs.errors import UsageError

FORMS = "literal:TOKEN, env:VARIABLE, path:FILE, cache or none"
MAX_TOKEN_BYTES = 4096


def resolve_token(source: str) -> str | bool | None:
    """The token in huggingface_hub's terms: text, None for its own cached one, False for none.

    Raises:
        UsageError: a form that is unknown, or a variable or file that holds no token. The token is never shown.
    """
    kind, _, rest = source.partition(":")
    match kind:
        case "cache" if not rest:
            return None
        case "none" if not rest:
            return False
        case "literal":
            return _checked(rest, "--token-source literal")
        case "env":
            if rest not in os.environ:
                raise UsageError(f"--token-source: the environment variable {rest!r} is not set")
            return _checked(os.environ[rest], f"the environment variable {rest!r}")
        case "path":
            return _checked(_read(Path(rest)), f"the token file {rest!r}")
    raise UsageError("--token-source has an unknown form", f"one of {FORMS}")


def _read(path: Path) -> str:
    try:
        with path.expanduser().open("rb") as file:
            return file.read(MAX_TOKEN_BYTES + 1).decode("ascii", errors="replace")
    except (OSError, ValueError, RuntimeError):
        raise UsageError(f"--token-source: cannot read {str(path)!r}") from None


def _checked(token: str, origin: str) -> str:
    """A token goes into a header: one printable ASCII word."""
    token = token.strip()
    if not token or len(token) > MAX_TOKEN_BYTES or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{origin} does not hold a token", "a token is one word of printable ASCII")
    return token
