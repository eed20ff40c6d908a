"""OPT: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """OPT."""
    yield ArchitectureSpec(
        name="opt",
        summary="OPT (all but the 350m model)",
        hf_names=("OPTForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.opt.config:OptConfig"),
        build=Ref("mistralrs_plugins.architectures.opt.model:build"),
        tiny={**TINY, "num_key_value_heads": TINY["num_attention_heads"]},
    )
