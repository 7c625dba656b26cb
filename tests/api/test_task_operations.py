"""Task types in the place of operations, and operations in the place of task types, are answered with the other."""

from typing import Any

import pytest

from pileus.api.task_operations import STARTED_BY
from pileus.tasks.operations import OPERATIONS
from tests.tenants import Tenant


async def test_every_task_type_has_its_operations(tenant: Tenant) -> None:
    operation_ids = tenant.running.app_state.operations.public_ids
    started_by = {name for names in STARTED_BY.values() for name in names}

    assert OPERATIONS.keys() >= STARTED_BY.keys()
    assert operation_ids >= started_by
    assert [name for name in OPERATIONS if name not in STARTED_BY and name not in operation_ids] == []


@pytest.mark.parametrize(
    ("path", "fault", "field", "message"),
    [
        ("faults", {"kind": "hold", "task_type": "create_instance"}, "task_type",
         "There is no task type create_instance: it is an operation; its task is create_vm"),
        ("faults", {"kind": "fail", "task_type": "act_on_server"}, "task_type",
         "it is an operation; its task is start_bm or stop_bm or soft_reboot_bm or hard_reboot_bm"),
        ("faults", {"kind": "fail", "task_type": "list_networks"}, "task_type",
         "it is an operation; GET /_pileus/operations lists the task types"),
        ("http_faults", {"kind": "respond", "status": 503, "operation": "create_vm"}, "operation",
         "There is no operation create_vm: it is a task type; its operation is create_instance"),
        ("http_faults", {"kind": "respond", "status": 503, "operation": "stop_vm"}, "operation",
         "it is a task type; its operation is stop_instance or act_on_instance"),
    ],
)  # fmt: skip
async def test_the_other_name_is_suggested(
    tenant: Tenant, path: str, fault: dict[str, Any], field: str, message: str
) -> None:
    refused = await tenant.operator.post(f"/_pileus/{path}", json=fault)

    assert refused.status_code == 400
    assert message in str(refused.json()["invalid_fields"][field])
