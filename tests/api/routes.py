"""All endpoints that the program offers, as the application knows them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import inspect

from pileus.app import make_app
from pileus.domain.account.access import Access
from pileus.settings import Settings
from tests.api.foreign_ids import MISSING, Ids
from tests.api.samples import minimal_value
from tests.certificates import A_CERTIFICATE
from tests.contract.documents import own_document

PARAMETER = re.compile(r"{(\w+)}")
ENDLESS = {"GET /_pileus/requests/stream", "GET /ui/changes"}
"""Endpoints whose answers end with the server: a client in the process would wait for ever."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# Bodies for which the minimal value of the type is invalid.
PERIOD = {"time_from": "2026-01-01T00:00:00Z", "time_to": "2026-01-02T00:00:00Z"}
A_MEMBER = {"address": "203.0.113.9", "protocol_port": 80}
BODIES: dict[str, Any] = {
    "POST /cloud/v1/file_shares/{project_id}/{region_id}": {
        "name": "data",
        "protocol": "NFS",
        "size": 1,
        "network": {"network_id": "00000000-0000-4000-8000-000000000000"},
    },
    "POST /cloud/v1/file_shares/{project_id}/{region_id}/{file_share_id}/access_rule": {
        "ip_address": "10.0.0.1",
        "access_mode": "ro",
    },
    "POST /cloud/v2/secrets/{project_id}/{region_id}": A_CERTIFICATE,
    "POST /cloud/v1/secrets/{project_id}/{region_id}": {
        "name": "key",
        "payload": "c2VjcmV0",
        "payload_content_type": "application/octet-stream",
        "payload_content_encoding": "base64",
        "secret_type": "opaque",
    },
    "POST /_pileus/tenants/{tenant_id}/users": {"email": "ann@example.com", "password": "correct horse"},
    "POST /cloud/v1/cost_report/totals": PERIOD,
    "POST /cloud/v1/cost_report/resources": PERIOD,
    "POST /cloud/v1/reservation_cost_report/totals": PERIOD,
    "POST /cloud/v1/usage_report": PERIOD,
    "POST /iam/auth/jwt/refresh": {"refresh": "x"},
    "PUT /_pileus/machines/{instance_id}": {"status": "ERROR"},
    "POST /cloud/v1/lblisteners/{project_id}/{region_id}": {
        "name": "web",
        "protocol": "HTTP",
        "protocol_port": 80,
        "load_balancer_id": MISSING,
    },
    "POST /cloud/v1/loadbalancers/{project_id}/{region_id}/{load_balancer_id}/resize": {"flavor": "lb1-2-4"},
    "POST /cloud/v1/pricing/{project_id}/{region_id}/loadbalancers": {"flavor": "lb1-1-2"},
    "POST /cloud/v2/pricing/{project_id}/{region_id}/loadbalancers": {"flavor": "lb1-1-2"},
    "POST /cloud/v1/lbpools/{project_id}/{region_id}": {
        "name": "web",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "load_balancer_id": MISSING,
    },
    "POST /cloud/v1/lbpools/{project_id}/{region_id}/{pool_id}/member": A_MEMBER,
    "POST /cloud/v1/loadbalancers/{project_id}/{region_id}/pools/{pool_id}/members": A_MEMBER,
    "POST /cloud/v1/l7policies/{project_id}/{region_id}": {"action": "REJECT", "listener_id": MISSING},
    "POST /cloud/v1/l7policies/{project_id}/{region_id}/{l7_policy_id}/rules": {
        "type": "PATH",
        "compare_type": "EQUAL_TO",
        "value": "/admin",
    },
    "PUT /cloud/v1/l7policies/{project_id}/{region_id}/{l7_policy_id}": {"action": "REJECT"},
    "POST /cloud/v1/downloadimage/{project_id}/{region_id}": {"name": "fetched", "url": "https://images.example.org/x"},
    "POST /cloud/v1/ddos/profiles/{project_id}/{region_id}": {"ip_address": "203.0.113.9", "profile_template": 1},
    "PATCH /cloud/v1/instances/{project_id}/{region_id}/{instance_id}": {"tags": {}},
    "PATCH /cloud/v1/bminstances/{project_id}/{region_id}/{server_id}": {"tags": {}},
    "PATCH /cloud/v1/ddos/profiles/{project_id}/{region_id}/{profile_id}": {
        "ip_address": "203.0.113.9",
        "profile_template": 1,
    },
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method of a route."""

    method: str
    path: str
    access: str
    handler: HTTPRouteHandler
    queries: list[str] = field(default_factory=list)
    """The names of the query parameters."""

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name in test ids."""
        return f"{self.method} {self.path}"

    @property
    def named(self) -> set[str]:
        """The names of the path parameters."""
        return set(PARAMETER.findall(self.path))

    def filled(self, ids: Ids) -> str:
        """Return the path with its parameters replaced by ids."""
        return PARAMETER.sub(lambda match: str(ids.of(self.path, match[1])), self.path)

    def body_type(self) -> Any:
        """Return the type of the body, or None."""
        data = self.handler.parsed_fn_signature.parameters.get("data")
        return None if data is None else data.annotation

    def body(self) -> Any:
        """Return the minimal valid body, or None."""
        body_type = self.body_type()
        return None if body_type is None else BODIES.get(self.name) or minimal_value(body_type)

    def fields(self) -> list[str]:
        """Return the names of the body's fields."""
        body_type = inspect.type_info(self.body_type())
        return [field.encode_name for field in body_type.fields] if isinstance(body_type, inspect.StructType) else []


def _endpoints(app: Litestar) -> Iterator[Endpoint]:
    paths = own_document()["paths"]
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            assert isinstance(route, HTTPRoute)
            if not handler.opt.get("offered", True):
                continue
            yield from _endpoints_of(route.path_format, handler, paths.get(route.path_format, {}))


def _endpoints_of(path: str, handler: HTTPRouteHandler, operations: dict[str, Any]) -> Iterator[Endpoint]:
    access = str(handler.opt.get("access", "undecided"))
    for method in sorted(set(map(str, handler.http_methods)) & set(METHODS)):
        parameters = operations.get(method.lower(), {}).get("parameters", [])
        yield Endpoint(
            method, path, access, handler, [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
        )


ENDPOINTS = sorted(_endpoints(make_app(Settings())), key=lambda endpoint: (endpoint.path, endpoint.method))
AUTHENTICATED = [endpoint for endpoint in ENDPOINTS if endpoint.access != Access.OPEN]
