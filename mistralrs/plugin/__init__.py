"""What the author of a plugin imports: the records to fill in, the marker of hooks, and the API's version."""

from mistralrs.plugin.facts import KernelNeeds, ModelFacts, ModelInfo, RequestRecord
from mistralrs.plugin.hookspecs import hookimpl
from mistralrs.plugin.ref import Ref
from mistralrs.plugin.specs import (
    API_VERSION,
    ArchitectureSpec,
    FormatSpec,
    FrontendSpec,
    KernelsSpec,
    QuantizationSpec,
    SourceSpec,
    Spec,
    TokenizerSpec,
)

__all__ = [
    "API_VERSION",
    "ArchitectureSpec",
    "FormatSpec",
    "FrontendSpec",
    "KernelNeeds",
    "KernelsSpec",
    "ModelFacts",
    "ModelInfo",
    "QuantizationSpec",
    "Ref",
    "RequestRecord",
    "SourceSpec",
    "Spec",
    "TokenizerSpec",
    "hookimpl",
]
