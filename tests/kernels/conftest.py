from __future__ import annotations

import pytest

from mistralrs_plugins.kernels.cpu.backend import PACKING
from mistralrs_plugins.kernels.cpu.jit import parallel
from mistralrs_plugins.kernels.cpu.kernels.sizes import ACTIVATIONS, GATES
from mistralrs_plugins.kernels.cpu.program.products import is_dense
from mistralrs_plugins.kernels.cpu.program.weights import COVERED


@pytest.fixture(scope="session")
def product_kernels() -> None:
    """The kernels of products and tables, compiled on all processors: each test would compile its own on one."""
    layouts = sorted(COVERED)
    products = [f"{'dense' if is_dense(layout) else 'product'}:make_product:{layout}" for layout in layouts]
    tables = [f"dense:make_embed:{layout}" for layout in layouts]
    parallel.prepare([*products, *tables, *PACKING, "activations:quantize", "sixbits:pack"])


@pytest.fixture(scope="session")
def step_kernels() -> None:
    """What steps of float models call, likewise."""
    alone = [f"elementwise:make_unary:{name}" for name in (*ACTIVATIONS, "scale", "clamp", "softcap", "xielu")]
    gated = [f"elementwise:make_gated:{name}" for name in (*ACTIVATIONS, *GATES)]
    mixtures = [f"mixtures:{name}" for name in ("route", "sort", "gather", "product", "combine")]
    others = ["elementwise:make_binary:add", "elementwise:make_binary:multiply", "elementwise:copy", "elementwise:rows"]
    norms = ["norm:rms_norm", "norm:layer_norm", "rotary:rotation", "rotary:rope"]
    attention = ["cache:make_write:f32", "attention:make_attend:f32", "attention:merge", "cuts:plan", "draws:draw"]
    floats = ["dense:make_product:f32", "dense:make_embed:f32"]
    parallel.prepare([*PACKING, *attention, *floats, *norms, *alone, *gated, *others, *mixtures])
