"""The published contract as a judge: which operations there are, and whether an answer has the shape it promises.

The contract is not part of the project. Where it does not stand beside the checkout, nothing is judged.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

CONTRACT = Path(__file__).resolve().parents[3] / "shared" / "contract" / "cloud-api.json"
METHODS = ("get", "post", "put", "patch", "delete")
PARAMETER = re.compile(r"\{[^}]*\}")

# Where real answers are known to differ from the published document: fields that it requires and nobody sends.
NEVER_SENT = {
    "TaskIDsSerializer": {"id"},  # left behind by the generator of the document: real answers hold `tasks` alone
}

# … and answers with a body that the document forgets: clients read the task out of it.
UNSAID = {("/cloud/v1/volumes/{project_id}/{region_id}/{volume_id}/revert", "post"): "TaskIDsSerializer"}

ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["exception_class", "message", "request_id"],
    "properties": {
        "exception_class": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "request_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "info": {"type": "object"},
        "invalid_fields": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
    },
    "additionalProperties": False,
}


def _readable_by(reader: Callable[[str], object]) -> Callable[[str], bool]:
    def readable(text: str) -> bool:
        try:
            reader(text)
        except ValueError:
            return False
        return True

    return readable


# The real API writes times in six ways and addresses of both families: what the standard library reads is right.
FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _readable_by(datetime.fromisoformat),
    "ipvanyaddress": _readable_by(ipaddress.ip_address),
    "ipvanynetwork": _readable_by(ipaddress.ip_network),
    "uuid4": lambda text: re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None,
}


def _loaded() -> dict[str, Any] | None:
    if not CONTRACT.exists():
        return None
    document: dict[str, Any] = json.loads(CONTRACT.read_text())
    for name, fields in NEVER_SENT.items():
        schema = document["components"]["schemas"][name]
        schema["required"] = [field for field in schema["required"] if field not in fields]
    for (path, method), name in UNSAID.items():
        answer = document["paths"][path][method]["responses"]["200"]
        answer["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return document


PUBLISHED = _loaded()


def operations() -> list[tuple[str, str]]:
    """Every published operation: method in capitals, and the path's template."""
    paths = PUBLISHED["paths"] if PUBLISHED else {}
    return sorted((method.upper(), path) for path, verbs in paths.items() for method in verbs if method in METHODS)


def shape(path: str) -> str:
    """A path without its parameters' names, which differ between documents and mean nothing."""
    return PARAMETER.sub("{}", path)


def check_answer(method: str, path: str, status: int, body: bytes) -> bool:
    """Hold an answer against the contract; raises AssertionError. Whether the contract knows the operation."""
    operation = _operation(method.lower(), path)
    if operation is None:
        return False
    documented = operation["responses"].get(str(status))
    schema = _schema(documented or {})
    where = f"{method} {path} answered {status}"
    if schema is not None:
        _check(body, json.dumps(schema), where)
    elif status >= 400:
        _check(body, json.dumps(ERROR), where)
    else:
        assert documented is not None, f"{where}, which is not documented"
        assert not body, f"{where} with a body, where none is documented"
    return True


@cache
def _templates() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    paths = PUBLISHED["paths"] if PUBLISHED else {}
    # A literal segment is a better match than a parameter: templates with few parameters are tried first.
    ordered = sorted(paths, key=lambda path: len(PARAMETER.findall(path)))
    return [(re.compile("[^/]+".join(map(re.escape, PARAMETER.split(path)))), paths[path]) for path in ordered]


def _operation(method: str, path: str) -> dict[str, Any] | None:
    plain = path.split("?", maxsplit=1)[0]
    found: Iterator[dict[str, Any]] = (
        verbs[method] for pattern, verbs in _templates() if method in verbs and pattern.fullmatch(plain)
    )
    return next(found, None)


def _schema(documented: dict[str, Any]) -> dict[str, Any] | None:
    schema: dict[str, Any] | None = documented.get("content", {}).get("application/json", {}).get("schema")
    return schema


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    components = PUBLISHED["components"] if PUBLISHED else {}
    document = {**json.loads(schema), "components": components}
    return jsonschema_rs.Draft202012Validator(document, validate_formats=True, formats=FORMATS)


def _check(body: bytes, schema: str, where: str) -> None:
    errors = [
        f"{'.'.join(map(str, error.instance_path)) or 'the whole'}: {error.message}"
        for error in _validator(schema).iter_errors(json.loads(body))
    ]
    assert not errors, f"{where}, not as published:\n" + "\n".join(errors[:20])
