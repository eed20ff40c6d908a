"""Lists that are read page by page, as OpenAI has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request

from mistralrs.api.openai.fields import bad_field

DEFAULT_LIMIT = 20


def page(
    request: Request, items: Sequence[dict[str, Any]], *, most: int = 100, usual: int = DEFAULT_LIMIT
) -> dict[str, Any]:
    """The page that ``limit``, ``order`` and ``after`` ask for; ``items`` are in the order they came in.

    Raises :class:`RequestError` naming the parameter that is wrong.
    """
    query = request.query_params
    given = query.get("limit", str(usual))
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:6]) <= most):
        raise bad_field("limit", f"must be between 1 and {most}, not {given[:20]!r}")
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad_field("order", f"must be asc or desc, not {order[:20]!r}")
    listed = list(items) if order == "asc" else list(reversed(items))
    if (after := query.get("after")) is not None:
        places = [index for index, item in enumerate(listed) if item["id"] == after]
        if not places:
            raise bad_field("after", "is none of the listed ids")
        listed = listed[places[0] + 1 :]
    shown = listed[: int(given[:6])]
    ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": None, "last_id": None}
    return {"object": "list", "data": shown, **ends, "has_more": len(shown) < len(listed)}
