"""The pages of the API's operations, from the OpenAPI document."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
SUCCESS = "2"


def make_operation_pages(document: Schema) -> dict[str, str]:
    """Return a page for each group of operations, and their index, by name."""
    groups: dict[str, list[tuple[str, str, Schema]]] = defaultdict(list)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups[operation["tags"][0]].append((method.upper(), path, operation))
    pages = {f"operations/{file_name(tag)}": "\n".join(_page(tag, groups[tag], document)) for tag in sorted(groups)}
    return {"operations/index": "\n".join(_index(groups)), **pages}


def file_name(tag: str) -> str:
    """Return the name of the page of a group."""
    return re.sub(r"\W+", "-", tag.lower())


def _index(groups: Mapping[str, list[tuple[str, str, Schema]]]) -> Iterator[str]:
    yield "# Operations\n"
    yield "A running server shows the same with all nested fields, and an example for each, at `/schema`.\n"
    for tag in sorted(groups):
        yield f"## [{tag}]({file_name(tag)}.md)\n"
        yield "| operation | request |\n|---|---|"
        for method, path, operation in groups[tag]:
            name = operation["operationId"]
            yield f"| [{_title(name)}]({file_name(tag)}.md#{_anchor(name)}) | `{method} {path}` |"
        yield ""
    names = "\n".join(map(file_name, sorted(groups)))
    yield f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def _page(tag: str, operations: list[tuple[str, str, Schema]], document: Schema) -> Iterator[str]:
    yield f"# {tag}\n"
    for method, path, operation in operations:
        yield f"## {_title(operation['operationId'])}\n"
        yield f"```text\n{method} {path}\n```\n"
        if operation.get("deprecated"):
            yield "*Deprecated: for older clients.*\n"
        yield f"{operation.get('description', '')}\n"
        parameters = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
        yield from _table("query parameter", [_row(item["name"], item["schema"], item) for item in parameters])
        yield from _table("field of the body", list(_body_rows(operation, document)))
        yield from _answers(operation)


def _row(name: str, schema: Schema, item: Schema) -> tuple[str, str, str]:
    marks = [mark for mark in ("required", "deprecated") if item.get(mark)]
    return name, _type(schema), " ".join([*marks, item.get("description", "")])


def _body_rows(operation: Schema, document: Schema) -> Iterator[tuple[str, str, str]]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        name = schema.get("$ref", "").rpartition("/")[2]
        schema = document["components"]["schemas"][name] if name else schema
        for field, inner in schema.get("properties", {}).items():
            yield _row(field, inner, {**inner, "required": field in schema.get("required", [])})


def _table(heading: str, rows: list[tuple[str, str, str]]) -> Iterator[str]:
    if rows:
        yield f"| {heading} | type | |\n|---|---|---|"
        yield from (f"| `{name}` | {_cell(kind)} | {_cell(notes)} |" for name, kind, notes in rows)
        yield ""


def _answers(operation: Schema) -> Iterator[str]:
    for code, answer in operation["responses"].items():
        schemas = [content["schema"] for content in answer.get("content", {}).values() if "schema" in content]
        if code.startswith(SUCCESS):
            yield f"Answer {code}: {_cell(_type(schemas[0])) if schemas else 'no content'}.\n"
    errors = [code for code in operation["responses"] if not code.startswith(SUCCESS)]
    yield f"Errors: {', '.join(errors)}.\n"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].removesuffix("View")
    if options := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(dict.fromkeys(_type(option) for option in options))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _anchor(name: str) -> str:
    return name.replace("_", "-").lower()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").strip()
