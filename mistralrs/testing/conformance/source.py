"""The exam of model sources: files that exist, or an error that says what is missing."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mistralrs.checkpoint import CachedModel, FetchRequest, ModelFiles, Source
from mistralrs.errors import MistralrsError
from mistralrs.plugin import SourceSpec
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.conformance.base import PluginConformance

HOSTILE = (
    "",
    " ",
    "../../no/such/file",
    "a/b/c/d/e",
    "nul\0byte",
    "x" * 5000,
    "org/name\n",
    "%2e%2e/%2e%2e",
    "#",
    "==",
)
SUFFIXES = (".safetensors", ".gguf")


class SourceConformance(PluginConformance):
    """Override :meth:`sample` with a reference that can be fetched in a test; without one only refusals are tested."""

    @pytest.fixture
    def source(self, host: PluginHost, spec: SourceSpec) -> Source:
        """The source under test."""
        made: Source = host.make(spec, spec.source)
        return made

    @pytest.fixture
    def sample(self, tmp_path: Path) -> FetchRequest:
        """A request that succeeds, without the network or with a server of the test's own."""
        pytest.skip("gives no sample: override the fixture `sample`")

    @pytest.fixture
    def unplugged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No connection can be made."""

        def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
            raise AssertionError("the network was used although the user said offline")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)

    def test_schemes_are_words(self, spec: SourceSpec) -> None:
        assert spec.schemes
        assert all(scheme.isidentifier() and scheme == scheme.lower() for scheme in spec.schemes)

    @pytest.mark.usefixtures("unplugged")
    @pytest.mark.parametrize("reference", HOSTILE, ids=range(len(HOSTILE)))
    def test_bad_references_are_refused(self, source: Source, tmp_path: Path, reference: str) -> None:
        request = FetchRequest(reference=reference, suffixes=SUFFIXES, offline=True, cache_dir=tmp_path)
        with pytest.raises(MistralrsError) as caught:
            source.fetch(request)
        assert "\n" not in caught.value.message
        assert len(caught.value.message) < 1000

    @pytest.mark.usefixtures("unplugged")
    def test_what_is_not_there_is_named(self, source: Source, tmp_path: Path) -> None:
        reference = "no-such-organisation/no-such-model"
        request = FetchRequest(reference=reference, suffixes=SUFFIXES, offline=True, cache_dir=tmp_path)
        with pytest.raises(MistralrsError, match="no-such"):
            source.fetch(request)

    def test_a_model_is_fetched(self, source: Source, sample: FetchRequest) -> None:
        files = source.fetch(sample)
        assert isinstance(files, ModelFiles)
        assert files.id
        assert files.weights
        assert all(path.is_file() for path in (*files.weights, *files.companions.values()))
        assert all(path.as_posix().endswith(name) for name, path in files.companions.items())

    def test_fetching_again_gives_the_same(self, source: Source, sample: FetchRequest) -> None:
        assert source.fetch(sample) == source.fetch(sample)

    def test_a_wrong_digest_is_refused(self, source: Source, sample: FetchRequest) -> None:
        from dataclasses import replace

        with pytest.raises(MistralrsError):
            source.fetch(replace(sample, sha256="0" * 64))

    def test_the_cache_is_listed(self, source: Source, tmp_path: Path) -> None:
        assert all(isinstance(model, CachedModel) for model in source.cached(tmp_path))

    def test_only_its_own_models_are_deleted(self, source: Source, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.mkdir()
        (precious / "file").write_text("keep")
        foreign = CachedModel(reference="x/y", source="another", size=4, last_used=None, path=precious)
        with pytest.raises(MistralrsError):
            source.delete(foreign)
        assert (precious / "file").exists()
