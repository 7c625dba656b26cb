"""Instances, volumes, addresses and floating IPs in any order, held against a small model of what there should be."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from pileus.store.project_contents import LOCKABLE
from tests.builders import a_network, driver_of
from tests.networks import a_router
from tests.orders import an_order, boot
from tests.sync_app import World
from tests.tenants import REGION

# One of the things that there are: the number is taken round.
WHICH = st.integers(0, 5)
REFUSED = (400, 404, 409)
GONE = "SELECT 1 FROM {table} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT id FROM {other})"
DANGLING = {
    "an attachment of no volume": GONE.format(table="attachments", column="volume_id", other="volumes"),
    "an attachment on no instance": GONE.format(table="attachments", column="instance_id", other="instances"),
    "a port on no instance": GONE.format(table="ports", column="instance_id", other="instances"),
    "a floating IP of no port": GONE.format(table="floating_ips", column="port_id", other="ports"),
    "an address of no port": GONE.format(table="addresses", column="port_id", other="ports"),
    "an address of no floating IP": GONE.format(table="addresses", column="floating_ip_id", other="floating_ips"),
    "an address of nobody": "SELECT ip FROM addresses"
    " WHERE port_id IS NULL AND floating_ip_id IS NULL AND router_port_id IS NULL",
    "an address twice": "SELECT ip FROM addresses GROUP BY subnet_id, ip HAVING count(*) > 1",
}


class Family(RuleBasedStateMachine):
    """One tenant's things: which volume hangs where, which address leads where."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.tenant = world, world.tenant()
        self.instances: dict[str, str] = {}
        """Each with its port in the private network."""
        self.volumes: dict[str, str | None] = {}
        self.roots: dict[str, bool] = {}
        """Volumes that instances boot from, and whether they go with them."""
        self.sizes: dict[str, int] = {}
        self.reserved: dict[str, str | None] = {}
        self.floating: dict[str, str | None] = {}

    @initialize()
    def make_a_network(self) -> None:
        """A private network with a way out."""

        async def make() -> None:
            self.network, (self.subnet,) = await a_network(self.tenant)
            await a_router(self.tenant, self.subnet)

        self.world.run(make())

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
        """Ask for something, and wait for its task; None if it is refused."""

        async def do() -> dict[str, Any] | None:
            answer = await self.tenant.api.request(method, path, json=body)
            if answer.status_code in REFUSED:
                return None
            return await self.tenant.finished(answer)

        found: dict[str, Any] | None = self.world.run(do())
        return found

    def get(self, *path: str) -> Any:
        """What the API shows."""
        answer = self.world.run(self.tenant.api.get(self.tenant.path(*path)))
        assert answer.status_code == 200, answer.text
        return answer.json()

    @rule(goes=st.booleans())
    def create_an_instance(self, *, goes: bool) -> None:
        """With a boot volume that goes with it, or does not."""
        inner = {"type": "subnet", "network_id": self.network.id, "subnet_id": self.subnet.id}
        order = an_order(interfaces=[inner], volumes=[boot(delete_on_termination=goes)])
        task = self.ask("POST", self.tenant.path("instances", version=2), order)
        assert task is not None
        made = task["created_resources"]
        (instance_id,), (volume_id,), (port_id,) = made["instances"], made["volumes"], made["ports"]
        self.instances[instance_id], self.volumes[volume_id] = port_id, instance_id
        self.roots[volume_id], self.sizes[volume_id] = goes, 10

    @rule(which=WHICH, addresses=st.booleans())
    def delete_an_instance(self, which: int, *, addresses: bool) -> None:
        """What is not named stays, and is free; its floating IPs may go with it."""
        if not (instance_id := _one_of(self.instances, which)):
            return
        path = self.tenant.path("instances", instance_id)
        assert self.ask("DELETE", f"{path}?delete_floatings={str(addresses).lower()}") is not None
        port_id = self.instances.pop(instance_id)
        gone = {each for each, where in self.volumes.items() if where == instance_id and self.roots.get(each)}
        self.volumes = {
            each: None if where == instance_id else where for each, where in self.volumes.items() if each not in gone
        }
        leading = {each for each, where in self.floating.items() if where == port_id}
        self.floating = {
            each: None if each in leading else where
            for each, where in self.floating.items()
            if not (addresses and each in leading)
        }
        self.reserved = {each: None if where == instance_id else where for each, where in self.reserved.items()}

    @rule()
    def create_a_volume(self) -> None:
        """A blank one."""
        task = self.ask("POST", self.tenant.path("volumes"), {"name": "data", "source": "new-volume", "size": 5})
        assert task is not None
        (volume_id,) = task["created_resources"]["volumes"]
        self.volumes[volume_id], self.sizes[volume_id] = None, 5

    @rule(which=WHICH, where=WHICH)
    def attach_a_volume(self, which: int, where: int) -> None:
        """One that hangs already is refused."""
        volume_id, instance_id = _one_of(self.volumes, which), _one_of(self.instances, where)
        if volume_id and instance_id:
            path = self.tenant.path("volumes", volume_id, "attach", version=2)
            done = self.ask("POST", path, {"instance_id": instance_id})
            assert (done is not None) == (self.volumes[volume_id] is None)
            if done:
                self.volumes[volume_id] = instance_id
                self.roots.pop(volume_id, None)

    @rule(which=WHICH, where=WHICH)
    def detach_a_volume(self, which: int, where: int) -> None:
        """One that hangs elsewhere, or that an instance boots from, is refused."""
        volume_id, instance_id = _one_of(self.volumes, which), _one_of(self.instances, where)
        if volume_id and instance_id:
            path = self.tenant.path("volumes", volume_id, "detach", version=2)
            done = self.ask("POST", path, {"instance_id": instance_id})
            assert (done is not None) == (self.volumes[volume_id] == instance_id and volume_id not in self.roots)
            if done:
                self.volumes[volume_id] = None

    @rule(which=WHICH)
    def extend_a_volume(self, which: int) -> None:
        """In use or not."""
        if volume_id := _one_of(self.volumes, which):
            size = self.sizes[volume_id] + 1
            assert self.ask("POST", self.tenant.path("volumes", volume_id, "extend"), {"size": size}) is not None
            self.sizes[volume_id] = size

    @rule(which=WHICH)
    def delete_a_volume(self, which: int) -> None:
        """One in use is refused."""
        if volume_id := _one_of(self.volumes, which):
            done = self.ask("DELETE", self.tenant.path("volumes", volume_id))
            assert (done is not None) == (self.volumes[volume_id] is None)
            if done:
                del self.volumes[volume_id]

    @rule()
    def reserve_an_address(self) -> None:
        """One in the public network."""
        task = self.ask("POST", self.tenant.path("reserved_fixed_ips"), {"type": "external"})
        assert task is not None
        (port_id,) = task["created_resources"]["ports"]
        self.reserved[port_id] = None

    @rule(which=WHICH, where=WHICH)
    def plug_an_address(self, which: int, where: int) -> None:
        """One that is plugged already is refused."""
        port_id, instance_id = _one_of(self.reserved, which), _one_of(self.instances, where)
        if port_id and instance_id:
            body = {"type": "reserved_fixed_ip", "port_id": port_id}
            done = self.ask("POST", self.tenant.path("instances", instance_id, "attach_interface"), body)
            assert (done is not None) == (self.reserved[port_id] is None)
            if done:
                self.reserved[port_id] = instance_id

    @rule(which=WHICH)
    def free_an_address(self, which: int) -> None:
        """One that is plugged is refused."""
        if port_id := _one_of(self.reserved, which):
            done = self.ask("DELETE", self.tenant.path("reserved_fixed_ips", port_id))
            assert (done is not None) == (self.reserved[port_id] is None)
            if done:
                del self.reserved[port_id]

    @rule()
    def create_a_floating_ip(self) -> None:
        """One that leads nowhere."""
        task = self.ask("POST", self.tenant.path("floatingips"), {})
        assert task is not None
        (floating_id,) = task["created_resources"]["floatingips"]
        self.floating[floating_id] = None

    @rule(which=WHICH, where=WHICH)
    def lead_a_floating_ip(self, which: int, where: int) -> None:
        """To a port that another leads to already, or one elsewhere; what the API shows then is the truth."""
        floating_id, instance_id = _one_of(self.floating, which), _one_of(self.instances, where)
        if floating_id and instance_id:
            path, port_id = self.tenant.path("floatingips", floating_id), self.instances[instance_id]
            answer = self.world.run(self.tenant.api.post(f"{path}/assign", json={"port_id": port_id}))
            taken = port_id in {where for each, where in self.floating.items() if each != floating_id}
            assert (answer.status_code == 200) == (not taken or self.floating[floating_id] == port_id)
            if answer.status_code == 200:
                self.floating[floating_id] = port_id

    @rule(which=WHICH)
    def lead_a_floating_ip_nowhere(self, which: int) -> None:
        """Even if it leads nowhere already."""
        if floating_id := _one_of(self.floating, which):
            path = self.tenant.path("floatingips", floating_id, "unassign")
            assert self.world.run(self.tenant.api.post(path)).status_code == 200
            self.floating[floating_id] = None

    @rule(which=WHICH)
    def delete_a_floating_ip(self, which: int) -> None:
        """Wherever it leads."""
        if floating_id := _one_of(self.floating, which):
            assert self.ask("DELETE", self.tenant.path("floatingips", floating_id)) is not None
            del self.floating[floating_id]

    @invariant()
    def the_api_shows_what_the_model_holds(self) -> None:
        """Each thing is there, and hangs or leads where it should."""
        volumes = {each["id"]: each for each in self.get("volumes")["results"]}
        hung = {
            each: view["attachments"][0]["server_id"] if view["attachments"] else None for each, view in volumes.items()
        }
        floating = {each["id"]: each["port_id"] for each in self.get("floatingips")["results"]}
        assert hung == self.volumes
        assert {each: view["size"] for each, view in volumes.items()} == {each: self.sizes[each] for each in hung}
        assert floating == self.floating
        assert {each["id"] for each in self.get("instances")["results"]} == set(self.instances)
        assert {each["port_id"] for each in self.get("reserved_fixed_ips")["results"]} >= set(self.reserved)

    @invariant()
    def instances_show_the_addresses_that_the_book_has(self) -> None:
        """Fixed ones of their ports, floating ones that lead to these."""
        for instance_id, port_id in self.instances.items():
            shown = self.get("instances", instance_id)["addresses"]
            kinds = [each["type"] for group in shown.values() for each in group]
            plugged = sum(where == instance_id for where in self.reserved.values())
            assert kinds.count("floating") == sum(where == port_id for where in self.floating.values())
            given = self._rows("SELECT ip FROM addresses WHERE port_id = :id", id=port_id)
            assert {row[0] for row in given} <= {each["addr"] for group in shown.values() for each in group}
            assert kinds.count("fixed") == len(given) + plugged

    @invariant()
    def nothing_dangles_and_no_task_holds_anything(self) -> None:
        """Whatever has gone is gone from everywhere."""
        for what, statement in DANGLING.items():
            assert self._rows(statement) == [], what
        for table in LOCKABLE:
            assert self._rows(f"SELECT id FROM {table} WHERE task_id IS NOT NULL") == [], table

    @invariant()
    def usage_is_what_there_is(self) -> None:
        """By the quotas, and in the simulated world."""
        path = f"/cloud/v2/regional_quotas/{self.tenant.client_id}/{REGION}"
        used = self.world.run(self.tenant.api.get(path)).json()
        assert used["vm_count_usage"] == len(self.instances)
        assert used["volume_count_usage"] == len(self.volumes)
        assert used["volume_size_usage"] == sum(self.sizes[each] for each in self.volumes)
        assert used["floating_count_usage"] == len(self.floating)
        assert used["external_ip_count_usage"] == len(self.reserved)
        rows = self._rows("SELECT (SELECT count(*) FROM instances), (SELECT count(*) FROM volumes)")
        assert driver_of(self.tenant.running).counts()[:2] == tuple(rows[0])

    def _rows(self, statement: str, **values: Any) -> list[Any]:
        async def read() -> list[Any]:
            async with self.tenant.running.cloud.db.read() as tx:
                return list(await tx.all(statement, **values))

        found: list[Any] = self.world.run(read())
        return found


def _one_of(things: dict[str, Any], which: int) -> str | None:
    """One of some things, or None of none."""
    return list(things)[which % len(things)] if things else None


@pytest.mark.timeout(300)
def test_the_resources_of_a_tenant_stay_consistent(world: World) -> None:
    run_state_machine_as_test(
        lambda: Family(world),  # type: ignore[arg-type]  # whatever makes a machine will do
        settings=settings(
            max_examples=10,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
