"""The facts about a model for people: a name and a value on each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mistralrs.cli.console import amount
from mistralrs.plugin.records import one_line

WIDTH = 15


def print_facts(facts: Mapping[str, Any]) -> None:
    """Everything that :func:`~mistralrs_plugins.frontends.show.facts.gather` found."""
    _print(_lines(facts))


def print_size(size: Mapping[str, Any]) -> None:
    """What :func:`~mistralrs_plugins.frontends.show.size.size_of` found."""
    memory = size["memory"]
    cache = memory["cache_bytes_per_1000_tokens"]
    each = ", ".join(f"{amount(count)} as {name}" for name, count in cache.items())
    _print(
        [
            ("parameters", f"{size['parameters']:,} ({_short(size['parameters'])})"),
            ("memory", f"{amount(memory['weights_bytes'])} of weights"),
            ("", f"cache of 1,000 tokens: {each}"),
        ]
    )


def _print(lines: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> None:
    for name, text in lines:
        print(f"{name:<{WIDTH}}{one_line(text)}", flush=True)


def _lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "model", facts["model"]
    for number, path in enumerate(facts["files"]):
        yield "" if number else "files", path
    yield "format", facts["format"]
    yield "architecture", f"{facts['architecture']}, run by {facts['plugin']} of {facts['distribution']}"
    yield "context", f"{facts['context_length']} tokens"
    yield "sizes", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts["sizes"].items())
    for number, row in enumerate(facts["tensors"]):
        yield "" if number else "tensors", f"{row['count']} {row['type']}, {amount(row['bytes'])}"
    yield from _tokenizer(facts["tokenizer"])
    template = facts["chat_template"]
    names = f" ({', '.join(template['names'])})" if template and len(template["names"]) > 1 else ""
    yield "chat template", f"from {template['source']}{names}" if template else "none"
    yield "licence", _licence(facts["license"])


def _tokenizer(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "error" in facts:
        yield "tokenizer", f"cannot be used: {facts['error']}"
        return
    yield "tokenizer", f"{facts['kind']}, {facts['tokens']} tokens, from {facts['source']}"
    yield "", "answers end at " + ", ".join(f"{end['text']} ({end['id']})" for end in facts["end"])


def _licence(facts: Mapping[str, str] | None) -> str:
    if facts is None:
        return "not stated; see where the model comes from"
    details = [text for key in ("title", "link") if (text := facts.get(key))]
    return f"{', '.join([facts['name'], *details])} (says {facts['source']})"


def _short(count: int) -> str:
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
