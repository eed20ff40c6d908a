"""What follows an encoder, as sentence-transformers writes it down: ``modules.json`` and a folder for each module.

https://sbert.net/docs/package_reference/sentence_transformer/models.html
"""

from __future__ import annotations

from typing import Any

from mistralrs.engine.pooling import POOLINGS, PROJECTION_ACTIVATIONS, Pooler, Projection
from mistralrs.errors import ModelFormatError
from mistralrs.loading.inspect import MODULES, Inspected, parse_json, read_json

LAST_TOKEN = "last-token"
"""Capability of classifiers whose score is read from the last token and not from the first."""
MAX_MODULES = 16
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


def read_pooler(inspected: Inspected) -> Pooler:
    """How the model's output becomes one vector. Raises ModelFormatError for what cannot be computed as it is meant."""
    if inspected.task == "score":
        row = "lasttoken" if LAST_TOKEN in inspected.architecture.capabilities else "cls"
        return Pooler(poolings=(row,), activation=_score_activation(inspected))
    if inspected.checkpoint.architecture.startswith("gguf:"):
        return _gguf_pooler(inspected)
    path = inspected.files.companions.get(MODULES)
    if path is None:  # the mean is what most encoders without a word about it are used with
        return Pooler(poolings=("mean",))
    poolings: tuple[str, ...] = ("mean",)
    projections: list[Projection] = []
    normalize = False
    for kind, folder in _modules(path):
        if kind == "Pooling":
            poolings = _poolings(inspected, folder)
        elif kind == "Dense":
            projections.append(_projection(inspected, folder))
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            raise ModelFormatError(f"{path} names a module {kind!r} that is not supported", f"supported: {KNOWN}")
    return Pooler(poolings=poolings, projections=tuple(projections), normalize=normalize)


def _gguf_pooler(inspected: Inspected) -> Pooler:
    """The pooling that the file states, to a vector of length one as llama.cpp's server returns it."""
    arch = inspected.checkpoint.architecture.removeprefix("gguf:")
    stated = inspected.checkpoint.metadata.get(f"{arch}.pooling_type", 1)
    pooling = GGUF_POOLINGS.get(stated) if isinstance(stated, int) else None
    if pooling is None:
        raise ModelFormatError(f"{inspected.files.id}: {arch}.pooling_type must be 1 (mean), 2 (cls) or 3 (last)")
    return Pooler(poolings=(pooling,), normalize=True)


def _modules(path: Any) -> list[tuple[str, str]]:
    """The class names and folders of the modules, in their order."""
    found = parse_json(path)
    if not isinstance(found, list) or len(found) > MAX_MODULES:
        raise ModelFormatError(f"{path} must hold a list of at most {MAX_MODULES} modules")
    modules = []
    for item in found:
        kind, folder = (item.get("type"), item.get("path")) if isinstance(item, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(folder, str):
            raise ModelFormatError(f"{path}: every module needs a type and a path")
        modules.append((kind.rpartition(".")[2], folder))
    return modules


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
