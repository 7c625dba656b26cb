"""Secrets: saved encrypted, never shown, usable for TLS, and not deleted while in use."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import gcore
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from pileus.domain.errors import Invalid
from pileus.domain.faults import FaultKind
from pileus.domain.network.secrets import Secret, SecretPayload, TlsCertificate
from pileus.services.network.pkcs12_reader import read_pkcs12
from pileus.store.network import secrets
from tests.api.test_load_balancers import create as create_load_balancer
from tests.builders import inject_fault, list_user_actions
from tests.certificates import A_CERTIFICATE, CERTIFICATE, make_certificate
from tests.networks import a_secret
from tests.storage import set_quotas
from tests.tenants import REGION, Tenant

NOUN = "secrets"
OTHER = make_certificate("other.example.com")
SECRET_TEXT = "Geheim-7f3a9c"


def payload_with(**changes: str) -> dict[str, Any]:
    return {**A_CERTIFICATE, "payload": {**A_CERTIFICATE["payload"], **changes}}  # type: ignore[dict-item]


def encoded(content: bytes, secret_type: str = "certificate", **changes: Any) -> dict[str, Any]:
    return {
        "name": "www",
        "payload": base64.b64encode(content).decode(),
        "payload_content_type": "application/octet-stream",
        "payload_content_encoding": "base64",
        "secret_type": secret_type,
        **changes,
    }


async def create(tenant: Tenant, body: Any, *, version: int = 1) -> Secret:
    """Create a secret and return its record."""
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path(NOUN, version=version), json=body))
    (secret_id,) = task["created_resources"]["secrets"]
    async with tenant.running.app_state.db.read() as tx:
        return await secrets.require(tx, secret_id)


async def test_the_official_sdk_uploads_lists_reads_and_deletes_certificates(tenant: Tenant, stranger: Tenant) -> None:
    await a_secret(stranger)
    api: Any = tenant.sdk.cloud.secrets
    scope: Any = {"project_id": tenant.project_id, "region_id": REGION}
    expiration = datetime(2098, 1, 2, 3, 4, 5, tzinfo=UTC)

    created = await api.upload_tls_certificate_and_poll(
        **scope, name="www", payload=A_CERTIFICATE["payload"], expiration=expiration, polling_interval_seconds=0
    )
    listed = [secret async for secret in api.list(**scope)]
    read = await api.get(created.id, **scope)
    tasks = await api.delete(created.id, **scope)
    await tenant.wait_for_task(tasks.tasks[0])

    assert (created.name, created.secret_type, created.status) == ("www", "certificate", "ACTIVE")
    assert (created.expiration, created.content_types) == (expiration, {"default": "application/octet-stream"})
    assert (created.algorithm, created.bit_length, created.mode) == (None, None, None)
    assert [secret.id for secret in listed] == [created.id]
    assert read == created
    with pytest.raises(gcore.NotFoundError):
        await api.get(created.id, **scope)


async def test_times_have_an_offset_with_a_colon(tenant: Tenant) -> None:
    secret = await create(tenant, {**A_CERTIFICATE, "expiration": "2098-01-02T03:04:05.678"}, version=2)

    view = (await tenant.api.get(tenant.path(NOUN, secret.id))).json()

    assert view["expiration"] == "2098-01-02T03:04:05+00:00"
    assert datetime.strptime(view["created"], "%Y-%m-%dT%H:%M:%S%z").tzinfo is not None


async def test_the_payload_is_in_no_answer_task_log_or_column(tenant: Tenant) -> None:
    body = encoded(SECRET_TEXT.encode(), "opaque")
    secret = await create(tenant, body)
    certificate = await create(tenant, A_CERTIFICATE, version=2)
    answers = [
        await tenant.api.get(tenant.path(NOUN)),
        await tenant.api.get(tenant.path(NOUN, certificate.id)),
        await tenant.api.get("/cloud/v1/tasks"),
        await tenant.api.get("/cloud/v1/user_actions"),
        await tenant.operator.get("/_pileus/requests", params={"limit": 1000}),
    ]
    async with tenant.running.app_state.db.read() as tx:
        columns = [str(row[0]) for row in await tx.all("SELECT payload FROM secrets")]
        rows = await tx.all("SELECT args, data FROM tasks WHERE client_id = :id", id=tenant.client_id)

    key = CERTIFICATE.private_key.splitlines()[1]
    texts = [*(answer.text for answer in answers), *columns, *(json.dumps(list(row)) for row in rows)]
    assert all(secret_text not in text for text in texts for secret_text in (key, SECRET_TEXT, body["payload"]))
    assert all(column.startswith("fernet:") for column in columns)
    assert base64.b64decode(secret.payload.content) == SECRET_TEXT.encode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"certificate": "no certificate"}, "certificate"),
        ({"certificate": CERTIFICATE.private_key}, "certificate"),
        ({"private_key": CERTIFICATE.text}, "private_key"),
        ({"private_key": OTHER.private_key}, "private_key"),
        ({"private_key": ""}, "private_key"),
        ({"certificate_chain": "no chain"}, "certificate_chain"),
    ],
)
async def test_texts_that_are_no_certificate_with_its_key_are_refused(
    tenant: Tenant, changes: dict[str, str], field: str
) -> None:
    answer = await tenant.api.post(tenant.path(NOUN, version=2), json=payload_with(**changes))

    assert answer.status_code == 400
    assert list(answer.json()["invalid_fields"]["payload"]) == [field]
    assert all(text.splitlines()[-2] not in answer.text for text in changes.values() if "-----" in text)


async def test_a_key_with_a_password_is_refused(tenant: Tenant) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption  # noqa: PLC0415  # used once

    key = CERTIFICATE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()

    answer = await tenant.api.post(tenant.path(NOUN, version=2), json=payload_with(private_key=key))

    assert (answer.status_code, list(answer.json()["invalid_fields"]["payload"])) == (400, ["private_key"])


async def test_a_certificate_keeps_its_chain(tenant: Tenant) -> None:
    secret = await create(tenant, payload_with(certificate_chain=OTHER.text), version=2)

    certificate = secret.require_tls_certificate()

    assert certificate == TlsCertificate(
        certificate=CERTIFICATE.text, private_key=CERTIFICATE.private_key, certificate_chain=OTHER.text
    )
    assert certificate.bundle == CERTIFICATE.text + OTHER.text + CERTIFICATE.private_key


@pytest.mark.parametrize("secret_type", ["certificate", "opaque"])
@pytest.mark.parametrize(
    "content",
    [CERTIFICATE.pkcs12, (CERTIFICATE.private_key + CERTIFICATE.text * 2).encode()],
    ids=["PKCS#12", "PEM"],
)
async def test_older_clients_send_a_certificate_with_its_key_in_base64(
    tenant: Tenant, content: bytes, secret_type: str
) -> None:
    secret = await create(tenant, encoded(content, secret_type, algorithm="ec", bit_length=256, mode="x"))

    certificate = secret.require_tls_certificate()
    view = (await tenant.api.get(tenant.path(NOUN, secret.id))).json()

    assert certificate.certificate.strip() == CERTIFICATE.text.strip()
    assert certificate.private_key.strip() == CERTIFICATE.private_key.strip()
    assert certificate.certificate_chain.strip() == CERTIFICATE.text.strip()
    assert (view["secret_type"], view["algorithm"], view["bit_length"], view["mode"]) == (secret_type, "ec", 256, "x")


async def test_authorities_and_revocation_lists_are_kept_as_pem(tenant: Tenant) -> None:
    revoked = CERTIFICATE.revocation_list
    for encoding in (Encoding.PEM, Encoding.DER):
        authority = await create(tenant, encoded(CERTIFICATE.certificate.public_bytes(encoding)))
        listed = await create(tenant, encoded(revoked.public_bytes(encoding)))

        assert authority.require_authorities().strip() == CERTIFICATE.text.strip()
        assert listed.require_revocation_list().strip() == revoked.public_bytes(Encoding.PEM).decode().strip()
        for require in (
            authority.require_tls_certificate,
            authority.require_revocation_list,
            listed.require_authorities,
        ):
            with pytest.raises(Invalid, match="Could not retrieve certificate"):
                require()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (encoded(b""), "payload"),
        (encoded(b"no certificate"), "payload"),
        (encoded(b"\x300 no PKCS#12"), "payload"),
        (encoded(b"x" * 20_001, "opaque"), "payload"),
        (encoded(b"x", "opaque", payload="***"), "payload"),
        (encoded(b"x", "opaque", payload_content_type="text/plain"), "payload_content_type"),
        (encoded(b"x", "opaque", payload_content_encoding="hex"), "payload_content_encoding"),
        (encoded(b"x", "odd"), "secret_type"),
        (encoded(b"x", "opaque", bit_length=0), "bit_length"),
        (encoded(b"x", "opaque", expiration="tomorrow"), "expiration"),
        (encoded(b"x", "opaque", expiration="2001-01-01T00:00:00Z"), "expiration"),
        (encoded(b"x", "opaque", name=""), "name"),
    ],
)
async def test_an_invalid_secret_is_refused(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await tenant.api.post(tenant.path(NOUN), json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_a_file_that_takes_long_to_decrypt_is_given_up() -> None:
    """Its author chose many rounds: in this process, nothing else would run meanwhile."""
    rounds = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(3_000_000).hmac_hash(SHA256()).build(b"x")
    content = serialize_key_and_certificates(b"", CERTIFICATE.key, CERTIFICATE.certificate, None, rounds)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    payload = await read_pkcs12(content)
    ticking.cancel()

    assert payload is None
    assert ticks > 1000


async def test_an_expired_secret_stays_and_can_be_deleted_but_not_used_anew(tenant: Tenant) -> None:
    secret = await create(tenant, {**A_CERTIFICATE, "expiration": in_an_hour()}, version=2)
    balancer = await create_load_balancer(tenant, listeners=[https(443, secret)])
    path = tenant.path("lblisteners", balancer.listeners[0].id)
    (await tenant.operator.post("/_pileus/clock/advance", json={"seconds": 7200})).raise_for_status()

    view = (await tenant.api.get(tenant.path(NOUN, secret.id))).json()
    renamed = await tenant.api.patch(path, json={"name": "next"})
    refused = await tenant.api.post(
        tenant.path("lblisteners"), json={**https(444, secret), "load_balancer_id": balancer.id}
    )
    await tenant.wait_until_finished(await tenant.api.delete(path))
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path(NOUN, secret.id)))

    assert (view["status"], renamed.status_code, refused.status_code) == ("EXPIRED", 200, 400)
    assert refused.json()["message"] == f"Secret {secret.id} has expired"


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def https(port: int, secret: Secret, **changes: Any) -> dict[str, Any]:
    """Return the body of a listener that ends TLS with a secret."""
    fields = {"name": "www", "protocol": "TERMINATED_HTTPS", "protocol_port": port, "secret_id": secret.id}
    return {**fields, **changes}


async def is_deleted(tenant: Tenant, secret: Secret) -> bool:
    """Delete a secret; return whether nothing uses it."""
    answer = await tenant.api.delete(tenant.path(NOUN, secret.id))
    if answer.status_code == 400:
        assert answer.json()["exception_class"] == "ValidationError"
        assert answer.json()["message"].startswith(f"Secret {secret.id} is in use by ")
        return False
    await tenant.wait_until_finished(answer)
    return True


async def test_a_secret_in_use_is_not_deleted(tenant: Tenant, stranger: Tenant) -> None:
    first, second, foreign = await a_secret(tenant), await a_secret(tenant), await a_secret(stranger)
    balancer = await create_load_balancer(
        tenant, listeners=[https(443, first), https(444, second, sni_secret_id=[first.id])]
    )
    listeners = [await tenant.sdk.cloud.load_balancers.listeners.get(listener.id) for listener in balancer.listeners]
    by_port = {listener.protocol_port: listener.id for listener in listeners}
    path = partial(tenant.path, "lblisteners", version=2)

    assert not await is_deleted(tenant, first)
    refused = await tenant.api.patch(path(by_port[443]), json={"secret_id": foreign.id})
    await tenant.wait_until_finished(await tenant.api.patch(path(by_port[443]), json={"secret_id": second.id}))
    assert not await is_deleted(tenant, first)
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("lblisteners", by_port[444])))
    assert await is_deleted(tenant, first)
    assert not await is_deleted(tenant, second)
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("loadbalancers", balancer.id)))
    assert await is_deleted(tenant, second)

    assert (refused.status_code, refused.json()["message"]) == (
        400,
        f"Could not retrieve certificate: Secret {foreign.id} could not be found",
    )


async def test_a_failed_change_uses_the_secrets_from_before(tenant: Tenant) -> None:
    first, second = await a_secret(tenant), await a_secret(tenant)
    balancer = await create_load_balancer(tenant, listeners=[https(443, first)])
    listener_path = tenant.path("lblisteners", balancer.listeners[0].id, version=2)
    await inject_fault(tenant, FaultKind.FAIL, "patch_lblistener")

    change = await tenant.api.patch(listener_path, json={"secret_id": second.id})
    task = await tenant.wait_for_task(change.json()["tasks"][0])

    assert task["state"] == "ERROR"
    assert not await is_deleted(tenant, first)
    assert await is_deleted(tenant, second)


async def test_a_listener_needs_a_certificate_with_its_key(tenant: Tenant) -> None:
    opaque = await a_secret(tenant, payload=SecretPayload(content="eA=="), secret_type="opaque")
    balancer = await create_load_balancer(tenant)

    answer = await tenant.api.post(
        tenant.path("lblisteners"), json={**https(443, opaque), "load_balancer_id": balancer.id}
    )

    message = f"Could not retrieve certificate: secret {opaque.id} holds no certificate with a private key"
    assert (answer.status_code, answer.json()["message"]) == (400, message)


async def test_a_secret_is_either_used_or_deleted(tenant: Tenant) -> None:
    balancer = await create_load_balancer(tenant)
    for number in range(10):
        secret = await a_secret(tenant)
        body = {**https(1000 + number, secret), "load_balancer_id": balancer.id}
        used, deleted = await asyncio.gather(
            tenant.api.post(tenant.path("lblisteners"), json=body),
            tenant.api.delete(tenant.path(NOUN, secret.id)),
        )

        assert sorted((used.status_code == 200, deleted.status_code == 200)) == [False, True]
        await tenant.wait_until_finished(used if used.status_code == 200 else deleted)


async def test_the_quota_limits_secrets(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, secret_count=1)

    answers = await asyncio.gather(
        *(tenant.api.post(tenant.path(NOUN, version=2), json=A_CERTIFICATE) for _ in range(3))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]


async def test_creation_and_deletion_are_in_the_audit_log(tenant: Tenant) -> None:
    secret = await create(tenant, A_CERTIFICATE, version=2)
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path(NOUN, secret.id)))

    actions = await list_user_actions(tenant)

    assert sorted((action.api_group, action.action_type) for action in actions) == [
        ("secret", "create"),
        ("secret", "delete"),
    ]
