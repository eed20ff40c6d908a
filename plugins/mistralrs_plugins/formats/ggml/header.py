"""The parts of a LLaMA file from before GGUF.

Little-endian: magic, version (but in ``ggml``), seven numbers, the vocabulary (with scores, but in ``ggml``), and then
tensor after tensor, each with its description before its bytes; ``ggjt`` aligns the bytes to 32 (llama.cpp until August
2023). Blocks changed twice on the way: those of 4 and 5 bits with ``ggjt`` 2, those of 4 and 8 bits again with 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap

from mistralrs.checkpoint import TensorInfo
from mistralrs.layouts import Layout
from mistralrs.layouts.ggml import GGML_LAYOUTS, ggml_refusal
from mistralrs_plugins.formats.ggml.cursor import Cursor

GGJT = b"tjgg"
VERSIONS = {b"lmgg": ("ggml", ()), b"fmgg": ("ggmf", (1,)), GGJT: ("ggjt", (1, 2, 3))}
"""First four bytes to name and the versions that exist; the first kind has no version."""

KEPT_SINCE = {0: 0, 1: 0, 2: 3, 3: 3, 6: 2, 7: 2, 8: 3, 10: 3, 11: 3, 12: 3, 13: 3, 14: 3}
"""For each type of that time, the version of ggjt from which its blocks are what they still are."""

ALIGNMENT = 32
MAX_NAME_BYTES = 63
SIZE_LIMIT = 2**31
HINT = "only LLaMA models have this format here: fetch the model as GGUF"


@dataclass(frozen=True, slots=True)
class Header:
    """What a file holds. ``tokens`` are the texts by id, ``scores`` theirs or empty, ``offsets`` those of tensors."""

    width: int
    heads: int
    layers: int
    tokens: tuple[bytes, ...]
    scores: tuple[float, ...]
    tensors: dict[str, TensorInfo]
    offsets: dict[str, int]


def parse(data: mmap | bytes, file: str) -> Header:
    """Parse and check a file's bytes; ``file`` is its name for messages.

    Raises :class:`~mistralrs.errors.ModelFormatError` naming what is wrong, or the version or type not supported.
    """
    cursor = Cursor(data, file)
    kind, version = _version(cursor)
    vocabulary, width, _multiple, heads, layers, rotary, _type = (cursor.uint32() for _ in range(7))
    if not 0 < heads <= width < SIZE_LIMIT or width % heads or rotary != width // heads or not layers:
        cursor.fail(f"{width} wide with {heads} heads, of which {rotary} rotate, is no LLaMA model", HINT)
    scored = kind != "ggml"
    cursor.subject = "vocabulary"
    if vocabulary * (8 if scored else 4) > cursor.left:
        cursor.fail(f"{vocabulary} tokens do not fit into the file")
    tokens, scores = [], []
    for _ in range(vocabulary):
        tokens.append(cursor.text(cursor.uint32()))
        if scored:
            scores.append(cursor.float32())
    tensors, offsets = _tensors(cursor, version if kind == "ggjt" else 0)
    return Header(width, heads, layers, tuple(tokens), tuple(scores), tensors, offsets)


def _version(cursor: Cursor) -> tuple[str, int]:
    magic = bytes(cursor.data[:4])
    if magic not in VERSIONS:
        cursor.fail(f"no ggml file: it starts with {magic!r}", "name the format that it has with --format")
    cursor.skip(4)
    kind, versions = VERSIONS[magic]
    version = cursor.uint32() if versions else 0
    if versions and version not in versions:
        known = ", ".join(map(str, versions))
        cursor.fail(f"version {version} of {kind} is not supported", f"supported: {known}")
    return kind, version


def _tensors(cursor: Cursor, ggjt: int) -> tuple[dict[str, TensorInfo], dict[str, int]]:
    tensors: dict[str, TensorInfo] = {}
    offsets: dict[str, int] = {}
    while cursor.left:
        cursor.subject = f"tensor {len(tensors)}"
        rank, length, kind = cursor.uint32(), cursor.uint32(), cursor.uint32()
        if rank not in (1, 2):
            cursor.fail(f"has {rank} dimensions; 1 or 2 are possible")
        # Sizes come innermost first.
        shape = tuple(cursor.uint32() for _ in range(rank))[::-1]
        if not 0 < length <= MAX_NAME_BYTES:
            cursor.fail(f"a name has 1 to {MAX_NAME_BYTES} bytes; this has {length}")
        name = cursor.text(length).decode(errors="replace")
        cursor.subject = f"tensor {name!r}"
        if name in tensors:
            cursor.fail("given twice")
        layout = _layout(cursor, kind, ggjt)
        if not all(0 < size < SIZE_LIMIT for size in shape) or shape[-1] % layout.block:
            cursor.fail(f"a shape of {' x '.join(map(str, shape))} is not possible in {layout.name.upper()}")
        if ggjt:
            cursor.align(ALIGNMENT)
        tensors[name] = TensorInfo(name, shape, layout)
        offsets[name] = cursor.skip(tensors[name].nbytes)
    return tensors, offsets


def _layout(cursor: Cursor, kind: int, ggjt: int) -> Layout:
    if kind not in KEPT_SINCE:
        cursor.fail(*ggml_refusal(kind, KEPT_SINCE))
    layout = GGML_LAYOUTS[kind]
    if ggjt < KEPT_SINCE[kind]:
        cursor.fail(
            f"{layout.name.upper()} of this version of the format is not supported",
            f"it is from version {KEPT_SINCE[kind]} of ggjt on, F32 and F16 in all; fetch the model as GGUF",
        )
    return layout
