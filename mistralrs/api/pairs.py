"""The question that a decoder is asked about a pair of texts. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mistralrs.errors import RequestError
from mistralrs.loading.chat import ChatTemplate

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ATTEMPTS = 4
"""How often a document is cut: beside what the template writes its end may become other tokens than alone."""


def question(
    tokenizer: Tokenizer, template: ChatTemplate, pair: tuple[str, str], limit: int, *, truncate: bool
) -> tuple[int, ...]:
    """The token ids of the template with messages of a ``query`` and a ``document``, as sentence-transformers has it.

    ``truncate`` takes from the document what exceeds ``limit`` tokens. Raises :class:`RequestError`
    ``context_length_exceeded`` if even then too much is left: an answer cannot follow half a question.
    """
    query, document = pair
    for _ in range(ATTEMPTS):
        text = template.render([{"role": "query", "content": query}, {"role": "document", "content": document}])
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        excess = len(ids) - limit
        if excess <= 0 or not truncate:
            return tuple(ids)
        ends = [end for _, end in tokenizer.encode(document, add_special_tokens=False).offsets]
        document = document[: ends[-excess - 1]] if excess < len(ends) else ""
    raise RequestError(
        f"the question about the query and its document has {len(ids)} tokens, the model reads at most {limit}",
        "shorten the query",
        param="query",
        code="context_length_exceeded",
    )
