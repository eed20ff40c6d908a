"""InternLM 2 and 3, of which transformers has no models: equal to a Llama with the same weights under other names."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from cases import SIZES

from mistralrs.plugin.host import PluginHost
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import DictSource

State = dict[str, torch.Tensor]
NAMES = {
    "embed_tokens": "tok_embeddings",
    "lm_head": "output",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.up_proj": "feed_forward.w3",
    "mlp.down_proj": "feed_forward.w2",
}


def llama(**extra: Any) -> tuple[Any, State]:
    torch.manual_seed(5)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**SIZES, **extra})).eval()
    for name, parameter in model.named_parameters():
        if "norm" in name or "bias" in name:
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    return model, dict(model.state_dict())


def internlm2(state: State, config: Any) -> State:
    """As its checkpoints have it: for each key head, its queries, the key and the value in one matrix."""
    result: State = {}
    for name, tensor in state.items():
        other = name
        for ours, theirs in NAMES.items():
            other = other.replace(ours, theirs)
        result[other] = tensor
    groups, size = config.num_key_value_heads, config.head_dim
    for layer in range(config.num_hidden_layers):
        parts = [result.pop(f"model.layers.{layer}.self_attn.{name}_proj.weight") for name in "qkv"]
        grouped = torch.cat([part.view(groups, -1, size, config.hidden_size) for part in parts], dim=1)
        result[f"model.layers.{layer}.attention.wqkv.weight"] = grouped.reshape(-1, config.hidden_size)
    return result


@torch.inference_mode()
def same(name: str, reference: Any, state: State, config: dict[str, Any]) -> None:
    source = DictSource(state)
    ids = torch.randint(0, SIZES["vocab_size"], (17,), generator=torch.Generator().manual_seed(1))
    ours = PagedModel(PluginHost().resolve("architecture", name), config, source)
    torch.testing.assert_close(ours.step({"a": ids.tolist()})["a"], reference(ids[None]).logits[0], rtol=0, atol=1e-4)
    assert not source.unread()


def test_internlm2_is_llama_with_one_matrix_for_queries_keys_and_values() -> None:
    reference, state = llama()
    config = {**reference.config.to_dict(), "bias": False}
    same("InternLM2ForCausalLM", reference, internlm2(state, reference.config), config)


def test_internlm3_is_llama_with_two_kinds_of_biases() -> None:
    reference, state = llama(attention_bias=True, mlp_bias=True)
    config = {**reference.config.to_dict(), "bias": True, "qkv_bias": True}
    same("InternLM3ForCausalLM", reference, state, config)
