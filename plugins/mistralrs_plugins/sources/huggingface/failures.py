"""One clear line for every way in which the hub, the network or the disk can fail."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from mistralrs.errors import SourceError

# The base class of the HTTP client's errors: httpx's or httpx2's, whichever this release of the hub is built on.
TransportError: type[Exception] = HfHubHTTPError.__bases__[0]

OFFLINE_HINT = "to use only what is cached, set HF_HUB_OFFLINE=1"
TOKEN_HINT = "give a token: --token-source env:HF_TOKEN, path:FILE or cache"


class UnreachableError(SourceError):
    """The hub did not answer, or not as a hub does. What is cached may still be used."""


@contextmanager
def explained(repo: str, revision: str, endpoint: str, filename: str = "") -> Iterator[None]:
    """Turn whatever huggingface_hub raises inside the block into a :class:`SourceError`."""
    host = urlsplit(endpoint).netloc or endpoint
    what = f"{filename} of {repo}" if filename else repo
    try:
        yield
    except SourceError:
        raise
    except GatedRepoError:
        ask = f"ask for access at {endpoint}/{repo}, then {TOKEN_HINT}"
        raise SourceError(f"{repo} is gated and your account has no access to it", ask) from None
    except RepositoryNotFoundError:
        raise SourceError(
            f"no model {repo!r} on {host}, or it is private", f"check the spelling; {TOKEN_HINT}"
        ) from None
    except RevisionNotFoundError:
        raise SourceError(f"{repo} has no revision {revision!r}", "name a branch, a tag or a commit") from None
    except DisabledRepoError:
        raise SourceError(f"{repo} has been disabled on {host}", "choose another model") from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _by_status(error.__cause__, what, host) from None
        raise UnreachableError(f"cannot fetch {what}: {host} cannot be reached", OFFLINE_HINT) from None
    except EntryNotFoundError:
        raise SourceError(f"{repo} has no file {filename!r} at revision {revision!r}") from None
    except HfHubHTTPError as error:
        raise _by_status(error, what, host) from None
    except FileMetadataError:
        raise UnreachableError(
            f"{host} does not answer as a Hugging Face hub does", "check HF_ENDPOINT, and proxy and firewall settings"
        ) from None
    except TransportError as error:
        reason = type(error).__name__
        raise UnreachableError(
            f"cannot fetch {what}: {host} cannot be reached ({reason})", f"check the network; {OFFLINE_HINT}"
        ) from None
    except HFValidationError:
        raise SourceError(f"not a repository on the hub: {repo[:200]!a}", "the form is org/name") from None
    except OSError as error:
        raise _by_errno(error, what) from None


def _by_status(error: HfHubHTTPError, what: str, host: str) -> SourceError:
    """The error for an answer that has a status but no code of the hub's own."""
    status = error.response.status_code
    if status == 401:
        return SourceError(f"{host} refuses the token for {what}", TOKEN_HINT)
    if status == 403:
        return SourceError(f"{host} does not allow access to {what}", TOKEN_HINT)
    if status == 429:
        return UnreachableError(f"{host} limits how often it is asked (429)", f"wait a little; {TOKEN_HINT}")
    if status >= 500:
        return UnreachableError(f"{host} failed with status {status} for {what}", f"try again; {OFFLINE_HINT}")
    return SourceError(f"{host} answered {status} for {what}", "check HF_ENDPOINT and the name of the model")


def _by_errno(error: OSError, what: str) -> SourceError:
    """The error for trouble on this machine; the hub's own check of sizes is an OSError without a number."""
    if error.errno is None:
        return SourceError(f"{what} arrived with a wrong size", "the download was cut short or altered; try again")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SourceError(f"no space left on the disk for {what}", "free some, or choose a folder with --hf-cache")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SourceError(f"not allowed to write {what} to the cache", "choose a folder with --hf-cache")
    return SourceError(f"cannot store {what}: {errno.errorcode.get(error.errno, 'I/O error')}")
