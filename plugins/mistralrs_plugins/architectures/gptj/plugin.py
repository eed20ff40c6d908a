"""GPT-J: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GPT-J."""
    yield ArchitectureSpec(
        name="gptj",
        summary="GPT-J 6B",
        hf_names=("GPTJForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.gptj.config:GptJConfig"),
        build=Ref("mistralrs_plugins.architectures.gptj.model:build"),
        tiny={**TINY, "num_key_value_heads": 4, "rotary_dim": 4},
    )
