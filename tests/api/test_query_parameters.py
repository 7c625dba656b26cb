"""Every documented query parameter of every GET, with each of its listed values or with a valid one."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import Owner
from tests.api.foreign_ids import MISSING
from tests.api.routes import AUTHENTICATED, ENDLESS, Endpoint
from tests.contract.documents import own_document

WITH_QUERY = [
    endpoint
    for endpoint in AUTHENTICATED
    if endpoint.method == "GET" and endpoint.queries and endpoint.name not in ENDLESS
]
VALUES = {"boolean": ("true", "false"), "integer": (1,)}
A_TIME = "2026-01-01T00:00:00Z"
TIMES = (
    "changes-before",
    "changes-since",
    "created_from",
    "created_to",
    "from_timestamp",
    "since",
    "to_timestamp",
)
TEXTS = {
    **dict.fromkeys(TIMES, A_TIME),
    **dict.fromkeys(("metadata_kv", "tag_key_value"), '{"env":"prod"}'),
    "after": "",
    "console_type": "vnc",
    "ip_address": "10.0.0.1",
    "operation": "list_instances",
    "uuid": MISSING,
}
"""Texts whose form is not in the schema of their parameter."""


def valid_values(name: str, schema: dict[str, Any]) -> Iterator[Any]:
    """Return the listed values of a parameter, or one that is valid."""
    if "$ref" in schema:
        schema = own_document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        yield from (value for value in schema["enum"] if value is not None)
    elif "anyOf" in schema:
        for choice in schema["anyOf"]:
            yield from valid_values(name, {key: value for key, value in schema.items() if key == "pattern"} | choice)
    elif schema["type"] == "array":
        yield from valid_values(name, schema["items"])
    elif schema["type"] == "string":
        yield "4xx" if "pattern" in schema else TEXTS.get(name, "a")
    elif schema["type"] != "null":
        yield from VALUES[schema["type"]]


def valid_queries(endpoint: Endpoint) -> Iterator[tuple[str, Any]]:
    """Return each query parameter of an endpoint with each of its values to try."""
    for parameter in own_document()["paths"][endpoint.path]["get"]["parameters"]:
        if parameter["in"] == "query":
            for value in valid_values(parameter["name"], parameter["schema"]):
                yield parameter["name"], value


@pytest.mark.parametrize("endpoint", WITH_QUERY, ids=lambda endpoint: endpoint.name)
async def test_each_documented_query_parameter_is_accepted(owner: Owner, endpoint: Endpoint) -> None:
    path = endpoint.filled(owner.ids)

    for name, value in valid_queries(endpoint):
        answer = await owner.tenant.operator.get(path, params={name: value})
        assert answer.status_code < 500, f"{name}={value}: {answer.text}"
        assert answer.status_code != 400, f"{name}={value}: {answer.text}"
