"""`pileus db check`: wrong counts, dangling references and locks without a task, and the repair of counts."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

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
