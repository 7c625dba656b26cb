"""Prices: exact sums, and rounding of the result only."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pileus.domain.account.prices import (
    HOURS_PER_MONTH,
    Price,
    PricePreview,
    external_ip_price,
    flavor_price,
    floating_ip_price,
    preview_price,
    price_from_hourly_amount,
    round_to_six_places,
    volume_price,
)
from pileus.domain.compute.instance_orders import ResourceDemand, VolumeDemand
from tests.domain.builders import the_catalogue

CATALOGUE = the_catalogue()
FLAVORS = {flavor.id: flavor for flavor in CATALOGUE.flavors}
TYPES = sorted(volume_type.name for volume_type in CATALOGUE.volume_types)
BASKETS = st.builds(
    ResourceDemand,
    flavor=st.sampled_from(CATALOGUE.flavors),
    disks=st.lists(st.builds(VolumeDemand, st.integers(1, 4096), st.sampled_from(TYPES)), max_size=5),
    floating_ips=st.integers(0, 4),
    external_ips=st.integers(0, 4),
    count=st.integers(1, 9),
)


def require_price(price: Price | None) -> Price:
    assert price is not None
    return price


def test_flavor_is_priced_per_hour_and_a_month_has_730_hours() -> None:
    price = require_price(flavor_price(FLAVORS["g1-standard-1-2"]))

    assert (price.per_hour, price.per_month) == (Decimal("0.012"), Decimal("8.76"))
    assert HOURS_PER_MONTH == 730


def test_volume_is_priced_per_month_and_gib() -> None:
    price = volume_price(CATALOGUE, 50, "ssd_hiiops")

    assert price.per_month == Decimal("7.5")
    assert round_to_six_places(price.per_hour) == Decimal("0.010274")


def test_addresses_are_priced_per_hour() -> None:
    assert floating_ip_price(CATALOGUE).per_hour == Decimal("0.004")
    assert external_ip_price(CATALOGUE).per_month == Decimal("2.92")


def test_removed_volume_type_costs_nothing() -> None:
    assert volume_price(CATALOGUE, 50, "gone") == Price(Decimal(0))


def test_preview_has_the_parts_of_all_servers() -> None:
    disks = [VolumeDemand(10, "standard"), VolumeDemand(20, "standard"), VolumeDemand(10, "ultra")]
    demand = ResourceDemand(flavor=FLAVORS["g1-standard-1-2"], disks=disks, floating_ips=1, external_ips=2, count=3)

    preview = preview_price(CATALOGUE, demand)

    assert preview.count == 3
    assert require_price(preview.flavor).per_month == Decimal("26.28")
    assert {name: cost.per_month for name, cost in preview.volumes.items()} == {
        "standard": Decimal("8.1"),
        "ultra": Decimal("9.0"),
    }
    assert preview.floating_ip.per_month == Decimal("8.76")
    assert preview.external_ip.per_month == Decimal("17.52")
    assert require_price(preview.total).per_month == Decimal("69.66")
    assert preview.display_status == "show"


@given(BASKETS)
def test_total_is_the_sum_of_the_parts_times_the_count(demand: ResourceDemand) -> None:
    preview = preview_price(CATALOGUE, demand)
    single_preview = preview_price(CATALOGUE, replace(demand, count=1))

    parts = [require_price(preview.flavor), *preview.volumes.values(), preview.floating_ip, preview.external_ip]
    assert require_price(preview.total).per_month == sum(part.per_month for part in parts)
    assert require_price(preview.total) == require_price(single_preview.total) * demand.count


@given(st.decimals(min_value=0, max_value=1000, places=6))
def test_price_per_hour_is_exact(amount: Decimal) -> None:
    assert round_to_six_places(price_from_hourly_amount(amount).per_hour) == amount


@pytest.mark.parametrize(
    ("amount", "preview"),
    [
        ("0", "0.000000"),
        ("0.0000005", "0.000001"),
        ("0.0000004", "0.000000"),
        ("1.2345675", "1.234568"),
        ("8.760", "8.760000"),
    ],
)
def test_amounts_are_rounded_half_up_to_a_millionth(amount: str, preview: str) -> None:
    assert str(round_to_six_places(Decimal(amount))) == preview


def test_total_is_unknown_without_a_flavor_price() -> None:
    unpriced = replace(FLAVORS["g1-standard-1-2"], price_per_hour=None)

    preview = preview_price(CATALOGUE, ResourceDemand(flavor=unpriced, disks=[VolumeDemand(10)]))

    assert (flavor_price(unpriced), preview.total, preview.display_status) == (None, None, "hide")
    assert preview.volumes["standard"].per_month == Decimal("0.9")


@pytest.mark.parametrize(
    ("flavor", "virtual", "bare"), [("g1-standard-1-2", Decimal(1), None), ("bm2-hf-medium", None, Decimal(2))]
)
def test_egress_price_depends_on_the_kind_of_server(flavor: str, virtual: Decimal | None, bare: Decimal | None) -> None:
    prices = replace(CATALOGUE.prices, egress_virtual_per_gb=Decimal(1), egress_baremetal_per_gb=Decimal(2))

    preview = preview_price(replace(CATALOGUE, prices=prices), ResourceDemand(flavor=FLAVORS[flavor]))

    assert (preview.egress_virtual_per_gb, preview.egress_baremetal_per_gb) == (virtual, bare)


def test_empty_preview_costs_nothing() -> None:
    assert require_price(PricePreview(flavor=Price()).total) == Price(Decimal(0))
