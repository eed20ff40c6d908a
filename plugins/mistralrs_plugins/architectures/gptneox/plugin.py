"""GPT-NeoX: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GPT-NeoX."""
    yield ArchitectureSpec(
        name="gptneox",
        summary="GPT-NeoX, Pythia, RedPajama, Dolly",
        hf_names=("GPTNeoXForCausalLM",),
        gguf_names=("gptneox",),
        config=Ref("mistralrs_plugins.architectures.gptneox.config:GptNeoxConfig"),
        build=Ref("mistralrs_plugins.architectures.gptneox.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gptneox.config:GGUF"),
        tiny={**TINY, "num_key_value_heads": 4},
    )
