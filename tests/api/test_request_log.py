"""The request log: every exchange once, with what was sent and not read, in bounded memory."""

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.middleware import ServerMetrics
from pileus.app import run_cloud
from pileus.settings import Settings
from tests.api.test_dispatcher import RawRequest, headers_of, pass_on, send_raw
from tests.app_settings import checked_settings
from tests.builders import an_instance
from tests.tenants import Tenant, client_of, new_tenant

LOG = "/_pileus/requests"


async def list_exchanges(tenant: Tenant, **selection: Any) -> list[dict[str, Any]]:
    """Return the exchanges of a tenant."""
    answer = await tenant.operator.get(LOG, params={"client_id": tenant.client_id, **selection})
    results: list[dict[str, Any]] = answer.raise_for_status().json()["results"]
    return results


async def last_exchange(tenant: Tenant, **selection: Any) -> dict[str, Any]:
    """Return the last exchange of a tenant."""
    return (await list_exchanges(tenant, **selection))[-1]


async def test_an_exchange_has_everything_that_was_sent_and_answered(tenant: Tenant) -> None:
    path = tenant.path("networks")
    answer = await tenant.api.post(f"{path}?colour=red", json={"name": "net-1"}, headers={"User-Agent": "a test"})

    exchange = await last_exchange(tenant)
    assert exchange | {"started_at": "", "milliseconds": 0} == {
        "request_id": answer.headers["x-request-id"],
        "started_at": "",
        "milliseconds": 0,
        "method": "POST",
        "path": path,
        "query": "colour=red",
        "operation": "create_network",
        "project_id": tenant.project_id,
        "status": 200,
        "client": {
            "address": "127.0.0.1",
            "user_agent": "a test",
            "client_id": tenant.client_id,
            "user_id": tenant.client_id,
        },
        "unread_fields": [],
        "unread_parameters": ["colour"],
        "unread": [
            {"name": "colour", "place": "query", "kind": "unknown", "hint": "Not read by this operation"},
        ],
        "request_body": {"size": 16, "content": {"name": "net-1"}, "is_complete": True},
        "response_body": {"size": len(answer.content), "content": answer.json(), "is_complete": True},
    }
    assert exchange["milliseconds"] > 0
    assert exchange["started_at"].endswith("Z")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH"])
async def test_direct_and_framework_routes_are_kept_alike(tenant: Tenant, method: str) -> None:
    instance = await an_instance(tenant)
    body = b'{"name": "web-2", "nmae": "x"}' if method == "PATCH" else b""
    request = RawRequest(method, tenant.path("instances", instance.id), b"x=1", headers_of(tenant), (body,))
    state = tenant.running.app_state
    by_framework = create_app(Settings(), state, ServerMetrics(CollectorRegistry()), dispatch=pass_on)

    await send_raw(tenant.running.app, request)
    await send_raw(by_framework, request)

    first, second = await list_exchanges(tenant, limit=2)
    volatile: dict[str, Any] = dict.fromkeys(("request_id", "started_at", "milliseconds", "response_body"))
    assert first | volatile == second | volatile
    assert first["unread_fields"] == (["nmae"] if method == "PATCH" else [])
    assert first["unread_parameters"] == ["x"]
    assert first["response_body"]["size"] == second["response_body"]["size"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "operation"),
    [
        ("GET", "/cloud/v1/nothing", None, 404, None),
        ("PUT", "/cloud/v1/projects", b"{}", 405, None),
        ("POST", "/cloud/v1/networks/{place}", b"x" * 2_000_000, 413, "create_network"),
        ("POST", "/cloud/v1/networks/{place}", b'{"name": 1', 400, "create_network"),
        ("GET", "/cloud/v1/networks/{place}/none", None, 404, "get_network"),
        ("GET", "/cloud/v1/k8s/{place}", None, 501, None),
    ],
)
async def test_refused_requests_are_kept(  # noqa: PLR0917  # the parameters of a case
    tenant: Tenant, method: str, path: str, body: bytes | None, status: int, operation: str | None
) -> None:
    path = path.format(place=tenant.place_path)
    answer = await tenant.api.request(method, path, content=body)

    exchange = (await tenant.operator.get(f"{LOG}/{answer.headers['x-request-id']}")).json()
    assert (exchange["status"], exchange["operation"], exchange["path"]) == (status, operation, path)
    assert exchange["response_body"]["content"] == answer.json()


async def test_a_request_without_a_key_is_kept_without_a_tenant(tenant: Tenant) -> None:
    async with client_of(tenant.running, None) as nobody:
        answer = await nobody.get("/cloud/v1/projects")

    exchange = (await tenant.operator.get(f"{LOG}/{answer.headers['x-request-id']}")).json()
    assert (exchange["status"], exchange["client"]["client_id"]) == (401, None)


async def test_an_unexpected_error_is_kept(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await tenant.running.app_state.db.write(
        lambda tx: tx.run("UPDATE instances SET boot = 'no JSON' WHERE id = :id", id=instance.id)
    )
    await tenant.api.get(tenant.path("instances", instance.id, "ports"))

    exchange = await last_exchange(tenant)
    assert (exchange["status"], exchange["operation"]) == (500, "list_instance_ports")


async def test_requests_over_the_rate_are_kept(tmp_path: Path) -> None:
    settings = checked_settings(data=tmp_path, rate_limit="1")
    async with run_cloud(settings) as running, new_tenant(running) as tenant:
        statuses = [(await tenant.api.get("/cloud/v1/projects")).status_code for _ in range(7)]
        kept = [exchange["status"] for exchange in await list_exchanges(tenant)]

    assert kept == statuses
    assert statuses[-1] == 429


@pytest.mark.parametrize(
    ("path", "body", "unread"),
    [
        ("networks", {"name": "net", "tags": {"free": "key"}}, []),
        ("networks", {"nmae": "net", "name": "net"}, ["nmae"]),
        ("subnets", {"name": "sub", "host_routes": [{"destination": "10.0.0.0/8", "via": "x"}]}, ["host_routes.0.via"]),
        ("instances", {"volumes": [{"source": "image", "snapshot_id": "x"}]}, ["volumes.0.snapshot_id"]),
        ("instances", {"volumes": [{"tags": {"any": "key"}, "attachment_tag": "x"}, {"naem": 1}]}, ["volumes.1.naem"]),
        ("instances", {"interfaces": [{"type": "external", "floating_ip": {}}]}, ["interfaces.0.floating_ip"]),
        ("instances", {"interfaces": [{"type": "any_subnet", "floating_ip": {"source": "new", "x": 1}}]}, None),
        ("instances", {"configuration": {"any": {"key": 1}}, "names": ["x"], "metadata": {"any": "x"}}, []),
        ("instances", ["not", "an", "object"], []),
        ("instances", {"volumes": {"0": {}}}, []),
    ],
)
async def test_fields_that_nothing_reads_are_named_at_any_depth(
    tenant: Tenant, path: str, body: Any, unread: list[str] | None
) -> None:
    await tenant.api.post(tenant.path(path, version=2 if path == "instances" else 1), json=body)

    fields = (await last_exchange(tenant))["unread_fields"]
    assert fields == (["interfaces.0.floating_ip.x"] if unread is None else unread)


async def test_unread_inputs_have_a_kind_and_a_hint(tenant: Tenant) -> None:
    interface = {"type": "external", "floating_ip": {}, "naem": "x"}
    await tenant.api.post(f"{tenant.path('instances', version=2)}?colour=red", json={"interfaces": [interface]})
    created = await last_exchange(tenant)
    limits = {"flavor": "bm1-infrastructure-small", "interfaces": [{"type": "external", "ip_address": "192.0.2.1"}]}
    await tenant.api.post(tenant.path("bminstances", "check_limits"), json=limits)
    checked = await last_exchange(tenant)

    assert [(unread["place"], unread["name"], unread["kind"]) for unread in created["unread"]] == [
        ("body", "interfaces.0.floating_ip", "other_type"),
        ("body", "interfaces.0.naem", "unknown"),
        ("query", "colour", "unknown"),
    ]
    assert created["unread"][1]["hint"].startswith("Not read by this operation")
    assert checked["unread"] == [
        {
            "name": "interfaces.0.ip_address",
            "place": "body",
            "kind": "published",
            "hint": "Not read by this operation, though the public API has it",
        }
    ]


async def test_a_body_that_its_handler_decodes_later_has_a_type(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    path = tenant.path("instances", instance.id, "attach_interface")
    for body in (
        {"port_id": instance.id, "prot": 1},
        {"type": "subnet", "subnet_id": instance.id, "ip_family": "dual"},
    ):
        await tenant.api.post(path, json=body)

    exchanges = await list_exchanges(tenant, operation="attach_interface")
    assert [exchange["unread_fields"] for exchange in exchanges] == [["prot"], ["ip_family"]]


async def test_a_body_that_is_sent_to_an_operation_without_one_is_unread(tenant: Tenant) -> None:
    for body in (b"{}", b'{"force": true}'):
        await tenant.api.request("GET", "/cloud/v1/projects", content=body)

    exchanges = await list_exchanges(tenant, operation="list_projects")
    assert [exchange["unread_fields"] for exchange in exchanges] == [[], ["(body)"]]


async def test_parameters_of_dependencies_and_older_names_are_read(tenant: Tenant) -> None:
    query = "tag_key=a&metadata_kv={}&changes-since=2026-01-01&order_by=name.asc&include_ai=true&with_ddos=false&lmit=1"
    await tenant.api.get(f"{tenant.path('instances')}?{query}")

    assert (await last_exchange(tenant))["unread_parameters"] == ["lmit"]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ({}, ["abc", "abd", "nothing"]),
        ({"operation": "create_network"}, ["abc", "abd"]),
        ({"method": "get"}, ["nothing"]),
        ({"path": "/nothing"}, ["nothing"]),
        ({"status": "404"}, ["nothing"]),
        ({"status": ">=400"}, ["nothing"]),
        ({"status": "<300"}, ["abc", "abd"]),
        ({"status": "2xx"}, ["abc", "abd"]),
        ({"project_id": 10**9}, []),
        ({"unread": True}, ["abd"]),
        ({"unread": False}, ["abc", "nothing"]),
        ({"text": "ABD"}, ["abd"]),
        ({"limit": 1}, ["nothing"]),
        ({"since": "2020-01-01", "operation": "create_network", "limit": 1}, ["abd"]),
        ({"since": "2120-01-01"}, []),
    ],
)
async def test_exchanges_are_selected(tenant: Tenant, selection: dict[str, Any], names: list[str]) -> None:
    await tenant.api.post(tenant.path("networks"), json={"name": "abc"})
    await tenant.api.post(tenant.path("networks"), json={"name": "abd", "extra": 1})
    await tenant.api.get("/cloud/v1/tasks/nothing")

    exchanges = await list_exchanges(tenant, **selection)
    assert [(exchange["request_body"]["content"] or {"name": "nothing"})["name"] for exchange in exchanges] == names


@pytest.mark.parametrize(
    "query", ["status=4", "status=>>400", "since=yesterday", "limit=1001", "after=x", "operation=get"]
)
async def test_a_wrong_selection_is_400(tenant: Tenant, query: str) -> None:
    answer = await tenant.operator.get(f"{LOG}?{query}")

    assert answer.status_code == 400
    assert list(answer.json()["invalid_fields"]) == [query.partition("=")[0]]


async def test_a_position_selects_what_is_later(tenant: Tenant) -> None:
    await tenant.api.get("/cloud/v1/projects")
    position = (await tenant.operator.get(LOG, params={"limit": 1})).json()["position"]
    await tenant.api.get("/cloud/v1/regions")

    exchanges = await list_exchanges(tenant, after=position)
    assert [exchange["operation"] for exchange in exchanges] == ["list_regions"]


async def test_requests_for_the_log_health_and_metrics_are_left_out(tenant: Tenant) -> None:
    await tenant.api.get("/cloud/v1/projects")
    for path in (LOG, f"{LOG}/none", "/healthz", "/readyz", "/metrics"):
        await tenant.operator.get(path)

    assert [exchange["path"] for exchange in await list_exchanges(tenant)] == ["/cloud/v1/projects"]


async def test_the_log_can_be_cleared(tenant: Tenant) -> None:
    await tenant.api.get("/cloud/v1/projects")
    await tenant.operator.delete(LOG)

    assert await list_exchanges(tenant) == []
    assert (await tenant.operator.get(f"{LOG}/none")).status_code == 404


async def test_the_log_is_bounded_in_number(tmp_path: Path) -> None:
    async with run_cloud(checked_settings(data=tmp_path, request_log_size=2)) as running, new_tenant(running) as tenant:
        for path in ("/cloud/v1/projects", "/cloud/v1/regions", "/cloud/v1/tasks"):
            await tenant.api.get(path)

        assert [exchange["path"] for exchange in await list_exchanges(tenant)] == [
            "/cloud/v1/regions",
            "/cloud/v1/tasks",
        ]


async def test_the_log_is_bounded_in_bytes(tmp_path: Path) -> None:
    settings = checked_settings(data=tmp_path, request_log_memory=1)
    async with run_cloud(settings) as running, new_tenant(running) as tenant:
        for number in range(5):
            await tenant.api.post(tenant.path("networks"), content=b"x" * 300_000, headers={"User-Agent": str(number)})

        programs = [exchange["client"]["user_agent"] for exchange in await list_exchanges(tenant)]
    assert programs == ["2", "3", "4"]


async def test_a_long_body_is_shown_to_its_bound_and_its_fields_are_read_to_the_end(tenant: Tenant) -> None:
    body = {"name": "x" * 100_000, "late": True}
    await tenant.api.post(tenant.path("networks"), json=body)

    exchange = await last_exchange(tenant)
    assert exchange["request_body"]["is_complete"] is False
    assert exchange["request_body"]["content"] == json.dumps(body, separators=(",", ":"))[: 64 << 10]
    assert exchange["unread_fields"] == ["late"]


async def test_a_body_in_many_parts_is_joined(tenant: Tenant) -> None:
    parts = tuple(b'{"name": "abc", "tags": {"a": "b"}}'[index : index + 1] for index in range(35))
    await send_raw(tenant.running.app, RawRequest("POST", tenant.path("networks"), b"", headers_of(tenant), parts))

    assert (await last_exchange(tenant))["request_body"]["content"] == {"name": "abc", "tags": {"a": "b"}}


@pytest.mark.parametrize("settings", [{"request_log": "off"}, {"host": "0.0.0.0", "simulation_control": "on"}])  # noqa: S104  # not listened on
async def test_a_server_without_a_log_says_how_to_turn_it_on(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with run_cloud(checked_settings(data=tmp_path, **settings)) as running, new_tenant(running) as tenant:
        answer = await tenant.operator.get(LOG)

    assert (answer.status_code, "--request-log on" in answer.json()["message"]) == (409, True)
    assert running.app_state.request_log is None


async def test_only_operators_read_the_log(tenant: Tenant) -> None:
    assert (await tenant.api.get(LOG)).status_code == 403
