"""The exam of quantization methods: small errors, honest sizes, and products that equal their own weights'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from mistralrs.errors import MistralrsError
from mistralrs.layers import Linear
from mistralrs.ops import AttentionMeta, Ops, OpTable, StepContext
from mistralrs.plugin import ArchitectureSpec, QuantizationSpec
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.conformance.base import PluginConformance
from mistralrs.testing.paged import PagedModel, reference_backend
from mistralrs.testing.tiny import random_tensors, tiny_config
from mistralrs.weights import DictSource, MetaSource, QuantMethod, WeightBuilder

IN, OUT = 512, 24
SHAPES = ((1, 32), (7, 96), (33, 100), (5, 31))
"""Odd ``(out, in)``: rows that are no whole number of blocks may be refused, but not computed wrongly."""


class QuantizationConformance(PluginConformance):
    """Methods that quantize in situ need nothing; others override :meth:`stored` with a projection in their form.

    ``error`` is the largest root-mean-square error of the weights relative to their own, for normal noise; by default
    it follows from the bits.
    """

    error: ClassVar[float | None] = None
    settings: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def method(self, host: PluginHost, spec: QuantizationSpec) -> QuantMethod:
        """The method under test."""
        made: QuantMethod = host.make(spec, spec.method, dict(self.settings))
        return made

    @pytest.fixture
    def stored(self, spec: QuantizationSpec) -> dict[str, Tensor]:
        """The tensors of a projection ``proj`` ``[OUT, IN]`` with a bias, as a checkpoint of this method has them."""
        if not spec.in_situ:
            pytest.skip("gives no stored projection: override the fixture `stored`")
        return {"proj.weight": plain(OUT, IN), "proj.bias": plain(1, OUT)[0]}

    @pytest.fixture
    def in_situ(self, spec: QuantizationSpec) -> None:
        """Skips methods that only read what was quantized before."""
        if not spec.in_situ:
            pytest.skip("does not quantize in situ")

    def build(
        self, method: QuantMethod, tensors: Mapping[str, Tensor], out: int, width: int, *, bias: bool
    ) -> nn.Module:
        """The projection ``proj``."""
        return method.linear(WeightBuilder(DictSource(tensors)).pp("proj"), width, out, bias=bias)

    def test_the_product_is_that_of_the_decoded_weight(self, method: QuantMethod, stored: dict[str, Tensor]) -> None:
        layer = self.build(method, stored, OUT, IN, bias=True)
        x = plain(5, IN)
        got = layer(x, empty_step())
        weight = layer(torch.eye(IN), empty_step()) - stored["proj.bias"]
        assert got.shape == (5, OUT)
        torch.testing.assert_close(got, x @ weight + stored["proj.bias"], rtol=1e-3, atol=1e-3)

    def test_a_bias_is_added_only_when_there_is_one(self, method: QuantMethod, stored: dict[str, Tensor]) -> None:
        x = plain(2, IN)
        with_bias = self.build(method, stored, OUT, IN, bias=True)(x, empty_step())
        without = self.build(method, stored, OUT, IN, bias=False)(x, empty_step())
        torch.testing.assert_close(with_bias - without, stored["proj.bias"].expand(2, OUT), rtol=1e-3, atol=1e-3)

    def test_activations_keep_their_type(self, method: QuantMethod, stored: dict[str, Tensor]) -> None:
        layer = self.build(method, stored, OUT, IN, bias=False)
        for dtype in (torch.float32, torch.bfloat16):
            assert layer(plain(3, IN).to(dtype), empty_step()).dtype == dtype

    def test_it_gives_logits(self, method: QuantMethod, stored: dict[str, Tensor]) -> None:
        """The output projection of a model is quantized too."""
        layer: Any = self.build(method, stored, OUT, IN, bias=False)
        assert layer.logits(plain(3, IN), empty_step()).dtype == torch.float32

    def test_the_size_is_as_declared(
        self, spec: QuantizationSpec, method: QuantMethod, stored: dict[str, Tensor]
    ) -> None:
        layer = self.build(method, stored, OUT, IN, bias=False)
        if not isinstance(layer, Linear):
            pytest.skip("a layer of its own kind")
        assert layer.weight.layout.bits_per_weight == pytest.approx(spec.bits_per_weight, rel=0.02)

    @pytest.mark.usefixtures("in_situ")
    def test_the_error_is_small(self, spec: QuantizationSpec, method: QuantMethod) -> None:
        weight = plain(OUT, IN)
        decoded = self._decoded(method, weight)
        limit = self.error if self.error is not None else 2.0 ** (2 - spec.bits_per_weight)
        assert (decoded - weight).square().mean().sqrt() <= limit * weight.square().mean().sqrt()

    @pytest.mark.usefixtures("in_situ")
    def test_extreme_weights_stay_finite(self, method: QuantMethod) -> None:
        outlier = plain(OUT, IN)
        outlier[0, 0] = 1000.0
        for weight in (torch.zeros(OUT, IN), outlier, torch.full((OUT, IN), 1e-30), -torch.ones(OUT, IN)):
            assert self._decoded(method, weight).isfinite().all()
        assert not self._decoded(method, torch.zeros(OUT, IN)).any()

    @pytest.mark.usefixtures("in_situ")
    @pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
    def test_odd_shapes_work_or_are_refused(
        self, spec: QuantizationSpec, method: QuantMethod, shape: tuple[int, int]
    ) -> None:
        weight = plain(*shape)
        try:
            decoded = self._decoded(method, weight)
        except MistralrsError as refusal:
            assert "\n" not in refusal.message
            return
        limit = 2 * (self.error if self.error is not None else 2.0 ** (2 - spec.bits_per_weight))
        assert (decoded - weight).square().mean().sqrt() <= limit * weight.square().mean().sqrt()

    @pytest.mark.usefixtures("in_situ")
    def test_it_can_be_planned_without_memory(self, method: QuantMethod) -> None:
        wb = WeightBuilder(MetaSource(), device=torch.device("meta"))
        method.linear(wb.pp("proj"), IN, OUT, bias=True)
        assert {request.name for request in wb.log} == {"proj.weight", "proj.bias"}

    @pytest.mark.usefixtures("in_situ")
    def test_a_whole_model_stays_close(self, spec: QuantizationSpec, method: QuantMethod, host: PluginHost) -> None:
        architecture: ArchitectureSpec = host.resolve("architecture", "llama")
        config = tiny_config(architecture)
        tensors = random_tensors(architecture, config)
        ids = list(range(3, 20))
        exact = PagedModel(architecture, config, DictSource(tensors)).step({"a": ids})["a"]
        rounded = PagedModel(architecture, config, DictSource(tensors), quant=lambda _: method).step({"a": ids})["a"]
        limit = 6 * (self.error if self.error is not None else 2.0 ** (2 - spec.bits_per_weight))
        assert (exact - rounded).square().mean().sqrt() <= limit * exact.square().mean().sqrt()

    def _decoded(self, method: QuantMethod, weight: Tensor) -> Tensor:
        """What the layer multiplies with, found by multiplying with one."""
        out, width = weight.shape
        layer = self.build(method, {"proj.weight": weight}, out, width, bias=False)
        decoded: Tensor = layer(torch.eye(width), empty_step()).T
        return decoded


def plain(*shape: int) -> Tensor:
    """Normal noise that depends on the shape only."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def empty_step() -> StepContext:
    """A step for layers that look at no cache."""
    none = torch.zeros(0, dtype=torch.int64)
    meta = AttentionMeta(query_start=none, context=none, slots=none, blocks=none, queries=[], contexts=[])
    ops = Ops(OpTable([reference_backend()]))
    return StepContext(ops=ops, ids=none, positions=none, rows=none, meta=meta, caches=())
