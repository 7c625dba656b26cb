"""What Octavia is told of parts whose fields lose their values."""

from typing import Any

import pytest
from msgspec.structs import replace

from pileus.drivers.openstack.octavia.orders import NO_LIMIT, listener_order, monitor_order
from pileus.drivers.openstack.octavia.parts import part_changes
from pileus.testing.conformance.test_load_balancers import new_listener, new_monitor

HTTP_MONITOR = replace(
    new_monitor("pool"),
    type="HTTP",
    http_method="HEAD",
    url_path="/health",
    expected_codes="204",
    http_version="1.1",
    domain_name="example.com",
)


def shown(order: dict[str, Any]) -> dict[str, Any]:
    """Return a part as Octavia shows it."""
    return order | {"provisioning_status": "ACTIVE"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"domain_name": None}, {"domain_name": None}),
        ({"domain_name": None, "http_version": None}, {"domain_name": None, "http_version": None}),
        ({"domain_name": None, "http_version": "1.0"}, {"domain_name": None, "http_version": None}),
        ({"url_path": None, "expected_codes": None}, {"url_path": None, "expected_codes": None}),
        ({"http_method": None}, {"http_method": None}),
        ({}, {}),
    ],
)
def test_a_monitor_loses_the_values_that_it_is_not_to_have(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    existing = shown(monitor_order(HTTP_MONITOR, "pool"))

    assert part_changes(existing, monitor_order(replace(HTTP_MONITOR, **fields), "pool")) == expected


@pytest.mark.parametrize("version", [None, "1.0"])
@pytest.mark.parametrize("shown_version", [None, 1.0])
def test_a_monitor_with_defaults_needs_no_change(version: str | None, shown_version: float | None) -> None:
    plain = replace(new_monitor("pool"), type="HTTP", http_version=version)
    defaults = {"http_method": "GET", "url_path": "/", "expected_codes": "200", "http_version": shown_version}

    assert part_changes(shown(monitor_order(plain, "pool") | defaults), monitor_order(plain, "pool")) == {}


@pytest.mark.parametrize(("limit", "sent"), [(100_000, NO_LIMIT), (150_000, 150_000), (99_999, 99_999), (1, 1)])
def test_only_the_default_of_listeners_is_no_limit(limit: int, sent: int) -> None:
    assert listener_order(new_listener(id="web", connection_limit=limit), None, {})["connection_limit"] == sent
