"""What sentence-transformers writes beside a model is followed as it is meant, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mistralrs.checkpoint import ModelFiles
from mistralrs.engine.pooling import Pooler
from mistralrs.errors import ModelFormatError
from mistralrs.loading.inspect import read_modules
from mistralrs.loading.sentence import read_pooler

MEAN = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}


def pooler(folder: Path, modules: Any, **fields: Any) -> Pooler:
    """The pooler of a model whose ``modules.json`` holds ``modules``."""
    (folder / "modules.json").write_text(json.dumps(modules))
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    files = ModelFiles(
        id="tiny", source="local", root=folder, weights=(), companions={name: folder / name for name in names}
    )
    known = {
        "task": "embed",
        "files": files,
        "modules": read_modules(files),
        "raw": {},
        "config": SimpleNamespace(num_labels=1),
        **fields,
    }
    known.setdefault("checkpoint", SimpleNamespace(architecture="BertModel"))
    known.setdefault("architecture", SimpleNamespace(capabilities=frozenset()))
    return read_pooler(SimpleNamespace(**known))  # type: ignore[arg-type]


def module(kind: str, path: str = "") -> dict[str, str]:
    return {"type": f"sentence_transformers.models.{kind}", "path": path}


def write(folder: Path, name: str, content: Any) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_pooling_projection_and_length(tmp_path: Path) -> None:
    write(tmp_path, "1_Pooling/config.json", MEAN)
    write(
        tmp_path,
        "2_Dense/config.json",
        {"in_features": 2, "out_features": 3, "activation_function": "torch.nn.modules.linear.Identity"},
    )
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    save_file({"linear.weight": weight}, tmp_path / "2_Dense" / "model.safetensors")
    modules = [module("Transformer"), module("Pooling", "1_Pooling"), module("Dense", "2_Dense"), module("Normalize")]
    found = pooler(tmp_path, modules)
    vector = found.vector(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))  # mean 2, 3; then 2, 3, 5
    torch.testing.assert_close(vector, torch.tensor([2.0, 3.0, 5.0]) / 38**0.5)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"pooling_mode_cls_token": True}, [1.0, 2.0]),
        ({"pooling_mode_lasttoken": True}, [5.0, 3.0]),
        ({"pooling_mode_max_tokens": True}, [5.0, 3.0]),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, [6 / 2**0.5, 5 / 2**0.5]),
        ({"pooling_mode_weightedmean_tokens": True}, [11 / 3, 8 / 3]),
        ({"pooling_mode": "cls+lasttoken"}, [1.0, 2.0, 5.0, 3.0]),
    ],
)
def test_poolings(tmp_path: Path, stated: dict[str, Any], expected: list[float]) -> None:
    write(tmp_path, "1_Pooling/config.json", stated)
    found = pooler(tmp_path, [module("Transformer"), module("Pooling", "1_Pooling")])
    hidden = torch.tensor([[1.0, 2.0], [5.0, 3.0]])
    rows = hidden[[*found.rows(2)]]
    torch.testing.assert_close(found.vector(rows), torch.tensor(expected))


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ({}, "must hold a list"),
        ([{"type": 3}], "needs a type and a path"),
        ([module("LSTM", "1_LSTM")], "'LSTM' that is not supported"),
        ([module("Pooling", "1_Pooling")], "names no pooling"),
        ([module("Dense", "2_Dense")], "must be from 1 to"),
        ([module("Transformer")] * 17, "at most 16"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, modules: Any, words: str) -> None:
    with pytest.raises(ModelFormatError, match=words):
        pooler(tmp_path, modules)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\xff" * 8])
def test_a_damaged_projection_is_named(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "2_Dense/config.json", {"in_features": 2, "out_features": 3})
    (tmp_path / "2_Dense" / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"model\.safetensors is not a safetensors file"):
        pooler(tmp_path, [module("Dense", "2_Dense")])


def test_a_projection_of_another_shape_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "2_Dense/config.json", {"in_features": 2, "out_features": 3})
    save_file({"linear.weight": torch.zeros(2, 3)}, tmp_path / "2_Dense" / "model.safetensors")
    with pytest.raises(ModelFormatError, match="do not have the shapes"):
        pooler(tmp_path, [module("Dense", "2_Dense")])


@pytest.mark.parametrize(
    ("raw", "labels", "expected"),
    [
        ({}, 1, 1 / (1 + 2.718281828**-2)),
        ({}, 3, 2.0),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, 1, 2.0),
    ],
)
def test_a_single_score_is_a_probability(tmp_path: Path, raw: dict[str, Any], labels: int, expected: float) -> None:
    found = pooler(tmp_path, [], task="score", raw=raw, config=SimpleNamespace(num_labels=labels))
    scores = found.vector(torch.full((1, labels), 2.0))
    torch.testing.assert_close(scores, torch.full((labels,), expected))
