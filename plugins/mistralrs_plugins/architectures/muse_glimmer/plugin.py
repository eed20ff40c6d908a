"""Muse Glimmer: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Muse Glimmer without its vision tower."""
    yield ArchitectureSpec(
        name="muse-glimmer",
        summary="Muse Glimmer (text)",
        hf_names=("MuseGlimmerForConditionalGeneration",),
        gguf_names=("muse-glimmer",),
        config=Ref("mistralrs_plugins.architectures.muse_glimmer.config:MuseGlimmerConfig"),
        build=Ref("mistralrs_plugins.architectures.muse_glimmer.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.muse_glimmer.gguf:GGUF"),
        tiny={**TINY, "head_dim": 16},
    )
