"""Price previews of volumes and snapshots."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from pileus.domain.account.access import Role
from tests.storage import a_snapshot, a_volume
from tests.tenants import Tenant


async def preview_price(tenant: Tenant, noun: str, **body: Any) -> httpx.Response:
    return await tenant.api.post(f"/cloud/v1/pricing/{tenant.place_path}/{noun}", json=body)


@pytest.mark.parametrize(
    ("body", "month"),
    [
        ({"source": "new-volume", "size": 10}, 0.9),
        ({"source": "image", "size": 10, "type_name": "ssd_hiiops"}, 1.5),
        ({"source": "new-volume", "size": 102400, "type_name": "ultra"}, 30720.0),
    ],
)
async def test_a_volume_price_depends_on_size_and_type(tenant: Tenant, body: dict[str, Any], month: float) -> None:
    answer = (await preview_price(tenant, "volumes", **body)).json()

    assert answer["price_per_month"] == answer["price_without_discount_per_month"] == month
    assert answer["price_per_hour"] == pytest.approx(month / 730, abs=1e-6)
    assert (answer["currency_code"], answer["price_status"], answer["discount_percent"]) == ("EUR", "show", 0)


async def test_a_volume_from_a_snapshot_defaults_to_its_size_and_type(tenant: Tenant) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant, size=20, type_name="ssd_hiiops"))
    body = {"source": "snapshot", "snapshot_id": snapshot.id}

    alike, other = (
        await preview_price(tenant, "volumes", **body),
        await preview_price(tenant, "volumes", **body, type_name="standard"),
    )

    assert (alike.json()["price_per_month"], other.json()["price_per_month"]) == (3.0, 1.8)


async def test_a_snapshot_price_depends_on_the_size_of_its_volume(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, volume = tenant.running.app_state, await a_volume(tenant, size=20)
    prices = replace(cloud.catalogue.prices, snapshot_per_gib_month=Decimal("0.05"), tax_percent=Decimal(20))
    monkeypatch.setattr(cloud, "catalogue", replace(cloud.catalogue, prices=prices))

    answer = (await preview_price(tenant, "snapshots", volume_id=volume.id)).json()

    assert (answer["price_per_month"], answer["tax_percent"]) == (1.0, 20.0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": "new-volume"}, "size"),
        ({"source": "snapshot"}, "snapshot_id"),
        ({"source": "air", "size": 1}, "source"),
        ({"source": "new-volume", "size": 0}, "size"),
        ({"source": "new-volume", "size": 102401}, "size"),
        ({"source": "new-volume", "size": 1, "type_name": "gold"}, "type_name"),
        ({}, "source"),
    ],
)
async def test_an_invalid_price_request_names_the_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await preview_price(tenant, "volumes", **body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_another_tenants_resources_cannot_be_priced(tenant: Tenant, stranger: Tenant) -> None:
    volume = await a_volume(stranger)
    snapshot = await a_snapshot(stranger, volume)

    assert (await preview_price(tenant, "snapshots", volume_id=volume.id)).status_code == 404
    assert (await preview_price(tenant, "volumes", source="snapshot", snapshot_id=snapshot.id)).status_code == 404


async def test_a_reader_can_preview_prices(tenant: Tenant) -> None:
    path = f"/cloud/v1/pricing/{tenant.place_path}/volumes"

    answer = await tenant.clients[Role.USERS].post(path, json={"source": "new-volume", "size": 1})

    assert answer.status_code == 200
