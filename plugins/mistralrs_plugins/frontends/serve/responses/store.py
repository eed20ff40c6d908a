"""Responses that can be asked for again: a bounded number of them, in memory, each seen by its owner only."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mistralrs.api.requests import ChatMessage
from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.admission import Ticket
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.responses.journal import Journal

MAX_RESPONSES = 1024
MAX_BYTES = 64 << 20


@dataclass
class Stored:
    """A response with the conversation that led to it.

    ``ticket`` is set while it is being made, ``journal`` if its events can be followed.
    """

    owner: str
    response: dict[str, Any]
    items: Sequence[dict[str, Any]]
    messages: tuple[ChatMessage, ...]
    ticket: Ticket | None = None
    journal: Journal | None = None
    size: int = field(default=0, init=False)

    def measure(self) -> int:
        """Bytes that keeping it takes, more or less."""
        texts = sum(len(message.text) for message in self.messages)
        events = self.journal.size if self.journal else 0
        return texts + events + len(json.dumps([self.response, *self.items]))


class ResponseStore:
    """What was not used for longest is forgotten first."""

    def __init__(self, max_responses: int = MAX_RESPONSES, max_bytes: int = MAX_BYTES) -> None:
        self._max_responses = max_responses
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Stored] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, stored: Stored) -> None:
        """Keep a response, or what has become of it since it was last put."""
        name = stored.response["id"]
        self._drop(name)
        stored.size = stored.measure()
        self._kept[name] = stored
        self._bytes += stored.size
        while len(self._kept) > self._max_responses or self._bytes > self._max_bytes:
            oldest = next(iter(self._kept))
            self._drop(oldest)

    def get(self, name: str, owner: str) -> Stored:
        """The response of a name. Raises :class:`HttpError` 404 for one that is not there, or not the owner's."""
        stored = self._kept.get(name)
        if stored is None or stored.owner != owner:
            raise HttpError(404, f"there is no response {name[:100]!r}", "response_not_found", "response_id")
        self._kept.move_to_end(name)
        return stored

    def previous(self, name: str, owner: str) -> tuple[ChatMessage, ...]:
        """The conversation up to a response. Raises :class:`RequestError` for one that nobody can go on from."""
        try:
            stored = self.get(name, owner)
        except HttpError:
            message = f"there is no response {name[:100]!r} to go on from; responses are forgotten after a while"
            raise RequestError(message, param="previous_response_id", code="previous_response_not_found") from None
        if stored.response["status"] not in ("completed", "incomplete"):
            message = f"response {name!r} is {stored.response['status']}: nobody can go on from it"
            raise RequestError(message, param="previous_response_id")
        return stored.messages

    def remove(self, name: str, owner: str) -> Stored:
        """Forget a response. Raises :class:`HttpError` 404 as :meth:`get` does."""
        stored = self.get(name, owner)
        self._drop(name)
        return stored

    def holds(self, stored: Stored) -> bool:
        """Whether it was neither forgotten nor removed."""
        return self._kept.get(stored.response["id"]) is stored

    def _drop(self, name: str) -> None:
        if (stored := self._kept.pop(name, None)) is not None:
            self._bytes -= stored.size
