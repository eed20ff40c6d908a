"""Plans from sizes and flags, and a model that runs in two slots of one CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mistralrs.devices.plan import DevicePlan, automatic, manual
from mistralrs.errors import UsageError
from mistralrs.layouts import F32
from mistralrs.ops import Slot, record
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.paged import CountingOps, PagedModel
from mistralrs.testing.tiny import random_tensors, tiny_config
from mistralrs.weights import DictSource, MetaSource, Sizes, measure

CPU = torch.device("cpu")
A, B = Slot("cpu-a", CPU), Slot("cpu-b", CPU)
SIZES = Sizes(layers=(100, 100, 100, 100), rest=50, cached=(8, 8, 8, 8), requests=())
PROMPT = [5, 9, 3, 12, 40, 7]


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({A: 10_000, B: 10_000}, "aaaa"),
        ({A: 420, B: 10_000}, "aabb"),
        ({A: 100, B: 10_000}, "bbbb"),
        ({A: 170, B: 400}, "abbb"),
    ],
)
def test_automatic_fills_slots_in_order(free: dict[Slot, int], expected: str) -> None:
    plan = automatic(SIZES, free, token_bytes=2 if expected != "abbb" else 0)
    assert "".join(slot.name[-1] for slot in plan.layers) == expected
    assert plan.home == A


def test_what_does_not_fit_is_refused_with_the_figures() -> None:
    with pytest.raises(UsageError, match=r"weights 0\.0 MiB and cache 0\.0 MiB; free: cpu-a 0\.0 MiB"):
        automatic(SIZES, {A: 100}, token_bytes=2)
    with pytest.raises(UsageError, match="does not fit"):
        automatic(SIZES, {A: 10, B: 10_000}, token_bytes=2)


def test_shares_add_up_to_the_model() -> None:
    plan = automatic(SIZES, {A: 420, B: 10_000}, token_bytes=2)
    shares = plan.shares(SIZES, 2, {A: 420, B: 10_000})
    assert [share.weights for share in shares] == [250, 200]
    assert sum(share.cache for share in shares) == 4 * 8 * 2
    assert str(shares[0]) == "cpu-a: layers 0-1, weights 0.0 MiB, cache 0.0 MiB of 0.0 MiB free"


def test_manual_plans() -> None:
    assert [s.name for s in manual("0:1;1:2", 4, [A, B], Slot.of(CPU)).layers] == ["cpu-a", "cpu-b", "cpu-b", "cpu"]
    assert [s.name for s in manual("3", 4, [A, B], B).layers] == ["cpu-a"] * 3 + ["cpu-b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0:5", "places 5 layers or more, the model has 4"),
        ("2:1", "names device 2"),
        ("0:1;0:1", "names device 0 twice"),
        ("", "is not ORD:NUM"),
        ("0:x", "is not ORD:NUM"),
        ("-1:2", "is not ORD:NUM"),
        ("0:99999999", "is not ORD:NUM"),
    ],
)
def test_manual_plans_that_do_not_add_up(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        manual(text, 4, [A, B], A)


def test_states_are_counted_by_sequence_and_not_by_token() -> None:
    sizes = replace(SIZES, cached=(8, 0, 8, 0), states=(0, 40, 0, 40))
    assert sizes.kept(range(4), 2, 3) == 2 * 16 + 3 * 80
    shares = DevicePlan(A, (A, A, B, B)).shares(sizes, 2, sequences=3)
    assert [share.cache for share in shares] == [16 + 120, 16 + 120]
    for sequences, expected in ((0, "aabb"), (1, "abbb")):
        plan = automatic(sizes, {A: 300, B: 10_000}, 2, sequences)
        assert "".join("a" if slot == A else "b" for slot in plan.layers) == expected
    with pytest.raises(UsageError, match=r"cache 0\.1 MiB"):
        automatic(sizes, {A: 600}, 2, 1000)


@pytest.mark.parametrize("name", ["llama", "phi3", "gemma3"])
@pytest.mark.parametrize("layout", ["aabb", "abab", "bbbb", "aaaa"])
def test_two_slots_of_one_cpu(name: str, layout: str) -> None:
    """The exam of every architecture has two of these plans; here are those of one slot, and the recorded step."""
    spec = PluginHost(Policy()).resolve("architecture", name)
    raw = tiny_config(spec, num_hidden_layers=4)
    tensors = random_tensors(spec, raw)
    plan = DevicePlan(A, tuple({"a": A, "b": B}[each] for each in layout))
    mapped, plain = (PagedModel(spec, raw, DictSource(tensors), plan=each) for each in (plan, None))
    step = mapped.context({"first": PROMPT})
    step.ops = counting = CountingOps(mapped.table)
    with torch.inference_mode():
        assert torch.equal(mapped.module(step), plain.step({"first": PROMPT})["first"])
        assert counting.calls["transfer"] == plan.borders
        constants = [*mapped.module.buffers(), *mapped.module.parameters()]
        recording, logits = record(mapped.module, mapped.context({"second": PROMPT}), constants)
        assert torch.equal(recording.play(mapped.context({"third": PROMPT})), logits)

    sizes = measure(spec.build.load(), mapped.config, MetaSource(dict.fromkeys(tensors, F32)))
    assert sizes.total == sum(tensor.nbytes for tensor in tensors.values())
    for share in plan.shares(sizes, 1):
        placed = sum(request.nbytes for request in mapped.builder.log if request.slot == share.slot)
        assert placed == share.weights
        kept = zip(mapped.builder.caches, mapped.builder.cache_slots, strict=True)
        assert share.cache == sum(spec.values_per_token for spec, slot in kept if slot == share.slot)
