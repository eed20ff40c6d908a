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
from tests.encoders.test_encoder_parity import SIZES, WINDOWS

IDS = [2, 17, 40, 5, 63, 91, 8, 22, 75, 31, 3]
# llama.cpp looks GELU up in a table of half floats, and sums in them elsewhere.
ALIKE = 0.9999
BODIES = {"bert": "bert.", "nomic-bert": "model.", "modern-bert": "model."}
CASES = {
    "bert": ("BertModel", "BertConfig", {"type_vocab_size": 2, "hidden_act": "gelu"}),
    "nomic-bert": ("NomicBertModel", "NomicBertConfig", {"type_vocab_size": 2}),
    "modern-bert": ("ModernBertModel", "ModernBertConfig", WINDOWS),
}


@pytest.fixture(scope="module", params=CASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model of transformers, and the GGUF that a converter would make of it."""
    arch: str = request.param
    key, config_name, extra = CASES[arch]
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
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", 0) or config.norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    if arch == "nomic-bert":
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if arch == "modern-bert":
        ropes = config.rope_parameters
        writer.add_rope_freq_base(ropes["full_attention"]["rope_theta"])
        writer.add_rope_freq_base_swa(ropes["sliding_attention"]["rope_theta"])
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
        writer.add_sliding_window(config.local_attention)
        writer.add_sliding_window_pattern(config.num_hidden_layers)
    add_vocabulary(writer, config.vocab_size)
    for name, tensor in state_of(model).items():
        full = name if name.startswith(BODIES[arch]) else BODIES[arch] + name
        if "pooler" not in name:
            writer.add_tensor(table.rename(full), np.ascontiguousarray(tensor.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Words for both programs to load."""
    kinds = gguf.TokenType
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"\u2581t{index}" for index in range(4, size))])
    writer.add_token_types([kinds.CONTROL, kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.NORMAL] * (size - 4))
    writer.add_token_type_count(2)
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
