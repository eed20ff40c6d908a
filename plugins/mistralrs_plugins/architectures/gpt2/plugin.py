"""GPT-2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GPT-2."""
    yield ArchitectureSpec(
        name="gpt2",
        summary="GPT-2 and its relatives",
        hf_names=("GPT2LMHeadModel",),
        gguf_names=("gpt2",),
        config=Ref("mistralrs_plugins.architectures.gpt2.config:Gpt2Config"),
        build=Ref("mistralrs_plugins.architectures.gpt2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gpt2.config:GGUF"),
        tiny={**TINY, "num_key_value_heads": 4},
    )
