"""Vectors, rankings and scores: shapes, numbers, refusals, and one real model."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from tests.serve.running import RunningServer, chat_body, scripted
from tests.serve.scripted_loop import WIDTH

PATH = "/v1/embeddings"
MODELS: dict[str, Any] = {
    "vectors": {"task": "embed"},
    "scores": {"task": "score", "width": 1},
    "classes": {"task": "score", "width": 3},
}


@pytest.fixture(scope="module")
def numbers() -> Iterator[RunningServer]:
    with scripted({"more": MODELS}, light=True) as server:
        yield server.wait_ready()
        server.wait_idle()


@pytest.fixture(scope="module")
def client(numbers: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{numbers.root}/v1", api_key="any", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def test_one_vector_for_each_text(client: openai.OpenAI) -> None:
    made = client.embeddings.create(model="vectors", input=["a", "bb", "a"], encoding_format="float")
    assert [item.index for item in made.data] == [0, 1, 2]
    assert [len(item.embedding) for item in made.data] == [WIDTH] * 3
    assert made.data[0].embedding == made.data[2].embedding != made.data[1].embedding
    assert (made.model, made.usage.prompt_tokens) == ("vectors", made.usage.total_tokens)
    one = client.embeddings.create(model="vectors", input="a", encoding_format="float")
    assert one.data[0].embedding == made.data[0].embedding


def test_base64_holds_the_same_numbers(numbers: RunningServer) -> None:
    plain = numbers.post(PATH, {"model": "vectors", "input": "hello"}).json["data"][0]["embedding"]
    coded = numbers.post(PATH, {"model": "vectors", "input": "hello", "encoding_format": "base64"}).json
    assert np.frombuffer(base64.b64decode(coded["data"][0]["embedding"]), "<f4").tolist() == plain
    # The package asks for base64 by itself, and decodes it after its strict validation, which numbers only pass.
    with openai.OpenAI(base_url=f"{numbers.root}/v1", api_key="any", max_retries=0) as lax:
        assert lax.embeddings.create(model="vectors", input="hello").data[0].embedding == plain


def test_fewer_dimensions_have_length_one(client: openai.OpenAI) -> None:
    whole = client.embeddings.create(model="vectors", input="hello", encoding_format="float").data[0].embedding
    cut = (
        client.embeddings.create(model="vectors", input="hello", dimensions=8, encoding_format="float")
        .data[0]
        .embedding
    )
    expected = np.array(whole[:8]) / np.linalg.norm(whole[:8])
    np.testing.assert_allclose(cut, expected, rtol=1e-6)


def test_token_ids(numbers: RunningServer) -> None:
    tokens = numbers.post("/tokenize", {"prompt": "hello", "model": "vectors"}).json["tokens"]
    expected = numbers.post(PATH, {"model": "vectors", "input": "hello"}).json["data"][0]["embedding"]
    for given in (tokens, [tokens]):
        assert numbers.post(PATH, {"model": "vectors", "input": given}).json["data"][0]["embedding"] == expected


def test_long_lists_are_worked_on_in_pieces(numbers: RunningServer) -> None:
    texts = [f"text {number}" for number in range(100)]
    data = numbers.post(PATH, {"model": "vectors", "input": texts}).json["data"]
    assert len(data) == 100
    last = numbers.post(PATH, {"model": "vectors", "input": texts[-1]}).json["data"][0]["embedding"]
    assert data[-1]["embedding"] == last


def test_documents_in_their_order(numbers: RunningServer) -> None:
    documents = ["zzz", {"text": "hello you"}, "hello"]
    for model in ("vectors", "scores"):
        body = {"model": model, "query": "hello", "documents": documents}
        reply = numbers.post("/v1/rerank", body)
        assert reply.status == 200
        results = reply.json["results"]
        assert [result["index"] for result in results] == [2, 1, 0]
        scores = [result["relevance_score"] for result in results]
        assert scores == sorted(scores, reverse=True)
        assert "document" not in results[0]
        first = numbers.post("/v1/rerank", {**body, "top_n": 1, "return_documents": True}).json["results"]
        assert first == [{**results[0], "document": {"text": "hello"}}]


def test_scores_of_pairs(numbers: RunningServer) -> None:
    body = {"model": "scores", "text_1": "hello", "text_2": ["hello", "zzz"]}
    reply = numbers.post("/v1/score", body).json
    assert reply["object"] == "list"
    assert [entry["index"] for entry in reply["data"]] == [0, 1]
    assert reply["data"][0]["score"] > reply["data"][1]["score"]
    pairs = {**body, "text_1": ["zzz", "zzz"]}
    assert numbers.post("/v1/score", pairs).json["data"][1]["score"] == reply["data"][0]["score"]
    same = numbers.post("/v1/score", {"model": "vectors", "text_1": "abc", "text_2": "abc"}).json
    assert same["data"][0]["score"] == pytest.approx(1.0)


def test_models_do_what_they_were_made_for(numbers: RunningServer) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        (PATH, {"model": "scripted", "input": "x"}),
        (PATH, {"model": "scores", "input": "x"}),
        ("/v1/rerank", {"model": "scripted", "query": "x", "documents": ["x"]}),
        ("/v1/rerank", {"model": "classes", "query": "x", "documents": ["x"]}),
        ("/v1/score", {"model": "scripted", "text_1": "x", "text_2": "x"}),
        ("/v1/chat/completions", chat_body("x", model="vectors")),
        ("/v1/completions", {"model": "scores", "prompt": "x"}),
        ("/v1/responses", {"model": "vectors", "input": "x"}),
    ]
    for path, body in asked:
        reply = numbers.post(path, body)
        assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "not_supported", "model"), path


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (PATH, {}, "input"),
        (PATH, {"input": []}, "input"),
        (PATH, {"input": [""] * 2049}, "input"),
        (PATH, {"input": ["x", 3]}, "input.1"),
        (PATH, {"input": ["x", []]}, "input.1"),
        (PATH, {"input": {"a": 1}}, "input"),
        (PATH, {"input": "x", "encoding_format": "hex"}, "encoding_format"),
        (PATH, {"input": "x", "dimensions": 0}, "dimensions"),
        (PATH, {"input": "x", "dimensions": WIDTH + 1}, "dimensions"),
        (PATH, {"input": "x", "colour": 1}, "colour"),
        (PATH, {"input": "x" * 50_000}, "prompt"),
        ("/v1/rerank", {"documents": ["x"]}, "query"),
        ("/v1/rerank", {"query": "x", "documents": []}, "documents"),
        ("/v1/rerank", {"query": "x", "documents": [{"image": "x"}]}, "documents.0"),
        ("/v1/rerank", {"query": "x", "documents": ["x"], "top_n": 0}, "top_n"),
        ("/v1/score", {"text_1": "x"}, "text_2"),
        ("/v1/score", {"text_1": "x", "text_2": []}, "text_2"),
        ("/v1/score", {"text_1": ["x", "y"], "text_2": ["z"]}, "text_1"),
    ],
)
def test_the_field_of_numbers_that_is_wrong(
    numbers: RunningServer, path: str, fields: dict[str, Any], param: str
) -> None:
    reply = numbers.post(path, {"model": "vectors", **fields})
    assert (reply.status, reply.error["param"]) == (400, param)


def test_long_texts_can_be_truncated(numbers: RunningServer) -> None:
    for path, fields in (
        (PATH, {"input": "x" * 50_000}),
        ("/v1/score", {"text_1": "x", "text_2": "x" * 50_000}),
    ):
        assert numbers.post(path, {"model": "vectors", "truncate_sequence": True, **fields}).status == 200


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "dog", "sits", "runs"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder of random weights, with a tokenizer of words."""
    import tokenizers
    import torch
    import transformers
    from tokenizers import models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("bert") / "tiny-bert"
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, initializer_range=0.3, **sizes)
    transformers.BertModel(config).save_pretrained(folder)
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    made = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)  # kernels may have to be compiled first
def test_a_real_encoder(bert: Path) -> None:
    import sys

    import torch
    import transformers

    command = [sys.executable, "-m", "mistralrs", "serve", "-m", str(bert), "--port", "0", "--dtype", "f32"]
    with RunningServer(command) as server:
        server.wait_ready()
        reply = server.post(PATH, {"input": ["the cat sits", "dog"]})
        assert reply.status == 200
        reference = transformers.BertModel.from_pretrained(bert).eval()
        ids = [[2, 4, 5, 7, 3], [2, 6, 3]]
        for each, entry in zip(ids, reply.json["data"], strict=True):
            with torch.no_grad():
                expected = reference(torch.tensor([each])).last_hidden_state[0].mean(0).numpy()
            np.testing.assert_allclose(entry["embedding"], expected, atol=1e-4)
        assert reply.json["usage"]["prompt_tokens"] == 8
        ranked = server.post("/v1/rerank", {"query": "the cat sits", "documents": ["dog runs", "the cat sits"]}).json
        assert ranked["results"][0]["index"] == 1
        assert server.chat("x").status == 400
