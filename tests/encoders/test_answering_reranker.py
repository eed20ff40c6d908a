"""Decoders that score a pair of texts by their answer: the model card of Qwen3 Reranker, and sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from mistralrs.api.asynchronous import TextSide
from mistralrs.api.pairs import question
from mistralrs.api.prepare import Prepared, read_text_side
from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.engine.request import Embed, Embedded
from mistralrs.errors import ModelFormatError, RequestError
from mistralrs.loading.chat import ChatTemplate
from mistralrs.loading.inspect import inspect
from mistralrs.loading.load import load
from mistralrs.loading.templates.sources import shipped
from mistralrs.plugin.host import PluginHost
from tests.architectures.cases import state_of

QUESTION_WORDS = ["Judge", "whether", "the", "Document", "meets", "requirements", "and"]
WORDS = ["yes", "no", *QUESTION_WORDS, "a", "lake", "river", "blue", "whale", "sings", "deep"]
SPECIAL = ["<unk>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
PAIRS = [("a blue whale", "the whale sings deep"), ("a blue whale", "a lake the river"), ("river", "river river")]
CARD = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n',
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
)
INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
OWN_TEMPLATE = (
    "{{- '<|im_start|>' ~ (messages | selectattr('role', 'eq', 'query') | first).content ~ '<think>' -}}"
    "{{- (messages | selectattr('role', 'eq', 'document') | first).content ~ '</think>' -}}"
)
CHAT = "{% for message in messages %}{{ message.content }}{% endfor %}"


@pytest.fixture(scope="module")
def reference() -> Any:
    config = transformers.Qwen3Config(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=96,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    torch.manual_seed(5)
    return transformers.Qwen3ForCausalLM._from_config(config, attn_implementation="eager").eval()


def write(folder: Path, reference: Any, template: str, modules: Sequence[dict[str, Any]] | None = None) -> ModelFiles:
    save_file({name: tensor.contiguous() for name, tensor in state_of(reference).items()}, folder / "model.safetensors")
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate([*SPECIAL, *WORDS])}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    config = {**reference.config.to_dict(), "architectures": ["Qwen3ForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    if modules is not None:
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_LogitScore").mkdir()
        (folder / "1_LogitScore" / "config.json").write_text(json.dumps({"true_token_id": 9, "false_token_id": 14}))
    companions = {str(path.relative_to(folder)): path for path in folder.rglob("*.json")}
    return ModelFiles(
        id="tiny", source="local", root=folder, weights=(folder / "model.safetensors",), companions=companions
    )


def prepared(files: ModelFiles, selection: ModelSelection) -> Prepared:
    host = PluginHost()
    return read_text_side(host, selection, inspect(host, files, selection))


def scores(files: ModelFiles, selection: ModelSelection) -> list[float]:
    """Of all pairs, in one step."""
    ready = prepared(files, selection)
    assert ready.inspected.task == "score"
    model = load(
        PluginHost(),
        ready.inspected,
        ready.tokenizer,
        selection=selection.model_copy(update={"dtype": "f32"}),
        runtime=RuntimeConfig(),
        paged=PagedAttentionConfig(),
    )
    for index, pair in enumerate(PAIRS):
        ids = question(ready.tokenizer, ready.template, pair, model.context_length, truncate=False)
        model.engine.add(Embed(id=index, prompt=ids))
    found = {output.id: output.values for output in model.engine.step() if isinstance(output, Embedded)}
    return [float(found[index][0]) for index in range(len(PAIRS))]


@torch.inference_mode()
def last_logits(reference: Any, folder: Path, text: str) -> torch.Tensor:
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    logits: torch.Tensor = reference(ids).logits[0, -1]
    return logits


def test_the_procedure_of_the_model_card(reference: Any, tmp_path: Path) -> None:
    files = write(tmp_path, reference, CHAT)
    yes, no = (len(SPECIAL) + WORDS.index(word) for word in ("yes", "no"))
    expected = []
    for query, document in PAIRS:
        text = f"<Instruct>: {INSTRUCTION}\n<Query>: {query}\n<Document>: {document}"
        logits = last_logits(reference, tmp_path, CARD[0] + text + CARD[1])
        expected.append(logits[[no, yes]].log_softmax(0)[1].exp().item())
    found = scores(files, ModelSelection(model_id="tiny", arch="qwen3-reranker"))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert max(expected) - min(expected) > 0.01


def test_the_question_to_the_letter() -> None:
    template = ChatTemplate({"default": shipped("qwen3_reranker").read_text()})
    pair = [{"role": "query", "content": "Q"}, {"role": "document", "content": "D"}]
    asked = f"<Instruct>: {INSTRUCTION}\n<Query>: Q\n<Document>: D"
    assert template.render(pair) == CARD[0] + asked + CARD[1]
    told = template.render([{"role": "system", "content": "I"}, *pair])
    assert told == CARD[0] + asked.replace(INSTRUCTION, "I") + CARD[1]


def test_what_sentence_transformers_writes_down(reference: Any, tmp_path: Path) -> None:
    """``LogitScore`` names the tokens, and the model's own template asks the question."""
    kinds = ("base.modules.transformer.Transformer", "cross_encoder.modules.logit_score.LogitScore")
    folders = ("", "1_LogitScore")
    modules = [
        {"idx": index, "name": str(index), "path": folder, "type": f"sentence_transformers.{kind}"}
        for index, (kind, folder) in enumerate(zip(kinds, folders, strict=True))
    ]
    files = write(tmp_path, reference, OWN_TEMPLATE, modules)
    texts = [f"<|im_start|>{query}<think>{document}</think>" for query, document in PAIRS]
    logits = [last_logits(reference, tmp_path, text) for text in texts]
    expected = [torch.sigmoid(each[9] - each[14]).item() for each in logits]
    np.testing.assert_allclose(scores(files, ModelSelection(model_id="tiny")), expected, atol=1e-4)


def test_without_a_word_the_model_writes(reference: Any, tmp_path: Path) -> None:
    files = write(tmp_path, reference, CHAT)
    ready = prepared(files, ModelSelection(model_id="tiny"))
    assert (ready.inspected.task, ready.inspected.answers) == ("generate", False)
    assert ready.template.sources == {"default": CHAT}


def test_a_long_document_is_cut_and_the_question_is_whole(reference: Any, tmp_path: Path) -> None:
    files, selection = write(tmp_path, reference, CHAT), ModelSelection(model_id="tiny", arch="qwen3-reranker")
    ready = prepared(files, selection)
    whole = question(ready.tokenizer, ready.template, PAIRS[0], 96, truncate=False)
    query, document = "whale", " ".join(["river", "lake"] * 60)
    cut = question(ready.tokenizer, ready.template, (query, document), 96, truncate=True)
    assert len(cut) == 96
    assert cut[-4:] == whole[-4:]
    assert len(question(ready.tokenizer, ready.template, (query, document), 96, truncate=False)) > 96
    with pytest.raises(RequestError, match="the model reads at most 96") as caught:
        question(ready.tokenizer, ready.template, (document, query), 96, truncate=True)
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("tokens", [{}, {"true_token_id": 10**6}, {"true_token_id": "yes"}, {"true_token_id": -1}])
def test_answers_that_no_vocabulary_has(reference: Any, tmp_path: Path, tokens: dict[str, Any]) -> None:
    files = write(tmp_path, reference, CHAT, [{"type": "LogitScore", "path": "1_LogitScore"}])
    (tmp_path / "1_LogitScore" / "config.json").write_text(json.dumps(tokens))
    with pytest.raises(ModelFormatError, match="are not in its vocabulary"):
        scores(files, ModelSelection(model_id="tiny"))


def test_the_text_side_knows(reference: Any, tmp_path: Path) -> None:
    write(tmp_path, reference, CHAT)
    selection = ModelSelection(model_id=str(tmp_path), arch="qwen3-reranker")
    side = TextSide.open(PluginHost(), selection)
    assert (side.task, side.answers) == ("score", True)
    assert "<Document>" in next(iter(side.model.template.sources.values()))
