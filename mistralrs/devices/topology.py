"""A topology file: by layer or by tensor name, on which device and in which quantization.

```yaml
0-8:            # layers 0 to 7
  isq: q4k
8:
  device: cuda[1]
/mlp/:          # a regular expression on tensor names
  isq: q6k
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from mistralrs.devices.memory import parse_device
from mistralrs.devices.plan import DevicePlan
from mistralrs.errors import UsageError
from mistralrs.ops import Slot

MAX_BYTES = 1 << 20
MAX_LAYER = 4096
KEYS = ("isq", "device")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry: for ``layers``, or for tensors whose name ``pattern`` finds."""

    layers: range
    pattern: re.Pattern[str] | None
    isq: str | None
    device: torch.device | None


@dataclass(frozen=True, slots=True)
class Topology:
    """The rules of a file in their order; the last that says something about a layer or tensor holds."""

    rules: tuple[Rule, ...]

    def device(self, layer: int) -> torch.device | None:
        """The device of a layer, None when no rule names one."""
        named = [rule.device for rule in self.rules if layer in rule.layers and rule.device is not None]
        return named[-1] if named else None

    def isq(self, layer: int | None, name: str) -> str | None:
        """The quantization of a tensor, None when no rule names one."""
        named = [rule.isq for rule in self.rules if rule.isq is not None and _covers(rule, layer, name)]
        return named[-1] if named else None

    def plan(self, count: int, default: Slot) -> DevicePlan:
        """Layers where the file puts them, the others and the rest of the model on ``default``."""
        devices = [self.device(layer) for layer in range(count)]
        return DevicePlan(default, tuple(Slot.of(device) if device else default for device in devices))


def read_topology(path: Path) -> Topology:
    """The topology in a file. Raises UsageError naming the file and the entry at fault."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the topology {path}: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path} is larger than {MAX_BYTES >> 20} MiB: not a topology")
    try:
        entries = yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"{path} is not valid YAML") from None
    if not isinstance(entries, dict):
        raise UsageError(f"{path} must map layers to settings", "for example: '0-8: {isq: q4k, device: cpu}'")
    return Topology(tuple(_rule(path, str(key), value) for key, value in entries.items()))


def _rule(path: Path, key: str, settings: Any) -> Rule:
    where = f"{path}: {key[:60]!r}"
    if not isinstance(settings, dict) or not set(settings) <= set(KEYS):
        raise UsageError(f"{where} may set {' and '.join(KEYS)} only")
    isq, device = settings.get("isq"), settings.get("device")
    if not all(value is None or isinstance(value, str) for value in (isq, device)):
        raise UsageError(f"{where}: isq and device are names")
    layers, pattern = _selector(where, key)
    if pattern is not None and device is not None:
        raise UsageError(f"{where}: a device is chosen by layers, not by tensor names")
    return Rule(layers=layers, pattern=pattern, isq=isq, device=parse_device(device) if device else None)


def _selector(where: str, key: str) -> tuple[range, re.Pattern[str] | None]:
    if len(key) > 1 and key.startswith("/") and key.endswith("/"):
        try:
            return range(0), re.compile(key[1:-1])
        except re.error:
            raise UsageError(f"{where} is not a regular expression") from None
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", key, re.ASCII)
    if found is None:
        raise UsageError(f"{where} is neither a layer, layers START-END, nor /regular expression/")
    start = int(found[1])
    end = int(found[2]) if found[2] else start + 1
    if not start < end <= MAX_LAYER:
        raise UsageError(f"{where} names no layer; END is not included")
    return range(start, end), None


def _covers(rule: Rule, layer: int | None, name: str) -> bool:
    if rule.pattern is not None:
        return rule.pattern.search(name) is not None
    return layer is not None and layer in rule.layers
