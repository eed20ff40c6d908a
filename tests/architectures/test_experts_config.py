"""What configs and GGUF metadata say about experts and latent attention."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mistralrs.checkpoint import TensorInfo
from mistralrs.layouts import F32
from mistralrs.modelkit import TINY, LatentGgufMap, MoeConfig
from mistralrs.modelkit.experts_gguf import MOE
from mistralrs.modelkit.latent_config import LATENT_CONFIG

EXPERTS = {**TINY, "num_experts": 8}
EMBEDDING = {"token_embd.weight": TensorInfo(name="token_embd.weight", shape=(64, 32), layout=F32)}


def config(**fields: Any) -> MoeConfig:
    return MoeConfig.model_validate({**EXPERTS, **fields})


@pytest.mark.parametrize("name", ["num_local_experts", "n_routed_experts", "moe_num_experts"])
def test_one_number_under_many_names(name: str) -> None:
    assert MoeConfig.model_validate({**TINY, name: 6}).num_experts == 6


def test_lists_that_say_the_same_for_every_layer() -> None:
    assert config(moe_topk=[3, 3]).num_experts_per_tok == 3
    with pytest.raises(ValidationError, match="num_experts_per_tok differs between layers"):
        config(moe_topk=[3, 2])


@pytest.mark.parametrize(
    ("fields", "sparse"),
    [
        ({}, [True] * 4),
        ({"first_k_dense_replace": 1}, [False, True, True, True]),
        ({"decoder_sparse_step": 2}, [False, True, False, True]),
        ({"mlp_only_layers": [1, 2]}, [True, False, False, True]),
        ({"mlp_layer_types": ["dense", "sparse", "dense", "dense"]}, [False, True, False, False]),
    ],
)
def test_which_layers_have_experts(fields: dict[str, Any], sparse: list[bool]) -> None:
    found = config(num_hidden_layers=4, **fields)
    assert [found.is_sparse(layer) for layer in range(4)] == sparse


@pytest.mark.parametrize(
    "fields",
    [
        {"n_group": 3},
        {"n_group": 2, "topk_group": 3},
        {"n_group": 4, "topk_group": 1, "num_experts_per_tok": 3},
        {"num_experts_per_tok": 9},
        {"n_group": 8, "topk_group": 8, "group_best": 2},
    ],
)
def test_choices_that_cannot_be_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="experts"):
        config(**fields)


def test_gguf_states_the_router_as_a_number() -> None:
    metadata = {"general.architecture": "x", "x.expert_count": 4, "x.expert_gating_func": 2, "x.block_count": 3}
    found = MOE.to_config({**metadata, "x.nextn_predict_layers": 1}, EMBEDDING)
    assert found["num_hidden_layers"] == 2, "blocks that only guess ahead are not layers"
    assert MoeConfig.model_validate({**TINY, **found}).scoring_func == "sigmoid"


@pytest.mark.parametrize("mla", [True, False])
def test_gguf_states_heads_in_two_ways(mla: bool) -> None:
    metadata = {"general.architecture": "x", "x.rope.dimension_count": 8, "x.attention.kv_lora_rank": 16}
    metadata |= {"x.attention.key_length": 24, "x.attention.value_length": 12}
    if mla:
        metadata |= {"x.attention.key_length": 24, "x.attention.value_length": 16}
        metadata |= {"x.attention.key_length_mla": 24, "x.attention.value_length_mla": 12}
    found = LatentGgufMap(config=LATENT_CONFIG).to_config(metadata, EMBEDDING)
    assert (found["qk_nope_head_dim"], found["qk_rope_head_dim"], found["v_head_dim"]) == (16, 8, 12)
