"""The exam of file formats: what was written is what is read, and a damaged file is refused by name."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.errors import MistralrsError
from mistralrs.plugin import FormatSpec
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.conformance.base import PluginConformance

FLIPS = 60
CUTS = 40


class FormatConformance(PluginConformance):
    """Override :meth:`sample` with a model in the format; without one only the refusals are tested."""

    @pytest.fixture
    def sample(self, tmp_path: Path) -> ModelFiles:
        """A small valid model, written below ``tmp_path``: weights first, companions by their names."""
        pytest.skip("gives no sample: override the fixture `sample`")

    @pytest.fixture
    def opener(self, host: PluginHost, spec: FormatSpec) -> Any:
        """The function under test."""
        return partial(host.make, spec, spec.opener)

    @pytest.fixture
    def opened(self, opener: Any, sample: ModelFiles) -> Iterator[Checkpoint]:
        """The sample, open."""
        checkpoint = opener(sample)
        yield checkpoint
        checkpoint.close()

    def test_suffixes_are_lower_case_and_begin_with_a_dot(self, spec: FormatSpec) -> None:
        assert spec.suffixes
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in spec.suffixes)

    def test_it_knows_its_architecture(self, opened: Checkpoint) -> None:
        assert opened.architecture

    def test_every_tensor_can_be_read(self, opened: Checkpoint) -> None:
        assert opened.tensors
        for name, info in opened.tensors.items():
            assert info.name == name
            view = opened.read(name)
            assert view.nbytes == info.nbytes
            assert bytes(view) == bytes(opened.read(name))

    def test_tensors_are_private(self, opened: Checkpoint, sample: ModelFiles) -> None:
        """A model may write into what it was given; the file must not notice."""
        before = [path.read_bytes() for path in sample.weights]
        view = opened.read(next(iter(opened.tensors))).cast("B")
        view[0] ^= 0xFF
        assert [path.read_bytes() for path in sample.weights] == before

    def test_the_optional_parts_have_their_types(self, opened: Checkpoint) -> None:
        assert all(isinstance(index, int) for index in opened.special_ids().values())
        assert all(isinstance(text, str) for text in opened.chat_templates().values())
        tokenizer = opened.tokenizer()
        assert tokenizer is None or tokenizer.get_vocab_size() > 0

    @pytest.mark.parametrize("content", [b"", b"\0", b"not a model\n" * 50, bytes(range(256)) * 40])
    def test_what_is_no_model_is_refused(self, opener: Any, spec: FormatSpec, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / f"model{spec.suffixes[0]}"
        path.write_bytes(content)
        files = ModelFiles(id="bad", source="file", root=tmp_path, weights=(path,))
        with pytest.raises(MistralrsError) as caught:
            read_all(opener(files))
        assert "\n" not in caught.value.message

    def test_a_file_cut_short_is_refused(self, opener: Any, sample: ModelFiles) -> None:
        path = sample.weights[0]
        whole = path.read_bytes()
        for cut in range(CUTS):
            path.write_bytes(whole[: len(whole) * cut // CUTS])
            with pytest.raises(MistralrsError):
                read_all(opener(sample))

    def test_damage_is_refused_or_harmless(self, opener: Any, sample: ModelFiles) -> None:
        """Any byte may be any value: the answer is a tensor or an error for people, never another exception."""
        path = sample.weights[0]
        whole = path.read_bytes()
        chance = random.Random(0)
        for _ in range(FLIPS):
            damaged = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(min(len(damaged), 4096))] = chance.randrange(256)
            path.write_bytes(damaged)
            try:
                read_all(opener(sample))
            except MistralrsError:
                continue


def read_all(checkpoint: Checkpoint) -> None:
    """Everything a loader would ask of a checkpoint."""
    assert checkpoint.architecture is not None
    for name, info in checkpoint.tensors.items():
        assert checkpoint.read(name).nbytes == info.nbytes
    checkpoint.special_ids()
    checkpoint.chat_templates()
    checkpoint.close()
