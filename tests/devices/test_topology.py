"""Topology files: what they say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mistralrs.devices.memory import parse_device
from mistralrs.devices.topology import Topology, read_topology
from mistralrs.errors import UsageError
from mistralrs.ops import Slot

CPU = Slot.of(torch.device("cpu"))


def read(tmp_path: Path, text: str) -> Topology:
    path = tmp_path / "topology.yml"
    path.write_text(text, encoding="utf-8")
    return read_topology(path)


def test_layers_ranges_and_names(tmp_path: Path) -> None:
    found = read(tmp_path, "0-2: {isq: q4k}\n1:\n  isq: q8_0\n  device: cuda[1]\n/mlp/: {isq: q6k}\n")
    assert [found.device(layer) for layer in range(3)] == [None, torch.device("cuda", 1), None]
    assert found.isq(0, "model.layers.0.self_attn.q_proj") == "q4k"
    assert found.isq(1, "model.layers.1.self_attn.q_proj") == "q8_0"
    assert found.isq(1, "model.layers.1.mlp.up_proj") == "q6k"
    assert found.isq(None, "lm_head") is None
    plan = found.plan(3, CPU)
    assert [slot.name for slot in plan.layers] == ["cpu", "cuda:1", "cpu"]
    assert plan.home == CPU
    assert plan.borders == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "must map layers"),
        ("0: q4k", "may set isq and device only"),
        ("0: {quant: q4k}", "may set isq and device only"),
        ("0: {isq: 4}", "are names"),
        ("0: {device: tpu}", "'tpu' is not a device"),
        ("3-3: {isq: q4k}", "names no layer"),
        ("0-99999: {isq: q4k}", "neither a layer"),
        ("first: {isq: q4k}", "neither a layer"),
        ("/(/: {isq: q4k}", "not a regular expression"),
        ("/mlp/: {device: cpu}", "chosen by layers"),
        ("0: {isq: !!python/object/apply:os.system ['true']}", "not valid YAML"),
        ("{" * 100_000, "not valid YAML"),
        ("0: [", "not valid YAML"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text)


def test_a_missing_or_huge_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_topology(tmp_path / "none.yml")
    with pytest.raises(UsageError, match="larger than"):
        read(tmp_path, "#" * (1 << 20) + "\n")


def test_names_of_devices() -> None:
    assert parse_device("CUDA") == torch.device("cuda", 0)
    assert parse_device("metal[0]") == torch.device("mps", 0)
    assert parse_device("cpu") == torch.device("cpu")
    for wrong in ("", "cuda[x]", "cuda:-1", "cuda:99999", "cpu:1", "npu"):
        with pytest.raises(UsageError, match="is not a device"):
            parse_device(wrong)
