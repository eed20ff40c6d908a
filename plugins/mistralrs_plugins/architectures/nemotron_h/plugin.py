"""Nemotron-H: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

SIZES = {
    **TINY,
    "layers_block_type": ["linear_attention", "full_attention", "mlp"],
    "num_hidden_layers": 3,
    "head_dim": 16,
    "mamba_num_heads": 8,
    "mamba_head_dim": 8,
    "ssm_state_size": 8,
    "n_groups": 2,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Nemotron-H and Nemotron Nano 2, which have no experts."""
    yield ArchitectureSpec(
        name="nemotron-h",
        summary="NVIDIA Nemotron-H and Nemotron Nano 2 (without experts)",
        hf_names=("NemotronHForCausalLM",),
        gguf_names=("nemotron_h",),
        config=Ref("mistralrs_plugins.architectures.nemotron_h.config:NemotronHConfig"),
        build=Ref("mistralrs_plugins.architectures.nemotron_h.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.nemotron_h.gguf:GGUF"),
        tiny=SIZES,
    )
