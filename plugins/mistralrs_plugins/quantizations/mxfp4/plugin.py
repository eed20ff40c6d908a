"""MXFP4: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import QuantizationSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_quantizations() -> Iterable[QuantizationSpec]:
    """What config.json of GPT-OSS states."""
    yield QuantizationSpec(
        name="mxfp4",
        summary="Four-bit floats in blocks of 32, for the experts of GPT-OSS",
        method=Ref("mistralrs_plugins.quantizations.mxfp4.method:expert_blocks"),
        config_names=("mxfp4",),
        bits_per_weight=4.25,
    )
