"""Fills a database with instances, each with a volume, a port, an address and five tags, quickly."""

import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.account.quotas import GLOBAL_QUOTAS
from pileus.domain.catalogue import Catalogue, image_id

TAGS = ("env", "team", "app", "tier", "serial")
AT_ONCE = 20_000
ENDLESS = [(name, 2_000_000_000) for name in sorted(QUOTAS - GLOBAL_QUOTAS)]
"""Limits that nothing here comes near."""
BEGINNING = 1_700_000_000_000_000


def instance_id(number: int) -> str:
    """The id of the nth instance."""
    return str(uuid.UUID(int=number + 1, version=4))


def order() -> str:
    """The body that makes one more."""
    volume = {"source": "image", "image_id": image_id(1, "ubuntu-22.04-x64"), "size": 10, "boot_index": 0}
    return json.dumps(
        {"name": "more", "flavor": "g1-standard-1-2", "interfaces": [{"type": "external"}], "volumes": [volume]}
    )


def fill(data: Path, catalogue: Catalogue, count: int) -> None:
    """Put `count` instances into project 1 of a database that a server has made and left."""
    (network, (subnet, *_)), *_ = catalogue.network_records(1, 0)
    with sqlite3.connect(data / "pileus.db") as db:
        db.execute("PRAGMA synchronous=OFF")
        for start in range(0, count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count))
            for table, rows in _rows(numbers, network.id, subnet.id):
                marks = ", ".join(f":{name}" for name in rows[0])
                db.executemany(f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})", rows)  # noqa: S608
            db.commit()
        db.executemany("INSERT INTO quota_limits (client_id, region_id, name, value) VALUES (1, 1, ?, ?)", ENDLESS)
        db.execute("PRAGMA optimize")


def _rows(numbers: range, network: str, subnet: str) -> Iterator[tuple[str, list[dict[str, object]]]]:
    where = {"client_id": 1, "project_id": 1, "region_id": 1, "revision": 1}
    yield "instances", [
        {**where, "id": instance_id(n), "name": f"web-{n}", "kind": "vm", "flavor_id": "g1-standard-1-2",
         "status": "ACTIVE", "vm_state": "active", "isolated": 0, "boot": "{}", "created_at": BEGINNING + n,
         "changed_at": BEGINNING + n}
        for n in numbers
    ]  # fmt: skip
    yield "volumes", [
        {**where, "id": f"v{n}", "name": f"web-{n}_bootvolume", "size": 10, "type_name": "standard",
         "status": "in-use", "bootable": 1, "created_at": BEGINNING, "updated_at": BEGINNING}
        for n in numbers
    ]  # fmt: skip
    yield "attachments", [
        {"volume_id": f"v{n}", "id": f"a{n}", "instance_id": instance_id(n), "device": "/dev/vda", "boot_index": 0,
         "delete_on_termination": 0, "attached_at": BEGINNING}
        for n in numbers
    ]  # fmt: skip
    yield "ports", [
        {**where, "id": f"p{n}", "network_id": network, "instance_id": instance_id(n), "position": 0, "name": "",
         "mac_address": f"m{n}", "port_security_enabled": 1, "allowed_address_pairs": "[]", "port_group": 0,
         "reserved": 0, "is_vip": 0, "created_at": BEGINNING, "updated_at": BEGINNING}
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
    """A serial number is shared by a hundred, the others by ever more."""
    return f"{key}-{number // 100 if key == 'serial' else number % (7 + len(key))}"
