"""Which layers go where, and what each place then holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mistralrs.errors import UsageError
from mistralrs.ops import Slot
from mistralrs.weights import Sizes, WeightBuilder

HEADROOM = 0.1
"""Share of free memory that a plan leaves alone: activations, and what the estimate does not know of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one slot holds. ``free`` is what it had to offer, None when nobody asked."""

    slot: Slot
    layers: tuple[int, ...]
    weights: int
    cache: int
    free: int | None

    def __str__(self) -> str:
        free = "" if self.free is None else f" of {_size(self.free)} free"
        held = f"weights {_size(self.weights)}, cache {_size(self.cache)}{free}"
        return f"{self.slot.name}: {_ranges(self.layers) or 'no layers'}, {held}"


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """Each layer's slot, and ``home`` for everything outside the layers."""

    home: Slot
    layers: tuple[Slot, ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every slot that holds something, home first."""
        return tuple(dict.fromkeys((self.home, *self.layers)))

    @property
    def borders(self) -> int:
        """How often hidden states move in a step, the way back home counted."""
        stops = [self.home, *self.layers, self.home]
        return sum(a != b for a, b in pairwise(stops))

    def apply(self, wb: WeightBuilder) -> WeightBuilder:
        """A builder that puts every tensor where it belongs."""
        return replace(wb, device=self.home.device, slot=self.home, place=self.layers.__getitem__)

    def shares(
        self, sizes: Sizes, token_bytes: int, free: Mapping[Slot, int] | None = None, sequences: int = 0
    ) -> list[Share]:
        """What each slot holds; ``token_bytes`` and ``sequences`` as in :func:`automatic`."""
        shares = []
        for slot in self.slots:
            own = tuple(layer for layer, at in enumerate(self.layers) if at == slot)
            shares.append(
                Share(
                    slot=slot,
                    layers=own,
                    weights=sum(sizes.layers[i] for i in own) + (sizes.rest if slot == self.home else 0),
                    cache=sizes.kept(own, token_bytes, sequences),
                    free=None if free is None else free.get(slot),
                )
            )
        return shares


def automatic(sizes: Sizes, free: Mapping[Slot, int], token_bytes: int, sequences: int = 0) -> DevicePlan:
    """Fill the slots in their order, so that layers stay together and few borders are crossed.

    ``token_bytes`` is the number of tokens the cache shall hold times the bytes of one number in it, ``sequences`` for
    how many recurrent layers shall keep a state. Raises UsageError with the figures when the model does not fit.
    """
    slots = list(free)
    room = {slot: int(free[slot] * (1 - HEADROOM)) for slot in slots}
    home, current = slots[0], 0
    room[home] -= sizes.rest
    layers: list[Slot] = []
    for layer, weights in enumerate(sizes.layers):
        need = weights + sizes.kept((layer,), token_bytes, sequences)
        while current < len(slots) and room[slots[current]] < need:
            current += 1
        if current == len(slots):
            raise _too_large(sizes, free, token_bytes, sequences)
        room[slots[current]] -= need
        layers.append(slots[current])
    if room[home] < 0:
        raise _too_large(sizes, free, token_bytes, sequences)
    return DevicePlan(home, tuple(layers))


def manual(text: str, count: int, accelerators: Sequence[Slot], rest: Slot) -> DevicePlan:
    """The plan of ``--device-layers``: ``ORD:NUM;ORD:NUM``, or one number for device 0. Others go to ``rest``.

    Raises UsageError for anything that does not add up.
    """
    layers: list[Slot] = []
    seen: set[int] = set()
    for part in text.split(";"):
        ordinal, _, number = part.rpartition(":")
        device, amount = _number(ordinal or "0", part), _number(number, part)
        if device >= len(accelerators):
            have = ", ".join(f"{i} is {slot.name}" for i, slot in enumerate(accelerators)) or "there is none"
            raise UsageError(f"--device-layers names device {device}", f"devices: {have}")
        if device in seen:
            raise UsageError(f"--device-layers names device {device} twice")
        seen.add(device)
        if len(layers) + amount > count:
            raise UsageError(f"--device-layers places {len(layers) + amount} layers or more, the model has {count}")
        layers += [accelerators[device]] * amount
    layers += [rest] * (count - len(layers))
    return DevicePlan(layers[0] if layers else rest, tuple(layers))


def _number(text: str, part: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise UsageError(f"--device-layers: {part.strip()[:40]!r} is not ORD:NUM", "for example 0:16;1:16")
    return int(text)


def _too_large(sizes: Sizes, free: Mapping[Slot, int], token_bytes: int, sequences: int) -> UsageError:
    cache = sizes.kept(range(len(sizes.layers)), token_bytes, sequences)
    need = f"weights {_size(sizes.total)} and cache {_size(cache)}"
    have = ", ".join(f"{slot.name} {_size(room)}" for slot, room in free.items())
    hint = "use a smaller or quantized model, or a shorter context"
    return UsageError(f"the model does not fit: {need}; free: {have}, of which {HEADROOM:.0%} stays free", hint)


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _ranges(layers: Iterable[int]) -> str:
    """``layers 0-3, 6``."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return "layers " + ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs) if runs else ""
