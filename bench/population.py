"""Fill a database with instances, each with a volume, a port, an address and five tags."""

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.account.quotas import GLOBAL_QUOTAS
from pileus.domain.catalogue import Catalogue, derive_public_image_id
from pileus.store.count_checks import correct_counts, find_wrong_counts
from pileus.store.schema import open_database

TAGS = ("env", "team", "app", "tier", "serial")
BATCH = 20_000
UNLIMITED = [(name, 2_000_000_000) for name in sorted(QUOTAS - GLOBAL_QUOTAS)]
"""Quotas that no benchmark reaches."""
CREATED_AT = 1_700_000_000_000_000


def instance_id(number: int) -> str:
    """Return the id of the nth instance."""
    return str(uuid.UUID(int=number + 1, version=4))


def order_body() -> str:
    """Return the body of a request that creates another instance."""
    volume = {"source": "image", "image_id": derive_public_image_id(1, "ubuntu-22.04-x64"), "size": 10, "boot_index": 0}
    return json.dumps(
        {"name": "more", "flavor": "g1-standard-1-2", "interfaces": [{"type": "external"}], "volumes": [volume]}
    )


def fill(data: Path, catalogue: Catalogue, count: int) -> None:
    """Add `count` instances to project 1 of the database of a stopped server."""
    (network, (subnet, *_)), *_ = catalogue.external_network_records(1, 0)
    with sqlite3.connect(data / "pileus.db") as db:
        db.execute("PRAGMA synchronous=OFF")
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            for table, rows in _rows(numbers, network.id, subnet.id):
                marks = ", ".join(f":{name}" for name in rows[0])
                db.executemany(f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})", rows)  # noqa: S608
            db.commit()
        db.executemany("INSERT INTO quota_limits (client_id, region_id, name, value) VALUES (1, 1, ?, ?)", UNLIMITED)
        db.execute("PRAGMA optimize")
    asyncio.run(_count(data))


async def _count(data: Path) -> None:
    """Correct the counts of records, which only the store keeps."""
    db = await open_database("", data)
    await correct_counts(db, await find_wrong_counts(db))
    await db.close()


def _rows(numbers: range, network: str, subnet: str) -> Iterator[tuple[str, list[dict[str, object]]]]:
    place = {"client_id": 1, "project_id": 1, "region_id": 1, "revision": 1}
    yield "instances", [
        {**place, "id": instance_id(n), "name": f"web-{n}", "kind": "vm", "flavor_id": "g1-standard-1-2",
         "status": "ACTIVE", "vm_state": "active", "isolated": 0, "boot": "{}", "created_at": CREATED_AT + n,
         "changed_at": CREATED_AT + n}
        for n in numbers
    ]  # fmt: skip
    yield "volumes", [
        {**place, "id": f"v{n}", "name": f"web-{n}_bootvolume", "size": 10, "type_name": "standard",
         "status": "in-use", "bootable": 1, "created_at": CREATED_AT, "updated_at": CREATED_AT}
        for n in numbers
    ]  # fmt: skip
    yield "attachments", [
        {"volume_id": f"v{n}", "id": f"a{n}", "instance_id": instance_id(n), "device": "/dev/vda", "boot_index": 0,
         "delete_on_termination": 0, "attached_at": CREATED_AT}
        for n in numbers
    ]  # fmt: skip
    yield "ports", [
        {**place, "id": f"p{n}", "network_id": network, "instance_id": instance_id(n), "position": 0, "name": "",
         "mac_address": f"m{n}", "port_security_enabled": 1, "allowed_address_pairs": "[]", "port_group": 0,
         "external": 1, "reserved": 0, "is_vip": 0, "created_at": CREATED_AT, "updated_at": CREATED_AT}
        for n in numbers
    ]  # fmt: skip
    yield "addresses", [
        {"subnet_id": subnet, "ip": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", "port_id": f"p{n}"}
        for n in numbers
    ]  # fmt: skip
    yield "tags", [
        {"resource_id": instance_id(n), "key": key, "value": _value(key, n), "read_only": 0, "kind": "instance",
         "project_id": 1, "region_id": 1}
        for n in numbers
        for key in TAGS
    ]  # fmt: skip


def _value(key: str, number: int) -> str:
    """Return the value of a tag: a hundred instances share a serial number, many more share other values."""
    return f"{key}-{number // 100 if key == 'serial' else number % (7 + len(key))}"
