"""What follows an encoder, as sentence-transformers writes it down: ``modules.json`` and a folder for each module.

https://sbert.net/docs/package_reference/sentence_transformer/models.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from mistralrs.checkpoint import Checkpoint
from mistralrs.engine.pooling import POOLINGS, PROJECTION_ACTIVATIONS, Pooler, Projection
from mistralrs.errors import ModelFormatError
from mistralrs.loading.inspect import ANSWERS, MODULES, Inspected, read_json
from mistralrs.weights import CheckpointSource

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LAST_TOKEN = "last-token"
"""Capability of classifiers whose score is read from the last token and not from the first."""
MAX_WIDTH = 1 << 17
FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
GGUF_POOLINGS = {1: "mean", 2: "cls", 3: "lasttoken"}
"""llama.cpp's ``enum llama_pooling_type``, as files hold it."""
KNOWN = "Transformer, Pooling, Dense, Normalize"


def read_answers(inspected: Inspected, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The tokens whose logits score a pair: of the good answer, then of the bad one. Empty for models without answers.

    Raises ModelFormatError for tokens that the vocabulary does not have.
    """
    if not inspected.answers:
        return ()
    found = [tokenizer.token_to_id(word) for word in ("yes", "no")]
    folder = next((folder for kind, folder in inspected.modules or () if kind == ANSWERS), None)
    if folder is not None:
        stated = read_json(inspected.files, f"{folder}/config.json")
        found = [stated.get("true_token_id"), stated.get("false_token_id")]
        found = found if found[1] is not None else found[:1]
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    if not all(isinstance(token, int) and 0 <= token < size for token in found):
        raise ModelFormatError(f"the tokens of the answers of {inspected.files.id} are not in its vocabulary")
    return tuple(token for token in found if token is not None)


def read_pooler(inspected: Inspected, answers: tuple[int, ...] = ()) -> Pooler:
    """How the model's output becomes one vector. Raises ModelFormatError for what cannot be computed as it is meant."""
    if answers:
        difference = Projection(torch.tensor([[1.0, -1.0][: len(answers)]]), None)
        return Pooler(poolings=("lasttoken",), projections=(difference,), activation=_score_activation(inspected))
    if inspected.task == "score":
        row = "lasttoken" if LAST_TOKEN in inspected.architecture.capabilities else "cls"
        return Pooler(poolings=(row,), activation=_score_activation(inspected))
    if inspected.checkpoint.architecture.startswith("gguf:"):
        return _gguf_pooler(inspected)
    if inspected.modules is None:  # the mean is what most encoders without a word about it are used with
        return Pooler(poolings=("mean",))
    poolings: tuple[str, ...] = ("mean",)
    projections: list[Projection] = []
    normalize = False
    for kind, folder in inspected.modules:
        if kind == "Pooling":
            poolings = _poolings(inspected, folder)
        elif kind == "Dense":
            projections.append(_projection(inspected, folder))
        elif kind == "Normalize":
            normalize = True
        elif kind not in ("Transformer", ANSWERS):
            path = inspected.files.companions[MODULES]
            raise ModelFormatError(f"{path} names a module {kind!r} that is not supported", f"supported: {KNOWN}")
    return Pooler(poolings=poolings, projections=tuple(projections), normalize=normalize)


def _gguf_pooler(inspected: Inspected) -> Pooler:
    """The pooling that the file states, to a vector of length one as llama.cpp's server returns it."""
    arch = inspected.checkpoint.architecture.removeprefix("gguf:")
    stated = inspected.checkpoint.metadata.get(f"{arch}.pooling_type", 1)
    pooling = GGUF_POOLINGS.get(stated) if isinstance(stated, int) else None
    if pooling is None:
        raise ModelFormatError(f"{inspected.files.id}: {arch}.pooling_type must be 1 (mean), 2 (cls) or 3 (last)")
    return Pooler(poolings=(pooling,), projections=tuple(_gguf_projections(inspected.checkpoint)), normalize=True)


def _gguf_projections(checkpoint: Checkpoint) -> Iterator[Projection]:
    """The layers behind the pooling that EmbeddingGemma has, where a file keeps them."""
    for name in ("dense_2.weight", "dense_3.weight"):
        if (info := checkpoint.tensors.get(name)) is not None:
            yield Projection(CheckpointSource(checkpoint).get(name, info.shape).to_dense(), None)


def _poolings(inspected: Inspected, folder: str) -> tuple[str, ...]:
    name = f"{folder}/config.json"
    stated = read_json(inspected.files, name)
    mode = stated.get("pooling_mode")
    if isinstance(mode, str):
        found = tuple(mode.split("+"))
    else:
        found = tuple(pooling for flag, pooling in FLAGS.items() if stated.get(flag) is True)
    if not found or any(pooling not in POOLINGS for pooling in found):
        raise ModelFormatError(
            f"{name} of {inspected.files.id} names no pooling that is known", f"{', '.join(POOLINGS)}"
        )
    return found


def _projection(inspected: Inspected, folder: str) -> Projection:
    from safetensors.torch import load_file

    files, where = inspected.files, f"{folder} of {inspected.files.id}"
    stated = read_json(files, f"{folder}/config.json")
    sizes = [stated.get(name) for name in ("out_features", "in_features")]
    activation = str(stated.get("activation_function", "Tanh")).rpartition(".")[2].lower()
    if not all(isinstance(size, int) and 0 < size <= MAX_WIDTH for size in sizes):
        raise ModelFormatError(f"{where}: in_features and out_features must be from 1 to {MAX_WIDTH}")
    if activation not in PROJECTION_ACTIVATIONS:
        raise ModelFormatError(f"{where}: the activation {activation!r} is not supported")
    path = files.companions.get(f"{folder}/model.safetensors")
    if path is None:
        raise ModelFormatError(f"{where} has no model.safetensors")
    try:
        tensors = load_file(path)
    # The library has an error of its own, which says nothing that the file's name does not.
    except Exception as error:
        raise ModelFormatError(f"{path} is not a safetensors file") from error
    weight, bias = tensors.get("linear.weight"), tensors.get("linear.bias")
    if weight is None or list(weight.shape) != sizes or (bias is not None and bias.shape != weight.shape[:1]):
        raise ModelFormatError(f"{path}: linear.weight and linear.bias do not have the shapes of its config.json")
    return Projection(weight, bias, activation)


def _score_activation(inspected: Inspected) -> str:
    """A single score is a probability, unless the files say otherwise."""
    stated = inspected.raw.get("sentence_transformers")
    name = stated.get("activation_fn") if isinstance(stated, dict) else None
    name = name or inspected.raw.get("sbert_ce_default_activation_function")
    if not isinstance(name, str):
        return "sigmoid" if getattr(inspected.config, "num_labels", 1) == 1 else "identity"
    activation = name.rpartition(".")[2].lower()
    if activation not in PROJECTION_ACTIVATIONS:
        raise ModelFormatError(f"{inspected.files.id}: the score's activation {activation!r} is not supported")
    return activation
