"""JSON from strangers, without what parsers disagree about."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from mistralrs.errors import RequestError

MAX_DEPTH = 64
HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that stands for half a character, if it is not followed by the other half."""


def parse_object(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises :class:`RequestError` for anything else, and for what JSON parsers disagree about."""
    try:
        text = content.decode("utf-8")
        found = json.loads(text, parse_constant=_refuse_constant, parse_float=_float, object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise _bad_json("it is not UTF-8") from None
    except RecursionError:
        raise _bad_json("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _bad_json(f"{error.msg} at character {error.pos}") from None
    except ValueError as error:  # from the functions below, and for integers of thousands of digits
        raise _bad_json(str(error).partition(";")[0]) from None
    if not isinstance(found, dict):
        raise _bad_json("it must be an object")
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(found):
        raise _bad_json(f"it is nested more than {MAX_DEPTH} levels deep")
    if HALF_PAIR.search(text) and any(map(_is_broken, _strings(found))):
        raise _bad_json("a string holds half of a surrogate pair, which is not a character")
    return found


def _bad_json(reason: str) -> RequestError:
    return RequestError(f"the body is not usable JSON: {reason}", code="invalid_json")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is out of range")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, count in times.items() if count > 1)
        raise ValueError(f"the key {twice[:60]!r} is given twice")
    return found


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = (item.values() if isinstance(item, dict) else item for item in level)
        level = [each for items in inside for each in items if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _strings(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
