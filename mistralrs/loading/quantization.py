"""Which projections are quantized, and how: what the model's config.json states, or what the user asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mistralrs.errors import ModelFormatError, UsageError
from mistralrs.plugin import QuantizationSpec
from mistralrs.weights import Dense, QuantMethod

if TYPE_CHECKING:
    from mistralrs.loading.inspect import Inspected
    from mistralrs.plugin.host import PluginHost

STATED = "quantization_config"


def choose_quantization(host: PluginHost, inspected: Inspected, wanted: str | None) -> Callable[[str], QuantMethod]:
    """The method of each projection, by its path.

    ``wanted`` is the user's ``--isq``. Raises UsageError when it cannot be applied, PluginError when no plugin knows
    the method, ModelFormatError when the model's own statement cannot be read.
    """
    stated = inspected.raw.get(STATED)
    if stated is not None:
        return _stated(host, inspected, stated, wanted)
    dense = Dense()
    if wanted is None:
        return lambda _path: dense
    spec: QuantizationSpec = host.resolve("quantization", wanted)
    if not spec.in_situ:
        raise UsageError(
            f"quantization/{spec.name} reads models that were quantized before; it cannot quantize one itself",
            "mistralrs plugins list --load --kind quantization",
        )
    method: QuantMethod = host.make(spec, spec.method, {})
    return lambda _path: method


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
