"""Instances, volumes, addresses and floating IPs in random order, compared with a small model."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from pileus.store.project_contents import LOCKABLE
from tests.orders import an_order, boot
from tests.simulated_cloud import count_machines_volumes_and_nics
from tests.state_machines import WHICH, TenantMachine, one_of, run_machine
from tests.sync_app import SyncApp
from tests.tenants import REGION

GONE = "SELECT 1 FROM {table} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT id FROM {other})"
DANGLING = {
    "an attachment of no volume": GONE.format(table="attachments", column="volume_id", other="volumes"),
    "an attachment on no instance": GONE.format(table="attachments", column="instance_id", other="instances"),
    "a port on no instance": GONE.format(table="ports", column="instance_id", other="instances"),
    "a floating IP of no port": GONE.format(table="floating_ips", column="port_id", other="ports"),
    "an address of no port": GONE.format(table="addresses", column="port_id", other="ports"),
    "an address of no floating IP": GONE.format(table="addresses", column="floating_ip_id", other="floating_ips"),
    "an address of nobody": "SELECT ip FROM addresses"
    " WHERE port_id IS NULL AND floating_ip_id IS NULL AND router_port_id IS NULL AND file_share_id IS NULL",
    "an address twice": "SELECT ip FROM addresses GROUP BY subnet_id, ip HAVING count(*) > 1",
}


class Family(TenantMachine):
    """The resources of one tenant and their attachments."""

    def __init__(self, world: SyncApp) -> None:
        super().__init__(world)
        self.instances: dict[str, str] = {}
        """The port in the private network of each instance."""
        self.volumes: dict[str, str | None] = {}
        self.roots: dict[str, bool] = {}
        """Boot volumes, and whether they are deleted with their instance."""
        self.sizes: dict[str, int] = {}
        self.reserved: dict[str, str | None] = {}
        self.floating: dict[str, str | None] = {}

    def get(self, *path: str) -> Any:
        """Return the answer to a GET request."""
        answer = self.world.run(self.tenant.api.get(self.tenant.path(*path)))
        assert answer.status_code == 200, answer.text
        return answer.json()

    @rule(goes=st.booleans())
    def create_an_instance(self, *, goes: bool) -> None:
        """The boot volume may be deleted with the instance."""
        inner = {"type": "subnet", "network_id": self.network.id, "subnet_id": self.subnet.id}
        order = an_order(interfaces=[inner], volumes=[boot(delete_on_termination=goes)])
        task = self.ask("POST", self.tenant.path("instances", version=2), order)
        assert task is not None
        created = task["created_resources"]
        (instance_id,), (volume_id,), (port_id,) = created["instances"], created["volumes"], created["ports"]
        self.instances[instance_id], self.volumes[volume_id] = port_id, instance_id
        self.roots[volume_id], self.sizes[volume_id] = goes, 10

    @rule(which=WHICH, addresses=st.booleans())
    def delete_an_instance(self, which: int, *, addresses: bool) -> None:
        """Volumes not named remain available; floating IPs may be deleted."""
        if not (instance_id := one_of(self.instances, which)):
            return
        path = self.tenant.path("instances", instance_id)
        assert self.ask("DELETE", f"{path}?delete_floatings={str(addresses).lower()}") is not None
        port_id = self.instances.pop(instance_id)
        gone = {volume for volume, where in self.volumes.items() if where == instance_id and self.roots.get(volume)}
        self.volumes = {
            volume: None if where == instance_id else where
            for volume, where in self.volumes.items()
            if volume not in gone
        }
        assigned = {floating_id for floating_id, where in self.floating.items() if where == port_id}
        self.floating = {
            floating_id: None if floating_id in assigned else where
            for floating_id, where in self.floating.items()
            if not (addresses and floating_id in assigned)
        }
        self.reserved = {port: None if where == instance_id else where for port, where in self.reserved.items()}

    @rule()
    def create_a_volume(self) -> None:
        """Create an empty volume."""
        task = self.ask("POST", self.tenant.path("volumes"), {"name": "data", "source": "new-volume", "size": 5})
        assert task is not None
        (volume_id,) = task["created_resources"]["volumes"]
        self.volumes[volume_id], self.sizes[volume_id] = None, 5

    @rule(which=WHICH, where=WHICH)
    def attach_a_volume(self, which: int, where: int) -> None:
        """An attached volume is rejected."""
        volume_id, instance_id = one_of(self.volumes, which), one_of(self.instances, where)
        if volume_id and instance_id:
            path = self.tenant.path("volumes", volume_id, "attach", version=2)
            done = self.ask("POST", path, {"instance_id": instance_id})
            assert (done is not None) == (self.volumes[volume_id] is None)
            if done:
                self.volumes[volume_id] = instance_id
                self.roots.pop(volume_id, None)

    @rule(which=WHICH, where=WHICH)
    def detach_a_volume(self, which: int, where: int) -> None:
        """A volume of another instance, and a boot volume, is rejected."""
        volume_id, instance_id = one_of(self.volumes, which), one_of(self.instances, where)
        if volume_id and instance_id:
            path = self.tenant.path("volumes", volume_id, "detach", version=2)
            done = self.ask("POST", path, {"instance_id": instance_id})
            assert (done is not None) == (self.volumes[volume_id] == instance_id and volume_id not in self.roots)
            if done:
                self.volumes[volume_id] = None

    @rule(which=WHICH)
    def extend_a_volume(self, which: int) -> None:
        """Extend a volume, attached or not."""
        if volume_id := one_of(self.volumes, which):
            size = self.sizes[volume_id] + 1
            assert self.ask("POST", self.tenant.path("volumes", volume_id, "extend"), {"size": size}) is not None
            self.sizes[volume_id] = size

    @rule(which=WHICH)
    def delete_a_volume(self, which: int) -> None:
        """An attached volume is rejected."""
        if volume_id := one_of(self.volumes, which):
            done = self.ask("DELETE", self.tenant.path("volumes", volume_id))
            assert (done is not None) == (self.volumes[volume_id] is None)
            if done:
                del self.volumes[volume_id]

    @rule()
    def reserve_an_address(self) -> None:
        """Reserve an address in the public network."""
        task = self.ask("POST", self.tenant.path("reserved_fixed_ips"), {"type": "external"})
        assert task is not None
        (port_id,) = task["created_resources"]["ports"]
        self.reserved[port_id] = None

    @rule(which=WHICH, where=WHICH)
    def attach_an_address(self, which: int, where: int) -> None:
        """An attached address is rejected."""
        port_id, instance_id = one_of(self.reserved, which), one_of(self.instances, where)
        if port_id and instance_id:
            body = {"type": "reserved_fixed_ip", "port_id": port_id}
            done = self.ask("POST", self.tenant.path("instances", instance_id, "attach_interface"), body)
            assert (done is not None) == (self.reserved[port_id] is None)
            if done:
                self.reserved[port_id] = instance_id

    @rule(which=WHICH)
    def release_an_address(self, which: int) -> None:
        """An attached address is rejected."""
        if port_id := one_of(self.reserved, which):
            done = self.ask("DELETE", self.tenant.path("reserved_fixed_ips", port_id))
            assert (done is not None) == (self.reserved[port_id] is None)
            if done:
                del self.reserved[port_id]

    @rule()
    def create_a_floating_ip(self) -> None:
        """Create an unassigned floating IP."""
        task = self.ask("POST", self.tenant.path("floatingips"), {})
        assert task is not None
        (floating_id,) = task["created_resources"]["floatingips"]
        self.floating[floating_id] = None

    @rule(which=WHICH, where=WHICH)
    def assign_a_floating_ip(self, which: int, where: int) -> None:
        """Also to a port with another floating IP, or from another port; then the API's state is adopted."""
        floating_id, instance_id = one_of(self.floating, which), one_of(self.instances, where)
        if floating_id and instance_id:
            path, port_id = self.tenant.path("floatingips", floating_id), self.instances[instance_id]
            answer = self.world.run(self.tenant.api.post(f"{path}/assign", json={"port_id": port_id}))
            taken = port_id in {where for item, where in self.floating.items() if item != floating_id}
            assert (answer.status_code == 200) == (not taken or self.floating[floating_id] == port_id)
            if answer.status_code == 200:
                self.floating[floating_id] = port_id

    @rule(which=WHICH)
    def unassign_a_floating_ip(self, which: int) -> None:
        """Also if it is unassigned already."""
        if floating_id := one_of(self.floating, which):
            path = self.tenant.path("floatingips", floating_id, "unassign")
            assert self.world.run(self.tenant.api.post(path)).status_code == 200
            self.floating[floating_id] = None

    @rule(which=WHICH)
    def delete_a_floating_ip(self, which: int) -> None:
        """Delete a floating IP, assigned or not."""
        if floating_id := one_of(self.floating, which):
            assert self.ask("DELETE", self.tenant.path("floatingips", floating_id)) is not None
            del self.floating[floating_id]

    @invariant()
    def the_api_matches_the_model(self) -> None:
        """Each resource exists with the expected attachment."""
        volumes = {volume["id"]: volume for volume in self.get("volumes")["results"]}
        attached_volumes = {
            volume: view["attachments"][0]["server_id"] if view["attachments"] else None
            for volume, view in volumes.items()
        }
        floating = {item["id"]: item["port_id"] for item in self.get("floatingips")["results"]}
        assert attached_volumes == self.volumes
        assert {volume: view["size"] for volume, view in volumes.items()} == {
            volume: self.sizes[volume] for volume in attached_volumes
        }
        assert floating == self.floating
        assert {instance["id"] for instance in self.get("instances")["results"]} == set(self.instances)
        assert {item["port_id"] for item in self.get("reserved_fixed_ips")["results"]} >= set(self.reserved)

    @invariant()
    def instances_have_the_addresses_of_the_database(self) -> None:
        """Fixed IPs of the ports, and floating IPs assigned to them."""
        for instance_id, port_id in self.instances.items():
            addresses_view = self.get("instances", instance_id)["addresses"]
            kinds = [item["type"] for group in addresses_view.values() for item in group]
            plugged = sum(where == instance_id for where in self.reserved.values())
            assert kinds.count("floating") == sum(where == port_id for where in self.floating.values())
            given = self.read_rows("SELECT ip FROM addresses WHERE port_id = :id", id=port_id)
            assert {row[0] for row in given} <= {item["addr"] for group in addresses_view.values() for item in group}
            assert kinds.count("fixed") == len(given) + plugged

    @invariant()
    def nothing_dangles_or_is_locked(self) -> None:
        """Nothing refers to deleted resources."""
        for reference, statement in DANGLING.items():
            assert self.read_rows(statement) == [], reference
        for table in LOCKABLE:
            assert self.read_rows(f"SELECT id FROM {table} WHERE task_id IS NOT NULL") == [], table

    @invariant()
    def usage_matches_the_resources(self) -> None:
        """In the quotas and in the simulated driver."""
        path = f"/cloud/v2/regional_quotas/{self.tenant.client_id}/{REGION}"
        used = self.world.run(self.tenant.api.get(path)).json()
        assert used["vm_count_usage"] == len(self.instances)
        assert used["volume_count_usage"] == len(self.volumes)
        assert used["volume_size_usage"] == sum(self.sizes[volume] for volume in self.volumes)
        assert used["floating_count_usage"] == len(self.floating)
        assert used["external_ip_count_usage"] == len(self.reserved)
        rows = self.read_rows("SELECT (SELECT count(*) FROM instances), (SELECT count(*) FROM volumes)")
        counts = self.world.run(count_machines_volumes_and_nics(self.tenant.running.app_state.db))
        assert counts[:2] == tuple(rows[0])


@pytest.mark.timeout(300)
def test_the_resources_of_a_tenant_stay_consistent(world: SyncApp) -> None:
    run_machine(lambda: Family(world), examples=10, steps=30)
