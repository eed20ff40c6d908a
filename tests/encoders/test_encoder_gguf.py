"""Encoders in GGUF embed as their checkpoints do, and as llama.cpp does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers
import xllamacpp

from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.engine.request import Embed, Embedded
from mistralrs.loading.inspect import inspect
from mistralrs.loading.load import load
from mistralrs.loading.tokenizer import load_tokenizer
from mistralrs.plugin.host import PluginHost
from tests.architectures.cases import state_of
from tests.encoders.test_encoder_parity import BOTH_SIDES, SIZES, WINDOWS

IDS = [2, 17, 40, 5, 63, 91, 8, 22, 75, 31, 3]
# llama.cpp looks GELU up in a table of half floats, and sums in them elsewhere.
ALIKE = 0.9999
BODIES = {"bert": "bert.", "nomic-bert": "model.", "modern-bert": "model.", "gemma-embedding": "model."}
DISTIL = {"dim": 32, "hidden_dim": 48, "n_heads": 4, "n_layers": 3}
# llama.cpp gives every sixth layer of EmbeddingGemma the whole text.
SIX = {**BOTH_SIDES, "num_hidden_layers": 6, "layer_types": ["sliding_attention"] * 5 + ["full_attention"]}
CASES = {
    "bert": ("bert", "BertModel", "BertConfig", {"type_vocab_size": 2, "hidden_act": "gelu"}),
    "roberta": ("bert", "RobertaModel", "RobertaConfig", {"type_vocab_size": 1}),
    "distilbert": ("bert", "DistilBertModel", "DistilBertConfig", DISTIL),
    "nomic-bert": ("nomic-bert", "NomicBertModel", "NomicBertConfig", {"type_vocab_size": 2}),
    "modern-bert": ("modern-bert", "ModernBertModel", "ModernBertConfig", WINDOWS),
    "gemma-embedding": ("gemma-embedding", "Gemma3TextModel", "Gemma3TextConfig", SIX),
}
PARTS_OF_DISTILBERT = {
    "transformer.layer": "encoder.layer",
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}


@pytest.fixture(scope="module", params=CASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model of transformers, and the GGUF that a converter would make of it."""
    arch, key, config_name, extra = CASES[request.param]
    config = getattr(transformers, config_name)(**{**SIZES, **extra})
    torch.manual_seed(11)
    model = getattr(transformers, key)._from_config(config, attn_implementation="eager").eval()
    path = tmp_path_factory.mktemp("encoders") / f"{arch}.gguf"
    write(path, arch, model)
    return model, path


def write(path: Path, arch: str, model: Any) -> None:
    """What llama.cpp's converters write for an encoder."""
    config, table = model.config, PluginHost().resolve("architecture", f"gguf:{arch}").gguf.load()
    writer = gguf.GGUFWriter(str(path), arch)
    writer.add_block_count(config.num_hidden_layers)
    meaningless = config.pad_token_id + 1 if config.model_type == "roberta" else 0
    writer.add_context_length(config.max_position_embeddings - meaningless)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", 0) or config.hidden_dim)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", 0) or getattr(config, "norm_eps", 1e-12))
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    if arch == "nomic-bert":
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if arch == "gemma-embedding":
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
        writer.add_sliding_window(BOTH_SIDES["sliding_window"])
    if arch == "modern-bert":
        ropes = config.rope_parameters
        writer.add_rope_freq_base(ropes["full_attention"]["rope_theta"])
        writer.add_rope_freq_base_swa(ropes["sliding_attention"]["rope_theta"])
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
        writer.add_sliding_window(config.local_attention)
        writer.add_sliding_window_pattern(config.num_hidden_layers)
    add_vocabulary(writer, config.vocab_size, getattr(config, "type_vocab_size", 1))
    for name, tensor in converted(model, arch).items():
        full = name if name.startswith(BODIES[arch]) else BODIES[arch] + name
        writer.add_tensor(table.rename(full), np.ascontiguousarray(tensor.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def converted(model: Any, arch: str) -> dict[str, torch.Tensor]:
    """Its tensors, those of relatives under BERT's names and without the rows of positions that mean nothing."""
    state = {name: tensor for name, tensor in state_of(model).items() if "pooler" not in name}
    if model.config.model_type == "roberta":
        positions = "embeddings.position_embeddings.weight"
        state[positions] = state[positions][model.config.pad_token_id + 1 :]
    if model.config.model_type == "distilbert":
        for part, usual in PARTS_OF_DISTILBERT.items():
            state = {name.replace(part, usual): tensor for name, tensor in state.items()}
    if arch == "gemma-embedding":
        state = {name: tensor + 1 if name.endswith("norm.weight") else tensor for name, tensor in state.items()}
    return state


def add_vocabulary(writer: gguf.GGUFWriter, size: int, kinds_of_token: int) -> None:
    """Words for both programs to load."""
    kinds = gguf.TokenType
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"\u2581t{index}" for index in range(4, size))])
    writer.add_token_types([kinds.CONTROL, kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.NORMAL] * (size - 4))
    writer.add_token_type_count(kinds_of_token)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_eos_token_id(3)


def ours(path: Path) -> np.ndarray[Any, Any]:
    host, selection = PluginHost(), ModelSelection(model_id=str(path))
    files = ModelFiles(id="tiny", source="local", root=path.parent, weights=(path,))
    inspected = inspect(host, files, selection)
    tokenizer = load_tokenizer(host, files, inspected.checkpoint)
    loaded = load(
        host, inspected, tokenizer, selection=selection, runtime=RuntimeConfig(), paged=PagedAttentionConfig()
    )
    loaded.engine.add(Embed(id=0, prompt=tuple(IDS)))
    (vector,) = [output.values for output in loaded.engine.step() if isinstance(output, Embedded)]
    return np.array(vector)


def test_it_embeds_as_the_checkpoint(pair: tuple[Any, Path]) -> None:
    model, path = pair
    with torch.inference_mode():
        mean = model(input_ids=torch.tensor([IDS])).last_hidden_state[0].mean(0)
    expected = torch.nn.functional.normalize(mean, dim=0).numpy()
    np.testing.assert_allclose(ours(path), expected, atol=1e-4)


def test_it_embeds_as_llama_cpp(pair: tuple[Any, Path]) -> None:
    _, path = pair
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.embedding, params.n_ctx, params.n_parallel, params.warmup, params.verbosity = True, 256, 1, False, 0
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    answer = server.handle_embeddings({"input": IDS})
    theirs = np.array(answer["data"][0]["embedding"], np.float32)
    assert float(ours(path) @ theirs) >= ALIKE
