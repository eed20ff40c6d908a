"""Writes a GGUF's weights as float32 into a second GGUF: the same model, for comparisons in the same arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import torch

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.weights import CheckpointSource


def write_float_copy(original: Path, copy: Path) -> None:
    """Decode every tensor of ``original`` and write it with the same metadata to ``copy``."""
    host = PluginHost(Policy())
    spec = host.resolve("format", ".gguf")
    files = ModelFiles(id=original.stem, source="file", root=original.parent, weights=(original,))
    checkpoint: Checkpoint = host.load_ref(spec, spec.opener)(files)
    source = CheckpointSource(checkpoint)
    writer = gguf.GGUFWriter(str(copy), checkpoint.metadata["general.architecture"])
    _copy_metadata(writer, checkpoint.metadata)
    for name, info in checkpoint.tensors.items():
        writer.add_tensor_info(name, info.shape, torch.zeros(0).numpy().dtype, 4 * torch.Size(info.shape).numel())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, info in checkpoint.tensors.items():
        writer.write_tensor_data(source.get(name, info.shape).to_dense().numpy())
    writer.close()


def _copy_metadata(writer: gguf.GGUFWriter, metadata: Mapping[str, Any]) -> None:
    for key, value in metadata.items():
        if key in ("general.architecture", "general.file_type", "general.quantization_version"):
            continue
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_array(key, list(value))
