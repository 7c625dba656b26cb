"""The API reference as an HTML page: each operation with parameters, body, answer and an example."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from html import escape
from importlib import resources
from typing import Any

Schema = Mapping[str, Any]
MAX_DEPTH = 5


def render_api_reference(document: Schema) -> str:
    """Render the page. It loads nothing from other servers."""
    groups = _group_by_tag(document)
    links, sections = "".join(_links(groups)), "".join(_sections(groups, document))
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(document['info']['title'])} API reference</title><style>{_asset('reference.css')}</style>"
        f"<nav aria-label='Operations'><p class='title'>{escape(document['info']['title'])}"
        f" <small>{escape(document['info']['version'])}</small></p>"
        f"<input type='search' placeholder='Filter operations' aria-label='Filter operations'>{links}</nav>"
        f"<main><h1>API reference</h1><p>{_inline_code(document['info']['description'])}</p>"
        f"<p>As a document: <a href='/schema/openapi.json'>OpenAPI 3.1</a>. "
        f"Every request carries <code>Authorization: APIKey &lt;token&gt;</code>.</p>{sections}</main>"
        f"<script>{_asset('reference.js')}</script></html>"
    )


def _asset(name: str) -> str:
    return (resources.files("pileus.api") / name).read_text("utf-8")


def _group_by_tag(document: Schema) -> dict[str, list[tuple[str, str, Schema]]]:
    groups: dict[str, list[tuple[str, str, Schema]]] = defaultdict(list)
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            groups[(operation.get("tags") or ["Other"])[0]].append((verb, path, operation))
    return dict(sorted(groups.items()))


def _links(groups: Mapping[str, list[tuple[str, str, Schema]]]) -> Iterator[str]:
    for tag, operations in groups.items():
        yield f"<h2>{escape(tag)}</h2>"
        for verb, _, operation in operations:
            name, style = operation["operationId"], " class='old'" if operation.get("deprecated") else ""
            badge = f"<span class='verb {verb}'>{verb.upper()}</span>"
            yield f"<a href='#{name}'>{badge} <span{style}>{_title(name)}</span></a>"


def _sections(groups: Mapping[str, list[tuple[str, str, Schema]]], document: Schema) -> Iterator[str]:
    for tag, operations in groups.items():
        yield f"<h2>{escape(tag)}</h2>"
        for verb, path, operation in operations:
            yield _section(verb, path, operation, document)


def _section(verb: str, path: str, operation: Schema, document: Schema) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    parts = [
        f"<section id='{operation['operationId']}'><h3>{_title(operation['operationId'])}{_deprecated(operation)}</h3>",
        f"<p class='path'><span class='verb {verb}'>{verb.upper()}</span> <code>{escape(path)}</code></p>",
        "".join(f"<p>{_inline_code(text)}</p>" for text in operation.get("description", "").split("\n\n") if text),
        _parameters(operation.get("parameters", [])),
        f"<h4>Body</h4>{_schema_html(body, document, in_body=True)}" if body else "",
        "".join(_answer(code, answer, document) for code, answer in operation["responses"].items() if code < "300"),
        f"<h4>Errors</h4><p>{', '.join(code for code in operation['responses'] if code >= '300')}</p>",
        f"<h4>Example</h4><pre>{escape(_example(verb, path, body=body is not None))}</pre></section>",
    ]
    return "".join(parts)


def _parameters(parameters: list[Schema]) -> str:
    rows = "".join(_parameter(parameter) for parameter in parameters if parameter["in"] != "header")
    return f"<h4>Parameters</h4><ul>{rows}</ul>" if rows else ""


def _parameter(parameter: Schema) -> str:
    kind = f"<span class='type'>{escape(_type(parameter['schema']))}, in the {parameter['in']}</span>"
    notes = _required(parameter.get("required", False)) + _deprecated(parameter)
    notes += " " + _inline_code(parameter.get("description", ""))
    return f"<li><code>{escape(parameter['name'])}</code> {kind}{notes}</li>"


def _answer(code: str, answer: Schema, document: Schema) -> str:
    schema = next((content.get("schema") for content in answer.get("content", {}).values()), None)
    return f"<h4>Answer {code}</h4>{_schema_html(schema, document) if schema else '<p>No content.</p>'}"


def _schema_html(schema: Schema, document: Schema, depth: int = 0, *, in_body: bool = False) -> str:
    schema, name = _resolve(schema, document)
    if depth > MAX_DEPTH:
        return f"<span class='type'>{escape(name or _type(schema))}</span>"
    if options := schema.get("oneOf") or schema.get("anyOf"):
        return "".join(
            _schema_html(option, document, depth + 1, in_body=in_body)
            for option in options
            if option.get("type") != "null"
        )
    if schema.get("type") == "array":
        return _schema_html(schema.get("items", {}), document, depth, in_body=in_body)
    if not (properties := schema.get("properties")):
        return f"<span class='type'>{escape(_type(schema))}</span>"
    required = schema.get("required", []) if in_body else []
    rows = "".join(
        f"<li><code>{escape(field)}</code> <span class='type'>{escape(_type(inner))}</span>"
        f"{_required(field in required)}{_deprecated(inner)}"
        f"{_schema_html(inner, document, depth + 1, in_body=in_body) if _has_properties(inner, document) else ''}</li>"
        for field, inner in properties.items()
    )
    label = f"<summary>{escape(schema.get('title') or name or 'object').removesuffix('View')}</summary>"
    return f"<details{' open' if depth == 0 else ''}>{label}<ul>{rows}</ul></details>"


def _has_properties(schema: Schema, document: Schema) -> bool:
    schema, _ = _resolve(schema, document)
    if schema.get("properties"):
        return True
    inner = [*schema.get("oneOf", []), *schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    return any(_has_properties(option, document) for option in inner)


def _resolve(schema: Schema, document: Schema) -> tuple[Schema, str]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return (document["components"]["schemas"][name], name) if name else (schema, "")


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if options := schema.get("oneOf") or schema.get("anyOf"):
        return " | ".join(dict.fromkeys(_type(option) for option in options))
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return " | ".join(kind) if isinstance(kind, list) else str(kind)


def _deprecated(item: Schema) -> str:
    return " <small class='must'>deprecated</small>" if item.get("deprecated") else ""


def _required(required: bool) -> str:  # noqa: FBT001  # the only argument
    return " <span class='must'>required</span>" if required else ""


def _title(name: str) -> str:
    return escape(name.replace("_", " ").capitalize())


def _inline_code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


def _example(verb: str, path: str, *, body: bool) -> str:
    url = path.replace("{project_id}", "$GCORE_CLOUD_PROJECT_ID").replace("{region_id}", "$GCORE_CLOUD_REGION_ID")
    lines = [f'curl -X {verb.upper()} "$GCORE_BASE_URL{url}"', '  -H "Authorization: APIKey $GCORE_API_KEY"']
    if body:
        lines.append("  -H 'Content-Type: application/json' -d '{…}'")
    return " \\\n".join(lines)
