"""The request log shows no secret, whatever field of whatever operation it is sent in, and none that is answered."""

import json
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import inspect

import pileus.testing
from pileus.api.request_log.secret_fields import Redactor, is_logged_secret
from pileus.domain.secret_names import REDACTED
from pileus.domain.tasks import SECRET_ARGS
from tests.api.foreign_ids import missing_ids
from tests.api.routes import ENDPOINTS, Endpoint
from tests.tenants import Tenant

LOG = "/_pileus/requests"
SECRET = "Geheim-7f3a9c"  # what must not appear
ENCODED = "R2VoZWltLTdmM2E5Yw=="
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body_type() is not None]
GUESSED_NAMES = ("password", "admin_password", "apiKey", "client_secret", "private_key", "auth-token", "credentials")
TEXTS_WITHOUT_SECRETS = {
    "operation", "path", "time",
    "alarm_state", "algorithm", "attachment_tag", "certificate", "certificate_chain",
    "auth_header_name", "cidr", "day", "day_of_week", "description",
    "destination", "destination_ip", "dns_nameservers", "email", "exchange", "expiration", "field", "field_value",
    "fixed_ip_address", "flavor", "gateway_ip", "global_limits", "hour", "instance_id_to_attach_to",
    "interface_name", "ip_address", "key", "keypair_name", "message", "metadata", "minute", "mode", "month", "name",
    "name_template", "name_templates", "names", "nexthop", "os_distro", "os_version", "payload_content_type",
    "profile_template_name",
    "public_key", "reason", "regional_limits", "remote_ip_prefix", "resource_name_template", "routing_key",
    "sorting", "ssh_key_name", "sshkey_name", "status", "step", "tags", "task_type", "time_from", "time_to",
    "timezone", "username", "value", "values", "vm_state", "week",
    "address", "allowed_cidrs", "cookie_name", "domain_name", "expected_codes", "id", "monitor_address",
    "persistence_granularity", "redirect_prefix", "redirect_url", "topic_name", "url_path",
}  # fmt: skip
"""Fields of bodies that hold text, and no secrets. Names, descriptions and tags are no place for secrets."""


def fields_of(type_info: Any) -> dict[str, Any]:
    """Return the fields of a type and of all types inside, with their types."""
    fields: dict[str, Any] = {}
    if isinstance(type_info, inspect.StructType):
        for field in type_info.fields:
            fields |= {field.encode_name: field.type} | fields_of(field.type)
    for name in ("type", "item_type", "value_type"):
        fields |= fields_of(getattr(type_info, name)) if hasattr(type_info, name) else {}
    for choice in getattr(type_info, "types", ()):
        fields |= fields_of(choice)
    return fields


def holds_text(type_info: Any) -> bool:
    """Return whether a value of a type may be a text of the client, or an object of its own."""
    if isinstance(type_info, inspect.StrType):
        return type_info.pattern is None or "0-9a-fA-F" not in type_info.pattern
    if isinstance(type_info, inspect.AnyType | inspect.DictType):
        return True
    inner = [getattr(type_info, name) for name in ("type", "item_type") if hasattr(type_info, name)]
    return any(holds_text(choice) for choice in (*inner, *getattr(type_info, "types", ())))


def with_secrets(body: Any, names: list[str]) -> Any:
    """Return a body with the secret in each object, under each name, as a text and inside of other values."""
    if isinstance(body, list):
        return [with_secrets(item, names) for item in body]
    if not isinstance(body, dict):
        return body
    values = (SECRET, {"deep": [f"before {SECRET} after"]}, [SECRET], f"https://a.example/?sig={SECRET}")
    secrets = {name: values[index % len(values)] for index, name in enumerate(names)}
    return {name: with_secrets(value, names) for name, value in body.items()} | secrets


@pytest.fixture
async def tenant(tenant: Tenant) -> Tenant:
    """A tenant, and a log without requests of other tests, which would take long to read."""
    await tenant.operator.delete(LOG)
    return tenant


async def read_log(tenant: Tenant) -> str:
    """Return everything that the log shows of a tenant, and of nobody."""
    answer = await tenant.operator.get(LOG, params={"limit": 1000})
    results = answer.raise_for_status().json()["results"]
    return json.dumps([exchange for exchange in results if exchange["client"]["client_id"] in (None, tenant.client_id)])


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
async def test_no_secret_that_is_sent_appears(tenant: Tenant, endpoint: Endpoint) -> None:
    type_info = inspect.type_info(endpoint.body_type())
    declared = [name for name in fields_of(type_info) if is_logged_secret(name)]
    names = [*declared, *(name for name in GUESSED_NAMES if name not in declared)]
    path = endpoint.filled(missing_ids().but(project_id=tenant.project_id))
    body = with_secrets(endpoint.body(), names)
    for content in (json.dumps(body), json.dumps(body)[:-2], f'"{SECRET} token"', f"password={SECRET}&x=1"):
        await tenant.operator.request(endpoint.method, f"{path}?token={SECRET}&x=1", content=content)
    # A text is taken where a list or an object is not.
    await tenant.operator.request(endpoint.method, path, json=with_secrets(endpoint.body(), names[:1]))

    log = await read_log(tenant)
    assert SECRET not in log
    assert (REDACTED in log) == endpoint.handler.opt.get("logged", True)


def test_every_text_of_a_body_is_secret_or_listed_as_no_secret() -> None:
    texts = {
        name
        for endpoint in WITH_BODY
        for name, type_info in fields_of(inspect.type_info(endpoint.body_type())).items()
        if holds_text(type_info) and not name.endswith(("_id", "_ids", "_names", "_at", "_on"))
    }

    assert {name for name in texts if not is_logged_secret(name)} == TEXTS_WITHOUT_SECRETS
    assert all(is_logged_secret(name) for name in SECRET_ARGS)


async def test_no_secret_that_is_answered_appears(tenant: Tenant) -> None:
    key = (
        await tenant.operator.post(
            f"/_pileus/tenants/{tenant.client_id}/keys", json={"name": "a-key", "role": "Engineers"}
        )
    ).json()
    pair = (await tenant.api.post(f"/cloud/v1/ssh_keys/{tenant.project_id}", json={"name": "a-key"})).json()

    log = await read_log(tenant)
    assert key["token"] not in log
    assert pair["private_key"].splitlines()[1] not in log
    assert not any(token in log for token in tenant.tokens.values())


def test_a_secret_of_the_request_is_hidden_wherever_the_answer_repeats_it() -> None:
    redactor = Redactor()
    request = redactor.redact(
        {"password": SECRET, "url": f"{SECRET}-longer", "name": "n", "token": None, "access": True}
    )
    answer = redactor.redact(
        {"message": f"not {SECRET}-longer, not {SECRET}", "invalid_fields": {"password": ["Too short"]}}
    )

    assert request == {"password": REDACTED, "url": REDACTED, "name": "n", "token": None, "access": True}
    assert answer == {
        "message": f"not {REDACTED}, not {REDACTED}",
        "invalid_fields": {"password": ["Too short"]},
    }


def test_a_query_keeps_its_form_unless_it_has_secrets() -> None:
    assert Redactor().redact_query(b"a=%20b&c") == "a=%20b&c"
    assert Redactor().redact_query(b"a=b&ticket=x") == f"a=b&ticket={REDACTED}"


def test_no_secret_of_a_real_client_appears_in_the_log_or_in_a_stream() -> None:
    with pileus.testing.cloud() as cloud, cloud.project.make_client() as client:
        instances = client.cloud.instances
        image = instances.images.list().results[0]
        instances.create_and_poll(
            flavor="g1-standard-1-2",
            name="with-secrets",
            username="ann",
            password=SECRET,
            user_data=ENCODED,
            interfaces=[{"type": "external"}],
            volumes=[{"source": "image", "image_id": image.id, "size": 10, "boot_index": 0}],
        )
        client.cloud.instances.images.upload(name="fetched", url=f"https://images.example.org/x?signature={SECRET}")
        headers = {"Authorization": f"APIKey 77_{SECRET}{SECRET}{SECRET}"}
        assert httpx.get(f"{cloud.base_url}/cloud/v1/projects", headers=headers).status_code == 401
        listed = cloud.operator.get(LOG, params={"limit": 1000}).json()
        events = _read_stream(cloud, listed["count"])
        selected = cloud.operator.get(LOG, params={"text": SECRET}).json()

    log = msgspec.json.encode(listed).decode() + events
    assert all(text not in log for text in (SECRET, ENCODED, cloud.project.api_key))
    assert "with-secrets" in log
    assert selected["count"] == 0


def _read_stream(cloud: Any, count: int) -> str:
    with cloud.operator.stream("GET", f"{LOG}/stream", params={"after": ""}) as stream:
        lines = stream.iter_lines()
        events: list[str] = []
        while len(events) < count:
            line = next(lines)
            events += [line] * line.startswith("data")
    return "\n".join(events)
