"""`pileus db`: wrong counts, dangling references, locks without a task, the repair of counts, and the status."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from pileus.store.schema import load_migrations
from tests.cli.conftest import Run

NETWORK = """
INSERT INTO networks (id, client_id, project_id, region_id, name, type, mtu, external, shared, is_default, retired,
    port_security_enabled, task_id, created_at, updated_at, revision)
VALUES ('n-1', 1, 1, 1, 'inside', 'vxlan', 1450, 0, 0, 0, 0, 1, 'gone', 0, 0, 1)
"""
PORT = """
INSERT INTO ports (id, client_id, project_id, region_id, network_id, position, name, mac_address, external,
    port_security_enabled, allowed_address_pairs, port_group, reserved, is_vip, created_at, updated_at, revision)
VALUES ('p-1', 1, 1, 1, 'missing', 0, '', 'm', 0, 1, '[]', 0, 0, 0, 0, 0, 1)
"""


def execute(cloud_data: Path, statement: str) -> None:
    with closing(sqlite3.connect(cloud_data / "pileus.db")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
        connection.commit()


def test_a_new_database_is_right(run: Run, cloud_data: Path) -> None:
    result = run("db", "check", "--data", str(cloud_data))

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Everything is right.\n")


def test_wrong_counts_are_shown_and_corrected(run: Run, cloud_data: Path) -> None:
    execute(cloud_data, NETWORK.replace("'gone'", "NULL"))

    wrong = run("db", "check", "--data", str(cloud_data), "-o", "json")
    repaired = run("db", "check", "--repair", "--data", str(cloud_data))
    right = run("db", "check", "--data", str(cloud_data))

    assert (wrong.exit_code, repaired.exit_code, right.exit_code) == (1, 0, 0)
    assert json.loads(wrong.stdout) == [
        {"check": "count", "subject": f"{name} 1 in region 1", "problem": "is 0, should be 1"}
        for name in ("network_count of tenant", "networks of project")
    ]
    assert "networks of project 1 in region 1" in repaired.stdout


def test_dangling_references_and_locks_are_shown_and_not_changed(run: Run, cloud_data: Path) -> None:
    execute(cloud_data, NETWORK)
    execute(cloud_data, PORT)

    result = run("db", "check", "--repair", "--data", str(cloud_data), "-o", "json")
    again = run("db", "check", "--data", str(cloud_data), "-o", "json")

    assert (result.exit_code, again.exit_code) == (1, 1)
    assert json.loads(again.stdout) == [
        {"check": "reference", "subject": "ports.network_id", "problem": "missing does not exist"},
        {"check": "lock", "subject": "networks n-1", "problem": "task gone does not run"},
    ]
    assert [finding["check"] for finding in json.loads(result.stdout)] == ["count", "count", "reference", "lock"]


def test_the_status_names_the_schema_and_who_holds_leases(run: Run, cloud_data: Path) -> None:
    execute(cloud_data, "INSERT INTO leases VALUES ('reconciler of region 1', 'host-a process 7', 't', 1)")

    execute(cloud_data, "INSERT INTO region_homes VALUES (2, 'qemu', 'id', '/data on host b', 'http://b:8080', 1)")

    lines = json.loads(run("db", "status", "--data", str(cloud_data), "-o", "json").stdout)

    newest = load_migrations()[-1][0]
    assert lines[0] == {
        "subject": f"schema version {newest}",
        "state": "current",
        "details": f"this program has version {newest}",
    }
    assert list(lines[1].values()) == ["machines of region 2", "local", "/data on host b; http://b:8080"]
    assert (lines[2]["subject"], lines[2]["state"]) == ("reconciler of region 1", "expired")
    assert lines[2]["details"].startswith("host-a process 7; expired ")


def test_the_status_of_another_version_changes_nothing(run: Run, cloud_data: Path) -> None:
    execute(cloud_data, "DROP TABLE leases")
    execute(cloud_data, "DROP TABLE region_homes")
    execute(cloud_data, "DELETE FROM schema_versions WHERE version >= 30")

    for _ in range(2):
        (line,) = json.loads(run("db", "status", "--data", str(cloud_data), "-o", "json").stdout)
        assert (line["subject"], line["state"]) == ("schema version 29", "older")
    execute(cloud_data, "INSERT INTO schema_versions VALUES (9000, 'future', 0)")
    (line,) = json.loads(run("db", "status", "--data", str(cloud_data), "-o", "json").stdout)
    assert line["state"] == "newer"
