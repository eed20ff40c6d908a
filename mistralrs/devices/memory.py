"""How much room a device has."""

from __future__ import annotations

import psutil
import torch

from mistralrs.errors import UsageError
from mistralrs.ops import Slot

ACCELERATORS = ("cuda", "mps", "xpu")


def free_bytes(device: torch.device) -> int:
    """Memory that a model may take now; of an accelerator without such a figure, what is free on the host."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def machine_slots(*, cpu: bool) -> dict[Slot, int]:
    """Where this machine can run layers, in the order that plans fill them, with the bytes free there.

    Every CUDA device that torch sees, unless ``cpu`` rules them out, and the host last.
    """
    seen = 0 if cpu or not torch.cuda.is_available() else torch.cuda.device_count()
    devices = [*(torch.device("cuda", index) for index in range(seen)), torch.device("cpu")]
    return {Slot.of(device): free_bytes(device) for device in devices}


def parse_device(text: str) -> torch.device:
    """A device as users write it: ``cpu``, ``cuda``, ``cuda:1`` or ``cuda[1]``. Raises UsageError."""
    name = text.strip().lower().replace("[", ":").removesuffix("]")
    kind, _, index = name.partition(":")
    kind = "mps" if kind == "metal" else kind
    if kind == "cpu" and not index:
        return torch.device("cpu")
    if kind not in ACCELERATORS or not (not index or (index.isascii() and index.isdigit() and len(index) < 4)):
        raise UsageError(f"{text.strip()[:40]!r} is not a device", "cpu, cuda, cuda[1], metal")
    return torch.device(kind, int(index or 0))
