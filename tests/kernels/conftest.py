from __future__ import annotations

import pytest

from mistralrs_plugins.kernels.cpu.backend import PACKING
from mistralrs_plugins.kernels.cpu.jit import parallel
from mistralrs_plugins.kernels.cpu.program.products import is_dense
from mistralrs_plugins.kernels.cpu.program.weights import COVERED


@pytest.fixture(scope="session")
def product_kernels() -> None:
    """The kernels of products and tables, compiled on all processors: each test would compile its own on one."""
    layouts = sorted(COVERED)
    products = [f"{'dense' if is_dense(layout) else 'product'}:make_product:{layout}" for layout in layouts]
    tables = [f"dense:make_embed:{layout}" for layout in layouts]
    parallel.prepare([*products, *tables, *PACKING, "activations:quantize", "sixbits:pack"])
