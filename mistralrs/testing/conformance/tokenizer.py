"""The exam of tokenizer files: text comes back, and a damaged file is refused by name."""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mistralrs.errors import MistralrsError
from mistralrs.plugin import TokenizerSpec
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.conformance.base import PluginConformance

FLIPS = 60
CUTS = 40
SECONDS = 1.0
"""CPU time, the least of a few tries: the first imports what it needs."""
TRIES = 3
TEXT = "Hello, world! 123"


class TokenizerConformance(PluginConformance):
    """Override :meth:`sample` with a file of the kind; without one only the refusals are tested.

    The sample must be able to write :attr:`text`.
    """

    text: str = TEXT

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        """A small valid file, written below ``tmp_path`` under a name of the kind."""
        pytest.skip("gives no sample: override the fixture `sample`")

    @pytest.fixture
    def opener(self, host: PluginHost, spec: TokenizerSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
        """The function under test, with an empty cache and no files beside."""
        monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path / "cache"))
        open_file = partial(host.make, spec, spec.opener)
        return lambda path: open_file(path, {})

    def test_it_goes_by_names(self, spec: TokenizerSpec) -> None:
        assert spec.files
        assert all("/" not in name for name in spec.files)
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in spec.suffixes)

    def test_text_comes_back(self, opener: Any, sample: Path) -> None:
        tokenizer = opener(sample)
        ids = tokenizer.encode(self.text, add_special_tokens=False).ids
        assert ids
        assert all(0 <= number < tokenizer.get_vocab_size() for number in ids)
        assert tokenizer.decode(ids) == self.text

    def test_opening_twice_gives_the_same(self, opener: Any, sample: Path) -> None:
        assert opener(sample).to_str() == opener(sample).to_str()

    def test_a_missing_file_is_named(self, opener: Any, spec: TokenizerSpec, tmp_path: Path) -> None:
        path = tmp_path / spec.files[0].replace("*", "gone")
        with pytest.raises(MistralrsError, match=path.name.replace(".", r"\.")):
            opener(path)

    @pytest.mark.parametrize(
        "content", [b"", b"\0", b"{}", b"[]", b"[" * 100_000, b"not a tokenizer\n" * 50, bytes(range(256)) * 40]
    )
    def test_what_is_no_tokenizer_is_refused(
        self, opener: Any, spec: TokenizerSpec, tmp_path: Path, content: bytes
    ) -> None:
        path = tmp_path / spec.files[0].replace("*", "bad")
        path.write_bytes(content)
        spent = []
        for _ in range(TRIES):
            started = time.thread_time()
            with pytest.raises(MistralrsError, match=path.name.replace(".", r"\.")) as caught:
                opener(path)
            spent.append(time.thread_time() - started)
            assert "\n" not in caught.value.message
        assert min(spent) < SECONDS

    def test_a_file_cut_short_is_refused_or_smaller(self, opener: Any, sample: Path) -> None:
        """Some kinds are a list of lines, of which any number is a whole."""
        whole = sample.read_bytes()
        for cut in range(CUTS):
            sample.write_bytes(whole[: len(whole) * cut // CUTS])
            self._use(opener, sample)

    def test_damage_is_refused_or_harmless(self, opener: Any, sample: Path) -> None:
        """Any byte may be any value: the answer is a tokenizer or an error for people, never another exception."""
        whole = sample.read_bytes()
        chance = random.Random(0)
        for _ in range(FLIPS):
            damaged = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            sample.write_bytes(damaged)
            self._use(opener, sample)

    def _use(self, opener: Any, path: Path) -> None:
        try:
            tokenizer = opener(path)
        except MistralrsError as error:
            assert path.name in error.message
            assert "\n" not in error.message
        else:
            tokenizer.decode(tokenizer.encode(self.text).ids)
