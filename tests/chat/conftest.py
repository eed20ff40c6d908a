"""What chat templates are compared with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

Reference = Callable[..., str]


@pytest.fixture(scope="session")
def reference() -> Reference:
    """transformers' rendering of a template's source over messages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils.chat_template_utils import render_jinja_template

    def render(source: str, messages: list[dict[str, Any]], **inputs: Any) -> str:
        texts, _ = render_jinja_template([messages], chat_template=source, **inputs)
        return str(texts[0])

    return render
