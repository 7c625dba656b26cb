"""Every route of the program, method by method, as the program itself knows them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import inspect

from pileus.api.openapi import document
from pileus.app import make_app
from pileus.domain.account.access import Access
from pileus.settings import Settings
from tests.api.foreign_ids import Ids
from tests.api.samples import sample

PARAMETER = re.compile(r"{(\w+)}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# Where the least that a type takes is not yet right.
PERIOD = {"time_from": "2026-01-01T00:00:00Z", "time_to": "2026-01-02T00:00:00Z"}
BODIES: dict[str, Any] = {
    "POST /cloud/v1/cost_report/totals": PERIOD,
    "POST /cloud/v1/cost_report/resources": PERIOD,
    "POST /cloud/v1/reservation_cost_report/totals": PERIOD,
    "POST /cloud/v1/usage_report": PERIOD,
    "PUT /_pileus/machines/{instance_id}": {"status": "ERROR"},
    "POST /cloud/v1/downloadimage/{project_id}/{region_id}": {"name": "fetched", "url": "https://images.example.org/x"},
    "POST /cloud/v1/ddos/profiles/{project_id}/{region_id}": {"ip_address": "203.0.113.9", "profile_template": 1},
    "PATCH /cloud/v1/ddos/profiles/{project_id}/{region_id}/{profile_id}": {
        "ip_address": "203.0.113.9",
        "profile_template": 1,
    },
}


@dataclass(frozen=True, slots=True)
class Door:
    """A method of a route, and what it asks of its caller."""

    method: str
    path: str
    access: str
    handler: HTTPRouteHandler
    queries: list[str] = field(default_factory=list)
    """The names of the parameters in the query."""

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What it is called in tests."""
        return f"{self.method} {self.path}"

    @property
    def named(self) -> set[str]:
        """The parameters of its path."""
        return set(PARAMETER.findall(self.path))

    def filled(self, ids: Ids) -> str:
        """The path with ids in the place of its parameters."""
        return PARAMETER.sub(lambda found: str(ids.of(self.path, found[1])), self.path)

    def wanted(self) -> Any:
        """The type of the body, or None."""
        data = self.handler.parsed_fn_signature.parameters.get("data")
        return None if data is None else data.annotation

    def body(self) -> Any:
        """The least that the handler takes, or None."""
        wanted = self.wanted()
        return None if wanted is None else BODIES.get(self.name) or sample(wanted)

    def fields(self) -> list[str]:
        """The names of the body's fields."""
        wanted = inspect.type_info(self.wanted())
        return [each.encode_name for each in wanted.fields] if isinstance(wanted, inspect.StructType) else []


def _doors(app: Litestar) -> Iterator[Door]:
    paths = document(app)["paths"]
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            assert isinstance(route, HTTPRoute)
            yield from _of_handler(route.path_format, handler, paths.get(route.path_format, {}))


def _of_handler(path: str, handler: HTTPRouteHandler, told: dict[str, Any]) -> Iterator[Door]:
    access = str(handler.opt.get("access", "undecided"))
    for method in sorted(set(map(str, handler.http_methods)) & set(METHODS)):
        parameters = told.get(method.lower(), {}).get("parameters", [])
        yield Door(method, path, access, handler, [each["name"] for each in parameters if each["in"] == "query"])


DOORS = sorted(_doors(make_app(Settings())), key=lambda door: (door.path, door.method))
LOCKED = [door for door in DOORS if door.access != Access.OPEN]
