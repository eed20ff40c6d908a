"""Writes an OpenAPI document as HTML, without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<h1>{title}</h1>
<p>The same for programs: <a href="/api-doc/openapi.json">openapi.json</a></p>
"""
FOOT = "</body>\n</html>\n"


def page(document: Mapping[str, Any]) -> str:
    """The page of a document. Everything in it is escaped."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    schemas = document.get("components", {}).get("schemas", {})
    routes = (
        _route(method, path, operation, schemas)
        for path, operations in sorted(document["paths"].items())
        for method, operation in operations.items()
    )
    return HEAD.format(title=title) + "".join(routes) + FOOT


def _route(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    head = f'<span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code>'
    about = escape(operation.get("summary", ""))
    return (
        f"<details><summary>{head} {about}</summary>\n"
        f"<p>{escape(operation.get('description', ''))}</p>\n"
        f"{''.join(_bodies(operation, schemas))}{_responses(operation)}</details>\n"
    )


def _bodies(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolve(content["schema"], schemas)
        required = schema.get("required", ())
        rows = "".join(
            f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind_of(each))}</td>"
            f"<td>{'required' if name in required else escape(_default(each))}</td></tr>\n"
            for name, each in schema.get("properties", {}).items()
        )
        yield f"<table><caption>{escape(media)}</caption>\n<tr><th>field<th>type<th>default</tr>\n{rows}</table>\n"


def _responses(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(status))}</td><td>{escape(response['description'])}</td></tr>\n"
        for status, response in operation.get("responses", {}).items()
    )
    return f"<table>\n<tr><th>status<th>when</tr>\n{rows}</table>\n"


def _resolve(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = schemas.get(reference, schema)
    return found


def kind_of(schema: Mapping[str, Any]) -> str:
    """The type of a field in a few words."""
    if branches := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(kind_of(branch) for branch in branches))
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema or "const" in schema:
        return ", ".join(repr(value) for value in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "any"))
    return f"list of {kind_of(schema['items'])}" if kind == "array" and schema.get("items") else kind


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    return "" if default is None else repr(default)
