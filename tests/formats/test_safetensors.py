"""safetensors models: headers that lie are refused, shards belong together, nothing outside the folder is opened."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mistralrs.checkpoint import ModelFiles
from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.safetensors.checkpoint import SafetensorsCheckpoint, open_safetensors
from mistralrs_plugins.formats.safetensors.header import parse_header
from tests.cpu_time import assert_cheaper

INDEX = "model.safetensors.index.json"
CONFIG = {"architectures": ["LlamaForCausalLM"], "hidden_size": 8}


def file_of(header: dict[str, Any] | bytes, data: bytes = b"", *, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def entry(*span: int, dtype: str = "F32", shape: Any = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [(span[1] - span[0]) // 4] if shape is None else shape, "data_offsets": list(span)}


DUPLICATE = b'{"a": %s, "a": %s}' % (json.dumps(entry(0, 4)).encode(), json.dumps(entry(4, 8)).encode())

WRONG: dict[str, tuple[bytes, str]] = {
    "seven bytes": (b"\0" * 7, "the header runs past the end of the file"),
    "length 2**63": (file_of({}, length=2**63), "the header runs past the end of the file"),
    "length 0": (file_of(b"", bytes(8)), "its header is no JSON object"),
    "not JSON": (file_of(b"{nope}"), "header: not valid JSON"),
    "not UTF-8": (file_of(b'{"\xff": 1}'), "header: not valid JSON"),
    "a list": (file_of(b"[]"), "its header is no JSON object"),
    "depth bomb": (file_of(b'{"a":' * 100_000), "header: not valid JSON"),
    "endless number": (file_of(b'{"a":' + b"9" * 10_000 + b"}"), "header: not valid JSON"),
    "NaN": (file_of(b'{"a": NaN}'), "header: not valid JSON"),
    "given twice": (file_of(DUPLICATE, bytes(8)), "header: the key 'a' is given twice"),
    "no object": (file_of({"a": 1}), "tensor 'a': its description is no JSON object"),
    "dtype unknown": (
        file_of({"a": entry(0, 4, dtype="F4")}, bytes(4)),
        "dtype 'F4' is not supported .*F32, F16, BF16",
    ),
    "dtype missing": (file_of({"a": {"shape": [1]}}), "dtype None is not supported"),
    "shape negative": (file_of({"a": entry(0, 4, shape=[-1])}, bytes(4)), "its shape is no list"),
    "shape of flags": (file_of({"a": entry(0, 4, shape=[True])}, bytes(4)), "its shape is no list"),
    "shape too long": (file_of({"a": entry(0, 4, shape=[1] * 9)}, bytes(4)), "its shape is no list of at most 8 sizes"),
    "shape too large": (file_of({"a": entry(0, 0, shape=[0, 2**62, 4])}), "a shape of .* is too large"),
    "span of one": (file_of({"a": entry(0, 4) | {"data_offsets": [4]}}, bytes(4)), "no pair of offsets"),
    "span negative": (file_of({"a": entry(0, 4) | {"data_offsets": [-4, 0]}}), "no pair of offsets"),
    "span backwards": (file_of({"a": entry(4, 0, shape=[1])}, bytes(4)), "takes 4 bytes, but its data_offsets span -4"),
    "span mismatch": (file_of({"a": entry(0, 8, shape=[3])}, bytes(8)), "takes 12 bytes, but its data_offsets span 8"),
    "overlap": (file_of({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)), "tensor 'b': shares bytes with another"),
    "hole": (file_of({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)), "tensor 'b': leaves a gap before it"),
    "hole in front": (file_of({"a": entry(4, 8)}, bytes(8)), "tensor 'a': leaves a gap before it"),
    "cut short": (file_of({"a": entry(0, 8)}, bytes(7)), "the tensors take 8 bytes, but the file has 7"),
    "bytes left over": (file_of({"a": entry(0, 8)}, bytes(9)), "1 bytes after the last tensor belong to none"),
}


@pytest.mark.parametrize(("content", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_header_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ModelFormatError, match=rf"^model\.safetensors: .*({problem})") as caught:
        parse_header(content, "model.safetensors")
    assert caught.value.hint


def test_a_header_over_the_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mistralrs_plugins.formats.safetensors.header.MAX_BYTES", 20)
    with pytest.raises(ModelFormatError, match="a header of 65 bytes is larger than"):
        parse_header(file_of(b"{" + b" " * 64), "model.safetensors")


def test_a_file_cut_at_any_byte_is_refused() -> None:
    whole = file_of({"__metadata__": {"format": "pt"}, "a": entry(0, 8), "b": entry(8, 12)}, bytes(12))
    parse_header(whole, "whole")
    for size in range(len(whole)):
        with pytest.raises(ModelFormatError):
            parse_header(whole[:size], "cut")


def test_many_tensors_take_linear_time() -> None:
    """Eight times as many take about eight times as long; quadratic growth would be sixty-four."""

    def parsing(count: int) -> Callable[[], object]:
        tensors = {f"t{number}": entry(4 * number, 4 * number + 4) for number in range(count)}
        content = file_of(tensors, bytes(4 * count))

        def parse() -> None:
            assert len(parse_header(content, "many")) == count

        return parse

    assert_cheaper(parsing(100_000), parsing(12_500), times=24)


Opening = Callable[..., SafetensorsCheckpoint]


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    """Opens files of ``tmp_path`` by name; every JSON file there is a companion, config.json is made if absent."""

    def open_named(*names: str, config: Any = CONFIG) -> SafetensorsCheckpoint:
        (tmp_path / "config.json").write_text(json.dumps(config))
        companions = {path.name: path for path in tmp_path.glob("*.json")}
        weights = tuple(tmp_path / name for name in names)
        return open_safetensors(
            ModelFiles(id="test", source="file", root=tmp_path, weights=weights, companions=companions)
        )

    return open_named


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards and their index; returns the index."""
    names = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    for number, (tensor, name) in enumerate(names.items()):
        save_file({tensor: torch.full((2, 3), float(number))}, tmp_path / name)
    index = tmp_path / INDEX
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return index


def test_tensors_are_read_as_they_were_written(opening: Opening, tmp_path: Path) -> None:
    tensors = {
        "f32": torch.randn(3, 4),
        "f16": torch.randn(5).half(),
        "bf16": torch.randn(2, 2, 2).bfloat16(),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 4),
    }
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    opened = opening("model.safetensors")
    assert opened.architecture == "LlamaForCausalLM"
    assert opened.metadata["hidden_size"] == 8
    assert {name: info.shape for name, info in opened.tensors.items()} == {
        n: tuple(t.shape) for n, t in tensors.items()
    }
    for name, tensor in tensors.items():
        assert bytes(opened.read(name)) == tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
        assert opened.tensors[name].nbytes == tensor.nbytes


def test_views_are_private_and_outlive_the_checkpoint(opening: Opening, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(4)}, tmp_path / "model.safetensors")
    before = (tmp_path / "model.safetensors").read_bytes()
    opened = opening("model.safetensors")
    view = opened.read("a")
    opened.close()
    view[0] = 9
    assert view[0] == 9
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_integers_may_lie_in_a_file_but_are_no_weights(opening: Opening, tmp_path: Path) -> None:
    save_file({"ids": torch.arange(4), "mask": torch.ones(3, dtype=torch.bool)}, tmp_path / "model.safetensors")
    opened = opening("model.safetensors")
    assert opened.tensors["ids"].nbytes == 32
    with pytest.raises(ModelFormatError, match="tensor 'ids' is stored as I64, which is not supported"):
        opened.read("ids")


@pytest.mark.parametrize("given", [("model-1.safetensors",), ("model-2.safetensors", "model-1.safetensors")])
def test_shards_are_found_by_their_index(opening: Opening, shards: Path, given: tuple[str, ...]) -> None:
    opened = opening(*given)
    assert set(opened.tensors) == {"a", "b"}
    assert np.frombuffer(opened.read("b"), np.float32).tolist() == [1.0] * 6


def test_shards_without_an_index_are_joined(opening: Opening, shards: Path) -> None:
    shards.unlink()
    assert set(opening("model-1.safetensors", "model-2.safetensors").tensors) == {"a", "b"}


def test_a_file_the_index_does_not_list_stands_alone(opening: Opening, shards: Path, tmp_path: Path) -> None:
    save_file({"c": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert set(opening("other.safetensors").tensors) == {"c"}


def test_a_missing_shard_is_named(opening: Opening, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(ModelFormatError, match=r"model-2\.safetensors: this shard of the model is missing"):
        opening("model-1.safetensors")


def test_a_tensor_in_two_shards_is_refused(opening: Opening, shards: Path, tmp_path: Path) -> None:
    save_file({"b": torch.zeros(1), "a": torch.zeros(1)}, tmp_path / "model-2.safetensors")
    with pytest.raises(ModelFormatError, match=r"model-2\.safetensors: tensor 'a' is in model-1\.safetensors too"):
        opening("model-1.safetensors")


def test_a_tensor_that_only_the_index_knows_is_refused(opening: Opening, shards: Path) -> None:
    names = {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"}
    shards.write_text(json.dumps({"weight_map": names}))
    with pytest.raises(ModelFormatError, match=r"model-2\.safetensors: tensor 'c' is not in it"):
        opening("model-1.safetensors")


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "a/b.safetensors", "a\\b", "..", "", "x\n.y", "."])
def test_an_index_that_points_elsewhere_is_refused(opening: Opening, shards: Path, name: str) -> None:
    shards.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": name}}))
    with pytest.raises(ModelFormatError, match="is no plain file name"):
        opening("model-1.safetensors")


def test_a_shard_that_is_a_link_to_elsewhere_is_refused(
    opening: Opening, shards: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.safetensors"
    (tmp_path / "model-2.safetensors").rename(outside)
    (tmp_path / "model-2.safetensors").symlink_to(outside)
    with pytest.raises(ModelFormatError, match=r"model-2\.safetensors: this shard is a link to a file outside"):
        opening("model-1.safetensors")


def test_the_links_of_the_hub_cache_are_followed(shards: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "repo" / "snapshots" / "0123", tmp_path / "repo" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    for number, path in enumerate([*tmp_path.glob("*.safetensors"), *tmp_path.glob("*.json")]):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(blobs / str(number))
    companions = {path.name: path for path in snapshot.glob("*.json")}
    weights = tuple(sorted(snapshot.glob("*.safetensors")))
    files = ModelFiles(id="test", source="hf", root=snapshot, weights=weights, companions=companions)
    assert set(open_safetensors(files).tensors) == {"a", "b"}


@pytest.mark.parametrize(
    "content", ["[]", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "{", '{"weight_map": null}']
)
def test_a_broken_index_is_named(opening: Opening, shards: Path, content: str) -> None:
    shards.write_text(content)
    with pytest.raises(ModelFormatError, match=rf"^{INDEX}: "):
        opening("model-1.safetensors")


@pytest.mark.parametrize("found", [None, [], ["A", "B"], "LlamaForCausalLM", [1], [""]])
def test_exactly_one_architecture_must_be_named(opening: Opening, shards: Path, found: Any) -> None:
    opened = opening("model-1.safetensors", config={"architectures": found})
    with pytest.raises(ModelFormatError, match=r"config\.json: key 'architectures' must name exactly one"):
        _ = opened.architecture


def test_code_that_the_config_points_at_is_not_run(opening: Opening, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    opened = opening("model-1.safetensors", config={**CONFIG, "auto_map": {"AutoModel": "evil.Model"}})
    assert opened.architecture == "LlamaForCausalLM"


def test_special_ids_come_from_the_config(opening: Opening, shards: Path) -> None:
    config = {**CONFIG, "bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": None}
    assert opening("model-1.safetensors", config=config).special_ids() == {"bos": 1, "eos": 2}


def test_a_model_without_config_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    files = ModelFiles(id="org/name", source="file", root=tmp_path, weights=(tmp_path / "model.safetensors",))
    with pytest.raises(ModelFormatError, match=r"org/name: config\.json is missing"):
        open_safetensors(files)
