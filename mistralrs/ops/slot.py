"""Where a layer runs."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Slot:
    """A named place for layers: a device, or a share of one that counts its own bytes."""

    name: str
    device: torch.device

    @classmethod
    def of(cls, device: torch.device) -> Slot:
        """The slot that is a whole device."""
        return cls(str(device), device)
