"""Absmax: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import QuantizationSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_quantizations() -> Iterable[QuantizationSpec]:
    """Eight bits, quantized while a model is loaded."""
    yield QuantizationSpec(
        name="absmax8",
        summary="Signed bytes with one scale for each row, the row's largest weight being 127",
        method=Ref("mistralrs_absmax.method:Absmax"),
        bits_per_weight=8.0625,
        in_situ=True,
    )
