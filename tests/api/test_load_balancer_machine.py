"""Load balancers with listeners, pools, members and monitors, secrets and file shares in random order.

They are compared with a small model.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from pileus.store.count_checks import find_wrong_counts
from tests.balancers import MEMBER, MONITOR, POOL
from tests.certificates import A_CERTIFICATE
from tests.chaos.inconsistencies import DRIVER_TABLES, STATEMENTS
from tests.state_machines import WHICH, TenantMachine, one_of, run_machine
from tests.sync_app import SyncApp
from tests.tenants import REGION

PORT = st.integers(80, 83)
CHECKED = ("listeners.", "pools.", "members.", "health_monitors.", "secret_uses.", "locks of ", "addresses ", "ports ")
INCONSISTENCIES = {name: statement for name, statement in STATEMENTS.items() if name.startswith(CHECKED)}
"""What must not exist after any step."""


@dataclass(slots=True)
class ModelPool:
    """A pool: its load balancer, and the port and the weight of each member."""

    balancer_id: str
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    has_monitor: bool = False


@dataclass(slots=True)
class ModelListener:
    """A listener: its load balancer, its port, its default pool and its secret."""

    balancer_id: str
    port: int
    pool_id: str | None = None
    secret_id: str | None = None


class LoadBalancerFamily(TenantMachine):
    """The load balancers, secrets and file shares of one tenant."""

    def __init__(self, world: SyncApp) -> None:
        super().__init__(world)
        self.balancers: dict[str, bool] = {}
        """Whether the address is in the network of the tenant."""
        self.listeners: dict[str, ModelListener] = {}
        self.pools: dict[str, ModelPool] = {}
        self.secrets: set[str] = set()
        self.shares: dict[str, int] = {}

    def create(self, kind: str, path: str, body: Any) -> str | None:
        """Create a resource and return its id; return None if it is rejected."""
        task = self.ask("POST", path, body)
        return None if task is None else str(task["created_resources"][kind][0])

    def list_by_id(self, *path: str) -> dict[str, Any]:
        """Return the views of a list by id."""
        answer = self.world.run(self.tenant.api.get(self.tenant.path(*path), params={"details": "true"}))
        assert answer.status_code == 200, answer.text
        return {view["id"]: view for view in answer.json()["results"]}

    @rule(inside=st.booleans())
    def create_a_load_balancer(self, *, inside: bool) -> None:
        """Create it at a public address, or in the network."""
        body = {"name": "web"} | ({"vip_network_id": self.network.id} if inside else {})
        balancer_id = self.create("loadbalancers", self.tenant.path("loadbalancers"), body)
        assert balancer_id is not None
        self.balancers[balancer_id] = inside

    @rule(which=WHICH)
    def delete_a_load_balancer(self, which: int) -> None:
        """All its parts go with it."""
        if balancer_id := one_of(self.balancers, which):
            assert self.ask("DELETE", self.tenant.path("loadbalancers", balancer_id)) is not None
            del self.balancers[balancer_id]
            self.listeners = {key: part for key, part in self.listeners.items() if part.balancer_id != balancer_id}
            self.pools = {key: part for key, part in self.pools.items() if part.balancer_id != balancer_id}

    @rule(which=WHICH, port=PORT, secret=st.none() | WHICH)
    def create_a_listener(self, which: int, port: int, secret: int | None) -> None:
        """A port that another listener of the load balancer has is rejected."""
        if balancer_id := one_of(self.balancers, which):
            secret_id = None if secret is None else one_of(dict.fromkeys(sorted(self.secrets)), secret)
            body = {"name": "web", "load_balancer_id": balancer_id, "protocol": "HTTP", "protocol_port": port}
            body |= {"protocol": "TERMINATED_HTTPS", "secret_id": secret_id} if secret_id else {}
            taken = {item.port for item in self.listeners.values() if item.balancer_id == balancer_id}
            listener_id = self.create("listeners", self.tenant.path("lblisteners"), body)
            assert (listener_id is not None) == (port not in taken)
            if listener_id:
                self.listeners[listener_id] = ModelListener(balancer_id, port, secret_id=secret_id)

    @rule(which=WHICH, with_pool=st.booleans())
    def delete_a_listener(self, which: int, *, with_pool: bool) -> None:
        """Its default pool goes with it only on request."""
        if listener_id := one_of(self.listeners, which):
            path = self.tenant.path("lblisteners", listener_id)
            assert self.ask("DELETE", f"{path}?delete_default_pool={str(with_pool).lower()}") is not None
            pool_id = self.listeners.pop(listener_id).pool_id
            if with_pool and pool_id:
                del self.pools[pool_id]

    @rule(which=WHICH, under_listener=st.booleans())
    def create_a_pool(self, which: int, *, under_listener: bool) -> None:
        """A listener has one default pool."""
        owner_id = one_of(self.listeners if under_listener else self.balancers, which)
        if owner_id is None:
            return
        owner = {"listener_id" if under_listener else "load_balancer_id": owner_id}
        pool_id = self.create("pools", self.tenant.path("lbpools"), {**POOL, **owner})
        if not under_listener:
            assert pool_id is not None
            self.pools[pool_id] = ModelPool(owner_id)
            return
        listener = self.listeners[owner_id]
        assert (pool_id is not None) == (listener.pool_id is None)
        if pool_id:
            self.pools[pool_id], listener.pool_id = ModelPool(listener.balancer_id), pool_id

    @rule(which=WHICH)
    def delete_a_pool(self, which: int) -> None:
        """Its listener has no default pool then."""
        if pool_id := one_of(self.pools, which):
            assert self.ask("DELETE", self.tenant.path("lbpools", pool_id)) is not None
            del self.pools[pool_id]
            for listener in self.listeners.values():
                listener.pool_id = None if listener.pool_id == pool_id else listener.pool_id

    @rule(which=WHICH, port=PORT)
    def add_a_member(self, which: int, port: int) -> None:
        """An address and port that a member has is rejected."""
        if pool_id := one_of(self.pools, which):
            path = self.tenant.path("loadbalancers", "pools", pool_id, "members")
            member_id = self.create("members", path, {**MEMBER, "protocol_port": port})
            pool = self.pools[pool_id]
            assert (member_id is not None) == (port not in {taken for taken, _ in pool.members.values()})
            if member_id:
                pool.members[member_id] = port, 1

    @rule(which=WHICH, member=WHICH, weight=st.integers(1, 256))
    def change_a_member(self, which: int, member: int, weight: int) -> None:
        """Change the weight of a member."""
        pool_id = one_of(self.pools, which)
        if pool_id and (member_id := one_of(self.pools[pool_id].members, member)):
            pool, path = self.pools[pool_id], self.tenant.path("loadbalancers", "pools", pool_id, "members", member_id)
            if weight != pool.members[member_id][1]:
                assert self.ask("PATCH", path, {"weight": weight}) is not None
            pool.members[member_id] = pool.members[member_id][0], weight

    @rule(which=WHICH, member=WHICH)
    def remove_a_member(self, which: int, member: int) -> None:
        """Remove a member from its pool."""
        pool_id = one_of(self.pools, which)
        if pool_id and (member_id := one_of(self.pools[pool_id].members, member)):
            path = self.tenant.path("loadbalancers", "pools", pool_id, "members", member_id)
            assert self.ask("DELETE", path) is not None
            del self.pools[pool_id].members[member_id]

    @rule(which=WHICH, ports=st.sets(PORT))
    def replace_members(self, which: int, ports: set[int]) -> None:
        """Members that keep their address and port keep their id."""
        pool_id = one_of(self.pools, which)
        if pool_id is None:
            return
        pool, path = self.pools[pool_id], self.tenant.path("lbpools", pool_id, version=2)
        if [(port, 1) for port in sorted(ports)] != sorted(pool.members.values()):
            body = {"members": [{**MEMBER, "protocol_port": port} for port in sorted(ports)]}
            assert self.ask("PATCH", path, body) is not None
        ids_by_port = {view["protocol_port"]: view["id"] for view in self.list_by_id("lbpools")[pool_id]["members"]}
        kept = {port: member_id for member_id, (port, _) in pool.members.items() if port in ports}
        assert ids_by_port.keys() == ports
        assert ids_by_port.items() >= kept.items()
        pool.members = {ids_by_port[port]: (port, 1) for port in sorted(ports)}

    @rule(which=WHICH)
    def add_a_monitor(self, which: int) -> None:
        """A second monitor is rejected."""
        if pool_id := one_of(self.pools, which):
            task = self.ask("POST", self.tenant.path("lbpools", pool_id, "healthmonitor"), MONITOR)
            assert (task is not None) == (not self.pools[pool_id].has_monitor)
            self.pools[pool_id].has_monitor = True

    @rule(which=WHICH)
    def remove_a_monitor(self, which: int) -> None:
        """Without a monitor there is nothing to remove."""
        if pool_id := one_of(self.pools, which):
            path = self.tenant.path("lbpools", pool_id, "healthmonitor")
            answer = self.world.run(self.tenant.api.delete(path))
            assert answer.status_code == (204 if self.pools[pool_id].has_monitor else 404), answer.text
            self.pools[pool_id].has_monitor = False

    @rule()
    def create_a_secret(self) -> None:
        """Create a certificate with its key."""
        secret_id = self.create("secrets", self.tenant.path("secrets", version=2), A_CERTIFICATE)
        assert secret_id is not None
        self.secrets.add(secret_id)

    @rule(which=WHICH)
    def delete_a_secret(self, which: int) -> None:
        """A secret in use is rejected."""
        if secret_id := one_of(dict.fromkeys(sorted(self.secrets)), which):
            is_used = secret_id in {listener.secret_id for listener in self.listeners.values()}
            task = self.ask("DELETE", self.tenant.path("secrets", secret_id))
            assert (task is not None) == (not is_used)
            if not is_used:
                self.secrets.remove(secret_id)

    @rule()
    def create_a_share(self) -> None:
        """Create a file share in the network."""
        body = {"name": "data", "protocol": "NFS", "size": 1, "network": {"network_id": self.network.id}}
        share_id = self.create("file_shares", self.tenant.path("file_shares"), body)
        assert share_id is not None
        self.shares[share_id] = 1

    @rule(which=WHICH, size=st.integers(1, 3))
    def extend_a_share(self, which: int, size: int) -> None:
        """A share never shrinks."""
        if share_id := one_of(self.shares, which):
            task = self.ask("POST", self.tenant.path("file_shares", share_id, "extend"), {"size": size})
            assert (task is not None) == (size > self.shares[share_id])
            self.shares[share_id] = max(size, self.shares[share_id])

    @rule(which=WHICH)
    def delete_a_share(self, which: int) -> None:
        """Delete a file share."""
        if share_id := one_of(self.shares, which):
            assert self.ask("DELETE", self.tenant.path("file_shares", share_id)) is not None
            del self.shares[share_id]

    @invariant()
    def the_api_matches_the_model(self) -> None:
        """Each resource exists with its parts, and all are ACTIVE."""
        balancers, listeners, pools = map(self.list_by_id, ("loadbalancers", "lblisteners", "lbpools"))
        assert balancers.keys() == self.balancers.keys()
        assert {
            key: (view["load_balancer_id"], view["protocol_port"], view["secret_id"]) for key, view in listeners.items()
        } == {key: (part.balancer_id, part.port, part.secret_id) for key, part in self.listeners.items()}
        users: dict[str, set[str]] = {key: set() for key in self.pools}
        for key, listener in self.listeners.items():
            users.get(listener.pool_id or "", set()).add(key)
        assert {key: {part["id"] for part in view["listeners"]} for key, view in pools.items()} == users
        members = {
            key: {part["id"]: (part["protocol_port"], part["weight"]) for part in view["members"]}
            for key, view in pools.items()
        }
        assert members == {key: part.members for key, part in self.pools.items()}
        monitored = {key: view["healthmonitor"] is not None for key, view in pools.items()}
        assert monitored == {key: part.has_monitor for key, part in self.pools.items()}
        for view in (*balancers.values(), *listeners.values(), *pools.values()):
            assert view["provisioning_status"] == "ACTIVE"
        assert self.list_by_id("secrets").keys() == self.secrets
        assert {key: view["size"] for key, view in self.list_by_id("file_shares").items()} == self.shares

    @invariant()
    def nothing_dangles_or_is_locked(self) -> None:
        """Nothing refers to deleted resources, and each record has its simulated counterpart."""
        for name, statement in INCONSISTENCIES.items():
            assert self.read_rows(statement) == [], name
        for table in ("load_balancers", "file_shares"):
            assert self.read_rows(f"SELECT count(*) FROM {table}") == self.read_rows(
                f"SELECT count(*) FROM {DRIVER_TABLES[table]}"
            ), table

    @invariant()
    def usage_matches_the_resources(self) -> None:
        """In the quotas, and in the counts that are kept."""
        path = f"/cloud/v2/regional_quotas/{self.tenant.client_id}/{REGION}"
        used = self.world.run(self.tenant.api.get(path)).json()
        assert used["loadbalancer_count_usage"] == len(self.balancers)
        assert used["external_ip_count_usage"] == list(self.balancers.values()).count(False)
        assert used["secret_count_usage"] == len(self.secrets)
        assert (used["sfs_count_usage"], used["sfs_size_usage"]) == (len(self.shares), sum(self.shares.values()))
        assert self.world.run(find_wrong_counts(self.tenant.running.app_state.db)) == []


@pytest.mark.timeout(300)
def test_the_load_balancers_of_a_tenant_stay_consistent(world: SyncApp) -> None:
    run_machine(lambda: LoadBalancerFamily(world), examples=6, steps=40)
