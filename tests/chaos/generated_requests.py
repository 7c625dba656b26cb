"""Requests for every operation of a document: valid ones, almost valid ones, and hostile ones."""

import json
import re
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from tests.chaos.hostile_inputs import (
    CONTENT_TYPES,
    HEADER_VALUES,
    HEADERS,
    HOSTILE_QUERIES,
    HOSTILE_SEGMENTS,
    METHODS,
    encode_badly,
    make_hostile_value,
)
from tests.chaos.raw_requests import RawRequest, build_request
from tests.chaos.values import Values

PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
MISSING = "00000000-0000-4000-8000-000000000000"
HERE = {"project_id": 1, "region_id": 1, "client_id": 1, "tenant_id": 1}
"""The place of most requests."""
HUGE_BODY = b'{"name": "' + b"a" * (1 << 20) + b'"}'
LOCKS_OUT = re.compile(r"DELETE /cloud/v1/projects/|(POST|DELETE) /_pileus/tenants/.*(keys|rotate)|PUT /_pileus/faults")
"""Operations that would end the attack: their ids are of nothing."""
CHANGES_ANSWERS = frozenset(
    {"POST /_pileus/http_faults", "POST /_pileus/reset", "PUT /_pileus/state", "DELETE /_pileus/tenants/{tenant_id}"}
)
"""Operations of a simulated cloud after which other requests are rightly answered wrong, or not at all."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a document."""

    method: str
    path: str
    queries: dict[str, dict[str, Any]]
    """The schemas of the query parameters."""
    required: frozenset[str]
    body: dict[str, Any] | None
    """The schema of the body."""

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def names_only_place(self) -> bool:
        """Return whether the path has no other parameters than project and region."""
        return {"project_id", "region_id"}.issuperset(PARAMETER.findall(self.path))


def list_operations(document: dict[str, Any]) -> list[Operation]:
    """Return the operations of a document."""
    operations = []
    for path, methods in document["paths"].items():
        for method, content in methods.items():
            queries = [parameter for parameter in content.get("parameters", ()) if parameter["in"] == "query"]
            schemas = {parameter["name"]: parameter.get("schema", {}) for parameter in queries}
            required = frozenset(parameter["name"] for parameter in queries if parameter.get("required"))
            bodies = list(content.get("requestBody", {}).get("content", {}).values())
            body = bodies[0]["schema"] if bodies else None
            operations.append(Operation(method.upper(), path, schemas, required, body))
    return operations


@dataclass(frozen=True, slots=True)
class RequestGenerator:
    """Generates requests with a key; the ids that it uses are those that `values` knows."""

    values: Values
    random: Random
    token: str

    def is_chosen(self, share: float) -> bool:
        """Return True in a share of all calls."""
        return self.random.random() < share

    def generate(self, operation: Operation) -> RawRequest:
        """Return a request for an operation, which may have another method."""
        method = self.random.choice(METHODS) if self.is_chosen(0.01) else operation.method
        headers = {"Authorization": f"APIKey {self.token}", "Content-Type": "application/json"}
        if self.is_chosen(0.03):
            headers[self.random.choice(HEADERS)] = self.random.choice(HEADER_VALUES)
        if self.is_chosen(0.03):
            headers["Content-Type"] = self.random.choice(CONTENT_TYPES)
        data = build_request(
            method, self._fill_path(operation) + self._make_query(operation), headers, self._body(operation)
        )
        return RawRequest(method, operation.path, data)

    def _fill_path(self, operation: Operation) -> str:
        is_hostile = self.is_chosen(0.12)

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if is_hostile and self.is_chosen(0.6):
                return self.random.choice(HOSTILE_SEGMENTS)
            known = None if LOCKS_OUT.match(operation.name) else HERE.get(name) or self.values.find_id(name)
            return quote(str(MISSING if known is None else known), safe="")

        return PARAMETER.sub(fill, operation.path)

    def _make_query(self, operation: Operation) -> str:
        pairs = []
        for name, schema in operation.queries.items():
            if name in operation.required or self.is_chosen(0.3):
                value = self.values.make_valid(schema, name) if self.is_chosen(0.6) else make_hostile_value(self.random)
                pairs += [
                    f"{name}={_query_text(item)}" for item in (value if isinstance(value, list) else [value])[:40]
                ]
        if self.is_chosen(0.03):
            pairs.append(self.random.choice(HOSTILE_QUERIES))
        return f"?{'&'.join(pairs)}" if pairs else ""

    def _body(self, operation: Operation) -> bytes | None:
        if operation.body is None:
            return b"{}" if self.is_chosen(0.01) else None
        if self.is_chosen(0.002):
            return HUGE_BODY
        value = self.values.make_valid(operation.body)
        if self.is_chosen(0.4):
            return json.dumps(value).encode()
        return encode_badly(self.values.spoiled(value) if self.is_chosen(0.8) else value, self.random)


def _query_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return quote(text[:3000].encode("utf-8", "surrogatepass"))
