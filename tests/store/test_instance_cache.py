"""The memory of instances and their answers: what it finds, its bound, and how it is checked."""

from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.compute.instance_details import AttachedVolume, InstanceAddress, InstanceDetails
from pileus.domain.compute.instances import FirstBootData, Instance
from pileus.domain.network.ddos_profiles import BlackholePort, DdosProfile
from pileus.domain.tags import Tag
from pileus.store.compute import instances
from pileus.store.compute.instance_cache import (
    ANSWER_BYTES,
    ENTRY_BYTES,
    STATE_DECODER,
    STATE_ENCODER,
    InstanceCache,
    InstanceState,
    WrongEntryError,
)
from pileus.store.database import Database
from tests.builders import an_instance, place_of
from tests.tenants import Tenant

PLACE: dict[str, Any] = {"client_id": 1, "project_id": 1, "region_id": 1, "created_at": 1}
DETAILS = InstanceDetails(
    tags=[Tag("env", "prod", read_only=True)],
    volumes=[AttachedVolume("v", "/dev/vda")],
    addresses=[InstanceAddress(network_name="n", addr="10.0.0.1", subnet_id="s", subnet_name="t", port_id="p")],
    security_groups=["default"],
    blackhole_ports=[
        BlackholePort(id=1, client_id=0, region_id=0, destination_ip="10.0.0.1", alarm_state="ALARM", started_at=1)
    ],
    ddos_profile=DdosProfile(id=1, **PLACE, ip_address="10.0.0.1", template_id=1, fields=[{"base_field": 1}]),
)


def a_state(instance_id: str = "i-1", stamp: int = 2**63 - 1) -> InstanceState:
    return InstanceState(
        Instance(id=instance_id, **PLACE, name="web", flavor_id="f", changed_at=1, stamp=stamp), DETAILS
    )


def test_an_answer_is_found_by_id_stamp_and_form() -> None:
    cache = InstanceCache(1 << 20)

    cache.keep_answer(a_state(stamp=1).instance, "whole", b"1")
    cache.keep_answer(a_state(stamp=1).instance, "short", b"2")

    assert [cache.find_answer("i-1", 1, form) for form in ("whole", "short", "other")] == [b"1", b"2", None]
    assert cache.find_answer("i-1", 2, "whole") is None
    assert cache.find_answer("i-2", 1, "whole") is None


def test_a_new_stamp_replaces_the_answers_of_the_former() -> None:
    cache = InstanceCache(1 << 20)
    cache.keep_answer(a_state(stamp=1).instance, "whole", b"1")
    size = cache.bytes

    cache.keep_answer(a_state(stamp=2).instance, "whole", b"2")

    assert cache.find_answer("i-1", 1, "whole") is None
    assert cache.find_answer("i-1", 2, "whole") == b"2"
    assert cache.bytes == size


def test_the_least_recently_used_make_room() -> None:
    state_size = len(STATE_ENCODER.encode(a_state()))
    size = state_size + ENTRY_BYTES + ANSWER_BYTES + 1000
    cache = InstanceCache(3 * size)
    for number in (1, 2, 3):
        cache.keep_answer(a_state(f"i-{number}").instance, "whole", bytes(1000))
        cache.keep_state(a_state(f"i-{number}"))
    cache.find_answer("i-1", 2**63 - 1, "whole")

    cache.keep_answer(a_state("i-4").instance, "whole", bytes(1000))
    cache.keep_state(a_state("i-4"))

    kept = [number for number in (1, 2, 3, 4) if cache.find_answer(f"i-{number}", 2**63 - 1, "whole")]
    assert kept == [1, 3, 4]
    assert cache.bytes == 3 * size


@pytest.mark.parametrize("bound", [0, 10])
def test_what_is_larger_than_the_bound_is_not_kept(bound: int) -> None:
    cache = InstanceCache(bound)

    cache.keep_answer(a_state().instance, "whole", b"1")

    assert cache.find_answer("i-1", 2**63 - 1, "whole") is None
    assert cache.bytes == 0


def test_a_state_survives_its_encoding() -> None:
    assert STATE_DECODER.decode(STATE_ENCODER.encode(a_state())) == a_state()


def test_a_checked_cache_refuses_another_content_under_the_same_stamp() -> None:
    cache = InstanceCache(1 << 20, checked=True)
    for _ in range(2):
        cache.keep_state(a_state())
        cache.keep_answer(a_state().instance, "whole", b"1")

    with pytest.raises(WrongEntryError, match="i-1"):
        cache.keep_answer(a_state().instance, "whole", b"2")
    with pytest.raises(WrongEntryError, match="i-1"):
        cache.keep_state(InstanceState(a_state().instance, replace(DETAILS, security_groups=[])))


async def test_a_state_for_a_change_is_read_once_and_has_no_secrets(tenant: Tenant) -> None:
    boot = FirstBootData(user_data="c2VjcmV0", username="ubuntu", password="correct-horse")
    instance, cache, db = await an_instance(tenant, boot=boot), InstanceCache(1 << 20), tenant.running.app_state.db
    place = place_of(tenant)

    read = await db.write(lambda tx: cache.get_for_change(tx, place, instance.id))
    cache.keep_state(read)
    kept = await db.write(lambda tx: cache.get_for_change(tx, place, instance.id))

    assert read.instance.boot == FirstBootData()
    assert kept == replace(read, instance=replace(read.instance, boot=FirstBootData()))


async def test_a_checked_cache_finds_a_change_without_a_new_stamp(tenant: Tenant) -> None:
    instance, cache, db = await an_instance(tenant), InstanceCache(1 << 20, checked=True), tenant.running.app_state.db
    place = place_of(tenant)
    cache.keep_state(await db.write(lambda tx: cache.get_for_change(tx, place, instance.id)))

    await _forget_the_stamp(db, instance)

    with pytest.raises(WrongEntryError, match=instance.id):
        await db.write(lambda tx: cache.get_for_change(tx, place, instance.id))


async def _forget_the_stamp(db: Database, instance: Instance) -> None:
    await db.write(lambda tx: instances.TABLE.save(tx, instance, replace(instance, name="renamed")))
