"""Which projections are quantized, and how: what the model's config.json states, or what the user asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mistralrs.errors import ModelFormatError, UsageError
from mistralrs.plugin import QuantizationSpec
from mistralrs.weights import Dense, QuantMethod

if TYPE_CHECKING:
    from mistralrs.devices.topology import Topology
    from mistralrs.loading.inspect import Inspected
    from mistralrs.plugin.host import PluginHost

STATED = "quantization_config"

Names = Callable[[str], str | None]
"""By the path of a projection: which method quantizes it during loading, if any."""


def in_situ_names(wanted: str | None, topology: Topology | None) -> Names:
    """The method of each projection: what the topology says of its layer or name, else ``wanted``."""
    if topology is None:
        return lambda _path: wanted

    def name(path: str) -> str | None:
        # Of the numbers in a path the first is the layer's; experts and the like come after it.
        layer = next((int(part) for part in path.split(".") if part.isdecimal()), None)
        return topology.isq(layer, f"{path}.weight") or wanted

    return name


def in_situ_bits(host: PluginHost, names: Names) -> Callable[[str], float | None]:
    """Bits a weight takes in each projection that is quantized during loading, None for the others."""

    def bits(path: str) -> float | None:
        name = names(path)
        return None if name is None else host.resolve("quantization", name).bits_per_weight

    return bits


def choose_quantization(
    host: PluginHost, inspected: Inspected, wanted: str | None, names: Names
) -> Callable[[str], QuantMethod]:
    """The method of each projection, by its path.

    ``wanted`` is the user's ``--isq``, ``names`` from :func:`in_situ_names`. Raises UsageError when it cannot be
    applied, PluginError when no plugin knows the method, ModelFormatError when the model's statement cannot be read.
    """
    stated = inspected.raw.get(STATED)
    if stated is not None:
        return _stated(host, inspected, stated, wanted)
    dense = Dense()

    @lru_cache
    def method(name: str) -> QuantMethod:
        spec: QuantizationSpec = host.resolve("quantization", name)
        if not spec.in_situ:
            raise UsageError(
                f"quantization/{spec.name} reads models that were quantized before; it cannot quantize one itself",
                "mistralrs plugins list --load --kind quantization",
            )
        made: QuantMethod = host.make(spec, spec.method, {})
        return made

    if wanted is not None:
        method(wanted)  # refuse a wrong name before anything is read
    return lambda path: dense if (name := names(path)) is None else method(name)


def _stated(host: PluginHost, inspected: Inspected, stated: Any, wanted: str | None) -> Callable[[str], QuantMethod]:
    """The method of a model that was quantized before, except for the modules it left alone."""
    name = stated.get("quant_method") if isinstance(stated, Mapping) else None
    if not isinstance(name, str):
        raise ModelFormatError(f"{STATED} of {inspected.files.id} names no quant_method")
    if wanted is not None:
        raise UsageError(f"{inspected.files.id} is quantized already ({name}), so --isq cannot be applied")
    left = stated.get("modules_to_not_convert") or ()
    if not isinstance(left, list | tuple) or not all(isinstance(each, str) for each in left):
        raise ModelFormatError(f"modules_to_not_convert of {inspected.files.id} must be a list of names")
    spec: QuantizationSpec = host.resolve("quantization", f"config:{name}")
    method: QuantMethod = host.make(spec, spec.method, dict(stated))
    dense = Dense()
    return lambda path: dense if _is_left(path, left) else method


def _is_left(path: str, left: list[str] | tuple[str, ...]) -> bool:
    """Whether a module or one it is part of is named, in full or by its last words."""
    return any(f".{name}." in f".{path}." for name in left)
