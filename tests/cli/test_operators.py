"""`pileus operators`: create, list and delete operators in the database."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_operator_is_created_listed_and_deleted(run: Run, cloud_data: Path) -> None:
    data_option = ("--data", str(cloud_data))

    token = run("operators", "create", "ann", "--expires", "9", *data_option).stdout.strip()
    run("keys", "create", "pipeline", *data_option)
    listed = json.loads(run("operators", "list", "-o", "json", *data_option).stdout)
    number = token.partition("_")[0]
    deleted = run("operators", "delete", number, *data_option)
    listed_after = json.loads(run("operators", "list", "-o", "json", *data_option).stdout)

    assert [operator["name"] for operator in listed] == ["administrator", "ann"]
    assert listed[1]["expires_at"] > listed[1]["created_at"]
    assert deleted.stdout == f"Operator {number} is deleted.\n"
    assert [operator["revoked_at"] is None for operator in listed_after] == [True, False]


@pytest.mark.parametrize("command", [("operators", "delete"), ("keys", "revoke")])
def test_the_last_operator_goes_only_if_that_is_confirmed(command: tuple[str, str], run: Run, cloud_data: Path) -> None:
    refused = run(*command, "1", "--data", str(cloud_data))
    is_kept = (cloud_data / "admin.key").exists()
    confirmed = run(*command, "1", "--yes", "--data", str(cloud_data))

    assert (refused.exit_code, is_kept) == (1, True)
    assert "Create another with `pileus operators create NAME`, or confirm with --yes." in refused.stderr
    assert (confirmed.exit_code, (cloud_data / "admin.key").exists()) == (0, False)


def test_a_key_of_a_tenant_is_no_operator(run: Run, cloud_data: Path) -> None:
    token = run("keys", "create", "pipeline", "--data", str(cloud_data)).stdout

    refused = run("operators", "delete", token.partition("_")[0], "--data", str(cloud_data))

    assert refused.exit_code == 1
    assert "There is no operator 2." in refused.stderr


def test_sim_acts_for_the_named_tenant(sim: Run) -> None:
    run_for_all = ("--client", "0")
    sim("hold", "stop_vm", *run_for_all)

    own = json.loads(sim("faults", "-o", "json").stdout)
    everybody = json.loads(sim("faults", "-o", "json", *run_for_all).stdout)
    sim("release", "--all", *run_for_all)

    assert own == []
    assert [(fault["client_id"], fault["task_type"]) for fault in everybody] == [(0, "stop_vm")]


@pytest.mark.parametrize("client", ["-1", "few"])
def test_an_invalid_tenant_is_rejected(sim: Run, client: str) -> None:
    assert sim("faults", "--client", client).exit_code == 2
