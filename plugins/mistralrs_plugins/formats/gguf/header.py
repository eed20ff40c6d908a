"""The header of a GGUF file: metadata, and where each tensor lies.

Layout of versions 2 and 3, all little-endian (docs/gguf.md in the ggml repository): magic, version, number of tensors,
number of metadata pairs, the pairs, the tensor descriptions, padding, tensor data. Nothing in a file is believed:
counts are checked against the bytes that are left before anything is allocated, and every tensor must lie inside the
file, aligned and apart from the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from mmap import mmap

from mistralrs.checkpoint import TensorInfo
from mistralrs.layouts import Layout
from mistralrs.layouts.ggml import GGML_LAYOUTS, ggml_refusal
from mistralrs_plugins.formats.gguf.codes import ARRAY, UINT32_KIND
from mistralrs_plugins.formats.gguf.cursor import Cursor
from mistralrs_plugins.formats.gguf.metadata import Metadata, kind_name

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT_KEY = "general.alignment"
DEFAULT_ALIGNMENT = 32
# The specification asks for a multiple of 8; nothing gains from more than a page, of 64 KB at most.
ALIGNMENTS = tuple(2**power for power in range(3, 17))
MAX_KEY_BYTES = 65535
MAX_NAME_BYTES = 63
MAX_DIMENSIONS = 4
MAX_ELEMENTS = 2**63
SHOWN_CHARS = 80
# Least size of one entry: a pair has a length, a type and a byte; a tensor a length, a rank, a size, a type, an offset.
PAIR_BYTES = 8 + 4 + 1
TENSOR_BYTES = 8 + 4 + 8 + 4 + 8


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor and the offset of its first byte from the start of the file."""

    info: TensorInfo
    offset: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says about itself; tensors in the order of the file."""

    metadata: Metadata
    tensors: tuple[StoredTensor, ...]


def parse_header(data: mmap | bytes, file: str) -> Header:
    """Parse and check the header of the file's bytes; ``file`` is its name for messages.

    Raises :class:`~mistralrs.errors.ModelFormatError` naming the key or tensor that is wrong.
    """
    cursor = Cursor(data, file)
    _check_magic_and_version(cursor)
    tensor_count, pair_count = cursor.uint64(), cursor.uint64()
    cursor.expect(pair_count, PAIR_BYTES, "metadata pairs")
    metadata = _read_metadata(cursor, pair_count)
    alignment = _read_alignment(cursor, metadata)
    cursor.subject = "header"
    cursor.expect(tensor_count, TENSOR_BYTES, "tensors")
    described = _read_tensors(cursor, tensor_count, alignment)
    start = -(-cursor.position // alignment) * alignment
    tensors = tuple(StoredTensor(info, start + offset) for info, offset in described)
    _check_placement(cursor, tensors)
    return Header(metadata, tensors)


def _check_magic_and_version(cursor: Cursor) -> None:
    magic = bytes(cursor.data[: len(MAGIC)])
    if magic != MAGIC:
        cursor.fail(f"not a GGUF file: it starts with {magic!r}", "check that the file is a GGUF model")
    cursor.skip(len(MAGIC))
    version = cursor.uint32()
    if version in VERSIONS:
        return
    if int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS:
        cursor.fail("the file is big-endian; only little-endian GGUF is supported", "convert it on its own machine")
    supported = " and ".join(map(str, VERSIONS))
    cursor.fail(f"GGUF version {version} is not supported", f"versions {supported} are: convert the model again")


def _read_metadata(cursor: Cursor, count: int) -> Metadata:
    metadata = Metadata(cursor)
    for index in range(count):
        cursor.subject = f"metadata key {index}"
        key = cursor.string()
        if not 0 < len(key.encode()) <= MAX_KEY_BYTES:
            cursor.fail(f"a key has 1 to {MAX_KEY_BYTES} bytes; this has {len(key.encode())}")
        cursor.subject = f"key {_shown(key)}"
        if key in metadata:
            cursor.fail("given twice")
        metadata.read(key, cursor)
    return metadata


def _read_alignment(cursor: Cursor, metadata: Metadata) -> int:
    cursor.subject = f"key {ALIGNMENT_KEY!r}"
    place = metadata.place(ALIGNMENT_KEY)
    if place is not None and (place.kind, place.count) != (UINT32_KIND, None):
        cursor.fail(f"must be a uint32, not {kind_name(ARRAY if place.count is not None else place.kind)}")
    alignment: int = metadata.get(ALIGNMENT_KEY, DEFAULT_ALIGNMENT)
    if alignment not in ALIGNMENTS:
        cursor.fail(f"must be a power of two from {ALIGNMENTS[0]} to {ALIGNMENTS[-1]}, not {alignment}")
    return alignment


def _read_tensors(cursor: Cursor, count: int, alignment: int) -> list[tuple[TensorInfo, int]]:
    """Descriptions with their offsets from the start of the data, in the order of the file."""
    tensors: list[tuple[TensorInfo, int]] = []
    names: set[str] = set()
    for index in range(count):
        cursor.subject = f"tensor {index}"
        name = cursor.string()
        if not 0 < len(name.encode()) <= MAX_NAME_BYTES:
            cursor.fail(f"a name has 1 to {MAX_NAME_BYTES} bytes; this has {len(name.encode())}")
        cursor.subject = f"tensor {_shown(name)}"
        if name in names:
            cursor.fail("given twice")
        names.add(name)
        shape = _read_shape(cursor)
        layout = _read_layout(cursor)
        if shape[-1] % layout.block:
            cursor.fail(f"rows of {shape[-1]} values are no whole number of {layout.name} blocks of {layout.block}")
        offset = cursor.uint64()
        if offset % alignment:
            cursor.fail(f"offset {offset} is not a multiple of the alignment, {alignment}")
        tensors.append((TensorInfo(name, shape, layout), offset))
    return tensors


def _read_shape(cursor: Cursor) -> tuple[int, ...]:
    """The shape in row-major order; the file has the innermost dimension first."""
    rank = cursor.uint32()
    if not 1 <= rank <= MAX_DIMENSIONS:
        cursor.fail(f"has {rank} dimensions; 1 to {MAX_DIMENSIONS} are possible")
    shape = tuple(cursor.uint64() for _ in range(rank))[::-1]
    # A tensor with a zero dimension takes no bytes, so its other dimensions would not be bounded by the file.
    if prod(filter(None, shape)) >= MAX_ELEMENTS:
        cursor.fail(f"a shape of {' x '.join(map(str, shape))} is too large")
    return shape


def _read_layout(cursor: Cursor) -> Layout:
    kind = cursor.uint32()
    if kind not in GGML_LAYOUTS:
        cursor.fail(*ggml_refusal(kind, GGML_LAYOUTS))
    return GGML_LAYOUTS[kind]


def _check_placement(cursor: Cursor, tensors: Iterable[StoredTensor]) -> None:
    """Refuse tensors that leave the file or share bytes."""
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        size = tensor.info.nbytes
        cursor.subject = f"tensor {_shown(tensor.info.name)}"
        if tensor.offset + size > cursor.end:
            cursor.fail(f"{size} bytes at offset {tensor.offset} run past the end of the file")
        if size and tensor.offset < end:
            cursor.fail("shares bytes with another tensor")
        end = max(end, tensor.offset + size)


def _shown(name: str) -> str:
    """A name from the file, quoted, escaped and of bounded length."""
    return repr(name if len(name) <= SHOWN_CHARS else name[:SHOWN_CHARS] + "...")
