"""Create one resource of each kind, and collect the ids for requests of other tenants."""

from dataclasses import dataclass
from typing import Any

from pileus.domain.account.quotas import LimitRequest, QuotaThreshold
from pileus.domain.compute.images import Image
from pileus.domain.compute.ssh_keys import SSHKey
from pileus.domain.network.networks import Subnet
from pileus.store import counters, tasks
from pileus.store.account import quotas
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.store.rows import Table
from tests.balancers import a_balanced_tree
from tests.builders import (
    BARE_METAL,
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    a_rule,
    a_security_group,
    an_instance,
    list_addresses,
    record_fields,
    updated_record_fields,
)
from tests.networks import a_router, a_secret
from tests.storage import a_file_share, a_lifecycle_policy, a_snapshot, a_volume, an_access_rule
from tests.tasks.workers import a_task
from tests.tenants import REGION, Tenant

SECRET = "only-its-owner-knows"
MISSING = "00000000-0000-4000-8000-000000000000"
TEXT_IDS = (
    "access_rule_id",
    "console_type",
    "fault_id",
    "file_share_id",
    "floating_ip_id",
    "group_id",
    "image_id",
    "instance_id",
    "keypair_id",
    "l7_policy_id",
    "l7_rule_id",
    "listener_id",
    "load_balancer_id",
    "member_id",
    "network_id",
    "pool_id",
    "port_id",
    "server_id",
    "router_id",
    "rule_id",
    "schedule_id",
    "secret_id",
    "servergroup_id",
    "snapshot_id",
    "ssh_key_id",
    "subnet_id",
    "task_id",
    "volume_id",
)
SSH_KEYS = Table("ssh_keys", SSHKey)


@dataclass(frozen=True, slots=True)
class Ids:
    """Values of path parameters."""

    values: dict[str, Any]

    def of(self, path: str, parameter: str) -> Any:
        """Return the value of a parameter. New kinds of resource must be added to this module."""
        if parameter == "group_id" and "/servergroups/" in path:
            parameter = "servergroup_id"
        assert parameter in self.values, f"add {parameter} of {path} to {__name__}"
        return self.values[parameter]

    def but(self, **others: Any) -> "Ids":
        """Return a copy with other values."""
        return Ids(self.values | others)


def missing_ids() -> Ids:
    """Return ids of resources that do not exist."""
    numbers = {
        "project_id": 7_000_000,
        "region_id": REGION,
        "blackhole_id": 7_000_000,
        "policy_id": 7_000_000,
        "subscription_id": 7_000_000,
        "profile_id": 8_000_000,
        "client_id": 7_000_000,
        "request_id": 7_000_000,
        "tenant_id": 7_000_000,
        "user_id": 7_000_000,
        "key_id": 7_000_000,
    }
    return Ids({**dict.fromkeys(TEXT_IDS, MISSING), **numbers, **PUBLIC})


PUBLIC = {"key": SECRET, "flavor_id": "g1-standard-1-2", "apptemplate_id": MISSING, "path": "nothing"}


async def create_everything(tenant: Tenant) -> Ids:
    """Create one resource of each kind, each named by SECRET, and return the ids."""
    db = tenant.running.app_state.db
    instance = await an_instance(tenant, name=SECRET, labels={SECRET: SECRET})
    key, image = _ssh_key(tenant), _image(tenant)
    task = a_task("stop_vm", id=tenant.running.app_state.new_id(), client_id=tenant.client_id, user_id=tenant.client_id)
    task = type(task)(**{**_fields(task), "project_id": tenant.project_id, "state": "FINISHED", "data": {"is": SECRET}})
    await db.write(lambda tx: SSH_KEYS.add(tx, key))
    await db.write(lambda tx: images.TABLE.add(tx, image))
    await db.write(lambda tx: tasks.add(tx, task))
    port = await a_port(tenant, name=SECRET)
    network, (subnet,) = await a_network(tenant, name=SECRET)
    ids = {
        "project_id": tenant.project_id,
        "region_id": REGION,
        "instance_id": instance.id,
        "port_id": port.id,
        "server_id": (await an_instance(tenant, name=SECRET, flavor_id=BARE_METAL)).id,
        "network_id": network.id,
        "subnet_id": subnet.id,
        "router_id": (await a_router(tenant, subnet, name=SECRET)).id,
        "floating_ip_id": (await a_floating_ip(tenant)).id,
        "group_id": (group := await a_security_group(tenant, SECRET)).id,
        "rule_id": (await a_rule(tenant, group)).id,
        "servergroup_id": (await a_placement_group(tenant, name=SECRET)).id,
        **await _create_file_share_secret_and_policy(tenant, subnet),
        "task_id": task.id,
        "client_id": tenant.client_id,
        "request_id": await a_limit_request(tenant),
        "ssh_key_id": key.id,
        "keypair_id": key.id,
        "image_id": image.id,
        "volume_id": (volume := await a_volume(tenant, name=SECRET)).id,
        "snapshot_id": (await a_snapshot(tenant, volume, name=SECRET)).id,
        "profile_id": (await a_ddos_profile(tenant, (await list_addresses(tenant, port))[0])).id,
        **(await a_balanced_tree(tenant, name=SECRET)),
    }
    return Ids(missing_ids().values | ids)


async def _create_file_share_secret_and_policy(tenant: Tenant, subnet: Subnet) -> dict[str, Any]:
    share = await a_file_share(tenant, subnet, name=SECRET)
    rule, secret = await an_access_rule(tenant, share), await a_secret(tenant, name=SECRET)
    policy_id, schedule_id = await a_lifecycle_policy(tenant, name=SECRET)
    return {
        "file_share_id": share.id,
        "access_rule_id": rule.id,
        "secret_id": secret.id,
        "policy_id": policy_id,
        "schedule_id": schedule_id,
    }


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _ssh_key(tenant: Tenant) -> SSHKey:
    fields = record_fields(tenant)
    fields.pop("region_id")
    return SSHKey(
        **fields,
        user_id=tenant.client_id,
        name=SECRET,
        public_key="ssh-ed25519 AAAA",
        fingerprint="00",
        shared_in_project=False,
    )


def _image(tenant: Tenant) -> Image:
    return Image(
        **updated_record_fields(tenant), name=SECRET, size=1, os_distro="debian", os_version="12", visibility="private"
    )


async def a_limit_request(tenant: Tenant) -> int:
    """Create a limit request and a threshold; return the id of the request."""

    async def write(tx: Tx) -> LimitRequest:
        fields: dict[str, Any] = {"created_at": 0, "updated_at": 0, "requested_limits": {}}
        number = await counters.increment(tx, "limit_requests")
        request = LimitRequest(id=number, client_id=tenant.client_id, description=SECRET, **fields)
        await quotas.save_threshold(tx, None, QuotaThreshold(client_id=tenant.client_id, threshold=80))
        return await quotas.add_limit_request(tx, request)

    return (await tenant.running.app_state.db.write(write)).id
