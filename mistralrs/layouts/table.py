"""The layouts the core knows: plain floats and the block formats of GGUF.

Sizes and field order follow ggml's block structures (ggml-common.h); the decoders are in :mod:`.legacy`,
:mod:`.kquants` and :mod:`.microscaling`.
"""

from __future__ import annotations

from mistralrs.layouts.layout import Layout
from mistralrs.plugin.ref import Ref


def _blocks(name: str, block: int, block_bytes: int, family: str) -> Layout:
    return Layout(name, block, block_bytes, Ref(f"mistralrs.layouts.{family}:decode_{name}"))


F32 = Layout("f32", 1, 4, dtype="float32")
F16 = Layout("f16", 1, 2, dtype="float16")
BF16 = Layout("bf16", 1, 2, dtype="bfloat16")
U8 = Layout("u8", 1, 1, dtype="uint8")
"""Bytes that mean something only to who asks for them; not among :data:`LAYOUTS`, for no weight is stored so."""

Q4_0 = _blocks("q4_0", 32, 18, "legacy")
Q4_1 = _blocks("q4_1", 32, 20, "legacy")
Q5_0 = _blocks("q5_0", 32, 22, "legacy")
Q5_1 = _blocks("q5_1", 32, 24, "legacy")
Q8_0 = _blocks("q8_0", 32, 34, "legacy")

Q2_K = _blocks("q2_k", 256, 84, "kquants")
Q3_K = _blocks("q3_k", 256, 110, "kquants")
Q4_K = _blocks("q4_k", 256, 144, "kquants")
Q5_K = _blocks("q5_k", 256, 176, "kquants")
Q6_K = _blocks("q6_k", 256, 210, "kquants")

MXFP4 = _blocks("mxfp4", 32, 17, "microscaling")

LAYOUTS = {
    layout.name: layout
    for layout in (F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, MXFP4)
}
