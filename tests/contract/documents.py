"""OpenAPI documents that answers are validated against: the program's own, and the published contract.

The published contract is not part of the project. Without it beside the checkout, only the own document is used.
"""

import ipaddress
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from pileus.api import openapi
from pileus.app import make_app
from pileus.settings import Settings

CONTRACTS = [
    Path(__file__).resolve().parents[3] / "shared" / "contract" / name
    for name in ("cloud-api.json", "cloud-api-2.json")
]
"""The published contract: instances and what they use; load balancers, secrets and file shares."""
UNSERVED = Path(__file__).with_name("unserved.txt")
METHODS = ("get", "post", "put", "patch", "delete")
PARAMETER = re.compile(r"\{[^}]*\}")

# The published document differs from the real API: it requires fields that are never sent,
NEVER_SENT = {
    "TaskIDsSerializer": {"id"},  # an artefact of the document's generator: real answers have only `tasks`
}

# and it leaves out the body of answers from which clients read the task.
UNDOCUMENTED_BODIES = {("/cloud/v1/volumes/{project_id}/{region_id}/{volume_id}/revert", "post"): "TaskIDsSerializer"}

ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["exception_class", "message", "request_id"],
    "properties": {
        "exception_class": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "request_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "info": {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
        "invalid_fields": {"$ref": "#/$defs/fields"},
    },
    "additionalProperties": False,
    "$defs": {
        "texts": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "fields": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"$ref": "#/$defs/texts"}, {"$ref": "#/$defs/fields"}]},
            "minProperties": 1,
        },
    },
}


def _readable_by(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def readable(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return readable


# The real API writes times in six formats and addresses of both families. The standard library can read all of them.
FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _readable_by(datetime.fromisoformat),
    "ipvanyaddress": _readable_by(ipaddress.ip_address),
    "ipvanynetwork": _readable_by(ipaddress.ip_network),
    "uuid4": lambda text: re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None,
}


def shape(path: str) -> str:
    """Return the path without the names of its parameters, which differ between documents."""
    return PARAMETER.sub("{}", path)


class Contract:
    """An OpenAPI document."""

    def __init__(self, name: str, document: dict[str, Any]) -> None:
        self.name = name
        self.document = document
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def operations(self) -> list[tuple[str, str]]:
        """List every operation: the method in capitals and the template of its path."""
        paths = self.document["paths"]
        return sorted((method.upper(), path) for path, verbs in paths.items() for method in verbs if method in METHODS)

    def query_parameters(self, method: str, path: str) -> set[str]:
        """Return the names of the query parameters of an operation."""
        verbs = self.document["paths"][path]
        parameters = [*verbs.get("parameters", ()), *verbs[method.lower()].get("parameters", ())]
        resolved = [self._resolve(parameter) for parameter in parameters]
        return {parameter["name"] for parameter in resolved if parameter["in"] == "query"}

    def body_fields(self, method: str, path: str) -> set[tuple[str, ...]]:
        """Return the fields of the body of an operation by their paths; an item of a list is `*`."""
        body = self._resolve(self.document["paths"][path][method.lower()].get("requestBody", {}))
        return set(self._fields_of(_schema(body) or {}, (), frozenset()))

    def _fields_of(
        self, schema: dict[str, Any], path: tuple[str, ...], outer: frozenset[str]
    ) -> Iterator[tuple[str, ...]]:
        reference = schema.get("$ref", "")
        if reference in outer:
            return
        outer, schema = outer | {reference} if reference else outer, self._resolve(schema)
        for choice in (choice for word in ("allOf", "oneOf", "anyOf") for choice in schema.get(word, ())):
            yield from self._fields_of(choice, path, outer)
        for name, field in schema.get("properties", {}).items():
            yield (*path, name)
            yield from self._fields_of(field, (*path, name), outer)
        if "items" in schema:
            yield from self._fields_of(schema["items"], (*path, "*"), outer)

    def _resolve(self, part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            names = part["$ref"].removeprefix("#/").split("/")
            part = reduce(lambda value, name: value[name.replace("~1", "/")], names, self.document)
        return part

    def check_answer(self, method: str, path: str, status: int, body: bytes) -> bool:
        """Validate an answer. Return False if the document does not have the operation. Raises AssertionError."""
        operation = self._operation(method.lower(), path)
        if operation is None:
            return False
        documented = operation["responses"].get(str(status))
        schema = _schema(documented or {})
        where = f"{method} {path} answered {status}"
        if schema is not None:
            self._check(body, json.dumps(schema), where)
        elif status >= 400:
            self._check(body, json.dumps(ERROR), where)
        else:
            assert documented is not None, f"{where}, which is not documented in the {self.name}"
            assert not body or "application/json" not in documented.get("content", {"application/json": {}}), (
                f"{where} with a body, which is not documented in the {self.name}"
            )
        return True

    @cached_property
    def _routes(self) -> dict[tuple[str, int], list[tuple[re.Pattern[str], dict[str, Any]]]]:
        """The operations with the patterns of their paths, by the method and the number of segments."""
        routes = defaultdict(list)
        # A literal segment is a better match than a parameter: templates with few parameters are tried first.
        for path, verbs in sorted(self.document["paths"].items(), key=lambda item: len(PARAMETER.findall(item[0]))):
            pattern = re.compile("[^/]+".join(map(re.escape, PARAMETER.split(path))))
            for method in verbs.keys() & set(METHODS):
                routes[method, path.count("/")].append((pattern, verbs[method]))
        return routes

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        plain = path.split("?", maxsplit=1)[0]
        candidates = self._routes.get((method, plain.count("/")), ())
        return next((operation for pattern, operation in candidates if pattern.fullmatch(plain)), None)

    def _check(self, body: bytes, schema: str, where: str) -> None:
        errors = [
            f"{'.'.join(map(str, error.instance_path)) or 'the whole'}: {error.message}"
            for error in self._validator(schema).iter_errors(json.loads(body))
        ]
        assert not errors, f"{where}, not as in the {self.name}:\n" + "\n".join(errors[:20])

    def _validator(self, schema: str) -> jsonschema_rs.Draft202012Validator:
        if schema not in self._validators:
            document = {**json.loads(schema), "components": self.document["components"]}
            validator = jsonschema_rs.Draft202012Validator(document, validate_formats=True, formats=FORMATS)
            self._validators[schema] = validator
        return self._validators[schema]


def _schema(documented: dict[str, Any]) -> dict[str, Any] | None:
    schema: dict[str, Any] | None = documented.get("content", {}).get("application/json", {}).get("schema")
    return schema


def _load_published(contract: Path) -> Contract:
    document: dict[str, Any] = json.loads(contract.read_text())
    for name, fields in NEVER_SENT.items():
        schema = document["components"]["schemas"][name]
        schema["required"] = [field for field in schema["required"] if field not in fields]
    for (path, method), name in UNDOCUMENTED_BODIES.items():
        if path in document["paths"]:
            answer = document["paths"][path][method]["responses"]["200"]
            answer["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return Contract(f"published contract {contract.name}", document)


PUBLISHED = [_load_published(contract) for contract in CONTRACTS if contract.exists()]
"""The documents of the published contract; they have no operation in common."""


def list_unserved() -> set[tuple[str, str]]:
    """List the published operations that are not served yet: the method and the shape of the path."""
    lines = UNSERVED.read_text().splitlines()
    return {(method, shape(path)) for method, _, path in (line.partition(" ") for line in lines)}


@cache
def own_document() -> dict[str, Any]:
    """Return the program's own document, which takes a second to make: do not change it."""
    return openapi.openapi_document(make_app(Settings()))


@cache
def own_contract() -> Contract:
    """Return the program's own document, with every object closed: a field that it does not name is an error."""
    document: dict[str, Any] = json.loads(msgspec.json.encode(own_document()))
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return Contract("program's own OpenAPI document", document)


def check_answer(method: str, path: str, status: int, body: bytes) -> bool:
    """Validate an answer against the own document and, where it is present, the published contract.

    Return whether the published contract has the operation. Raises AssertionError.
    """
    own_contract().check_answer(method, path, status, body)
    return any(contract.check_answer(method, path, status, body) for contract in PUBLISHED)
