"""GPT BigCode: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GPT BigCode."""
    yield ArchitectureSpec(
        name="gptbigcode",
        summary="StarCoder, SantaCoder and their relatives",
        hf_names=("GPTBigCodeForCausalLM",),
        gguf_names=("starcoder",),
        config=Ref("mistralrs_plugins.architectures.gptbigcode.config:GptBigCodeConfig"),
        build=Ref("mistralrs_plugins.architectures.gptbigcode.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gptbigcode.config:GGUF"),
        tiny=TINY,
    )
