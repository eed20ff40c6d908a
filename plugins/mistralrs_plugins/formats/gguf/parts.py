"""Models split over several GGUF files: ``name-00001-of-00003.gguf`` and so on.

``split.no`` (from 0) and ``split.count`` in each part's metadata say how the parts belong together; the first part
carries the metadata of the model, each part its own tensors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.gguf.header import Header

PART_NAME = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)


def part_paths(given: Sequence[Path]) -> tuple[Path, ...]:
    """Every part of the model that ``given`` names whole or by any of its parts, first part first.

    Raises :class:`~mistralrs.errors.ModelFormatError` when a part is missing or the files do not belong together.
    """
    if not given:
        raise ModelFormatError("no GGUF file was given", "name a .gguf file")
    match = PART_NAME.fullmatch(given[0].name)
    if match is None:
        if len(given) > 1:
            raise ModelFormatError(
                f"{given[1].name}: not a part of {given[0].name}",
                "give one GGUF file, or the parts of one model, NAME-00001-of-0000N.gguf",
            )
        return (given[0],)
    by_name = {path.name: path for path in given}
    count = int(match["count"])
    names = [f"{match['stem']}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]
    if strangers := by_name.keys() - set(names):
        raise ModelFormatError(f"{min(strangers)}: not a part of {given[0].name}", "give the parts of one model only")
    # Parts that were not named lie beside the one that was.
    paths = tuple(by_name.get(name, given[0].with_name(name)) for name in names)
    for path in paths:
        if not path.is_file():
            raise ModelFormatError(f"{path.name}: this part of the model is missing", f"put it into {path.parent}")
    return paths


def check_parts(paths: Sequence[Path], headers: Sequence[Header]) -> None:
    """Refuse files whose split metadata contradicts their names, or whose tensors are not all there."""
    first = headers[0].metadata
    if len(paths) == 1 and first.get("split.count", 0) in (0, 1):
        return
    for number, (path, header) in enumerate(zip(paths, headers, strict=True)):
        stated = (header.metadata.get("split.no", 0), header.metadata.get("split.count", 1))
        if stated != (number, len(paths)):
            raise ModelFormatError(
                f"{path.name}: keys 'split.no' and 'split.count' say part {_ordinal(stated[0])} of {stated[1]}, "
                f"but the file is read as part {number + 1} of {len(paths)}",
                "keep all parts in one folder under their own names, NAME-00001-of-0000N.gguf",
            )
    total = first.get("split.tensors.count")
    found = sum(len(header.tensors) for header in headers)
    if total is not None and total != found:
        raise ModelFormatError(
            f"{paths[0].name}: key 'split.tensors.count' says {total} tensors, but the parts have {found}",
            "fetch all parts again",
        )


def _ordinal(number: object) -> object:
    return number + 1 if isinstance(number, int) else number
