"""The header of a safetensors file: eight bytes of length, a JSON object, then the tensors' bytes without gaps.

Follows the format's own rules (huggingface.co/docs/safetensors): the header has at most 100 MB and begins with ``{``,
and the tensors' ``data_offsets`` tile the rest of the file exactly, so that no byte belongs to two tensors or to none.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from mmap import mmap
from operator import attrgetter
from typing import Any, NoReturn

from mistralrs.checkpoint import TensorInfo
from mistralrs.errors import ModelFormatError
from mistralrs.layouts import BF16, F16, F32, U8, Layout
from mistralrs_plugins.formats.safetensors.strictjson import HINT, MAX_BYTES, parse_object

LENGTH_BYTES = 8
MAX_RANK = 8
MAX_ELEMENTS = 2**63
FLOATS = {"F32": F32, "F16": F16, "BF16": BF16}
# Known but not readable as weights: such tensors may lie in a file as long as nothing asks for them.
OTHERS = {
    "BOOL": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E8M0": 1,
    "I16": 2,
    "U16": 2,
    "I32": 4,
    "U32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
    "C64": 8,
}
LAYOUTS = {**FLOATS, "U8": U8, **{name: Layout(name.lower(), 1, size) for name, size in OTHERS.items()}}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor and the offsets of its first byte and of the one after its last."""

    info: TensorInfo
    offset: int
    end: int


def parse_header(data: mmap | bytes, file: str) -> tuple[StoredTensor, ...]:
    """The tensors of a file in the order of their bytes; ``file`` is its name for messages.

    Raises :class:`~mistralrs.errors.ModelFormatError` naming the tensor that is wrong.
    """
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    start = LENGTH_BYTES + length
    if len(data) < LENGTH_BYTES or start > len(data):
        raise ModelFormatError(f"{file}: the header runs past the end of the file", HINT)
    if length > MAX_BYTES:
        raise ModelFormatError(f"{file}: a header of {length} bytes is larger than {MAX_BYTES // 10**6} MB", HINT)
    if data[LENGTH_BYTES : LENGTH_BYTES + 1] != b"{":
        raise ModelFormatError(f"{file}: not a safetensors file: its header is no JSON object", HINT)
    described = parse_object(data[LENGTH_BYTES:start], f"{file}: header")
    described.pop("__metadata__", None)
    tensors = [_read_tensor(name, entry, file) for name, entry in described.items()]
    tensors.sort(key=attrgetter("offset", "end"))
    _check_tiling(tensors, len(data) - start, file)
    return tuple(StoredTensor(tensor.info, start + tensor.offset, start + tensor.end) for tensor in tensors)


def _read_tensor(name: str, entry: Any, file: str) -> StoredTensor:
    """The description of one tensor, with offsets from the start of the data."""
    where = f"{file}: tensor {name[:80]!r}"
    if not isinstance(entry, dict):
        _fail(where, "its description is no JSON object")
    kind = entry.get("dtype")
    if not isinstance(kind, str) or kind not in LAYOUTS:
        raise ModelFormatError(f"{where}: dtype {kind!r} is not supported", f"supported: {', '.join(FLOATS)}")
    shape, span = _sizes(entry.get("shape")), _sizes(entry.get("data_offsets"))
    if shape is None:
        _fail(where, f"its shape is no list of at most {MAX_RANK} sizes")
    if span is None or len(span) != 2:
        _fail(where, "its data_offsets are no pair of offsets")
    # A tensor with a zero dimension takes no bytes, so its other dimensions would not be bounded by the file.
    if prod(filter(None, shape)) >= MAX_ELEMENTS:
        _fail(where, f"a shape of {shape} is too large")
    info = TensorInfo(name, tuple(shape), LAYOUTS[kind])
    size = prod(shape) * info.layout.block_bytes
    if span[1] - span[0] != size:
        _fail(where, f"{kind} of shape {shape} takes {size} bytes, but its data_offsets span {span[1] - span[0]}")
    return StoredTensor(info, *span)


def _sizes(value: Any) -> list[int] | None:
    if not isinstance(value, list) or len(value) > MAX_RANK:
        return None
    return value if all(type(item) is int and 0 <= item < MAX_ELEMENTS for item in value) else None


def _check_tiling(tensors: list[StoredTensor], size: int, file: str) -> None:
    end = 0
    for tensor in tensors:
        if tensor.offset != end:
            problem = "shares bytes with another tensor" if tensor.offset < end else "leaves a gap before it"
            _fail(f"{file}: tensor {tensor.info.name[:80]!r}", problem)
        end = tensor.end
    if end > size:
        raise ModelFormatError(f"{file}: the tensors take {end} bytes, but the file has {size} for them", HINT)
    if end < size:
        raise ModelFormatError(f"{file}: {size - end} bytes after the last tensor belong to none", HINT)


def _fail(where: str, problem: str) -> NoReturn:
    raise ModelFormatError(f"{where}: {problem}", HINT)
