"""A small Octavia whose changes take a while, fail, come late, or lose their answers, as no recording has them."""

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest

from pileus.drivers.openstack.cloud import CONFLICT, NOT_FOUND, NOT_IMPLEMENTED, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.octavia.load_balancers import OctaviaLoadBalancers
from pileus.drivers.openstack.octavia.vips import VipPorts
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverUnreachable, NotYetDone
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec
from pileus.testing.conformance.test_load_balancers import new_load_balancer, without_parts

if TYPE_CHECKING:
    from pileus.drivers.openstack.ports import NeutronPorts
    from pileus.drivers.protocols.compute import Compute

Json = dict[str, Any]
MOST_SLOTS = 100
NAMES = {"l7policies": "l7policy"}
"""The name of one part of a kind, if it is not the kind without its last letter."""
PORT = {"id": "port", "description": "", "fixed_ips": [{"ip_address": "10.0.0.7", "subnet_id": "subnet"}]}


class ScriptedOctavia:
    """Has the resources of one project in dictionaries by their paths.

    `reads` is how often a load balancer is looked at until a change of it is made.
    """

    def __init__(self, reads: int = 0) -> None:
        self.reads = reads
        self.items: dict[str, Json] = {}
        self.changes: list[str] = []
        self.lost: set[str] = set()
        """The changes of which the next answer is lost."""
        self.late: set[str] = set()
        """The changes that come only when the same change is sent again."""
        self.failing: set[str] = set()
        """The kinds whose next part fails, while its load balancer is active again."""
        self.outcomes: list[str] = []
        """What becomes of load balancers by the next changes, in place of ACTIVE."""
        self.has_failover = True
        self.flavors: dict[str, str] = {}
        """The ids of flavors by their names. Each has a profile of its id."""
        self.flavor_provider = self.default_provider = "amphora"
        self.port: Json | None = None
        self._numbers = count(1)
        self._pending: dict[str, list[Any]] = {}

    async def get(self, service: str, path: str, **params: str) -> Json:
        """Read."""
        return await self.request(service, "GET", path, params=params)

    async def find(self, service: str, path: str, **params: str) -> Json | None:
        """Read what may not be there."""
        try:
            return await self.get(service, path, **params)
        except OpenstackError as error:
            if error.status_code == NOT_FOUND:
                return None
            raise

    async def post(self, service: str, path: str, body: Json) -> Json:
        """Create."""
        return await self.request(service, "POST", path, json=body)

    async def put(self, service: str, path: str, body: Json) -> Json:
        """Change."""
        return await self.request(service, "PUT", path, json=body)

    async def request(
        self, service: str, method: str, path: str, params: Json | None = None, json: Json | None = None
    ) -> Json:
        """Answer a request, or lose the answer."""
        if service == "network":
            return self._answer_of_network(path, json)
        if method == "GET":
            return self._read(path, params or {})
        change = f"{method} {path}"
        self.changes.append(change)
        if change in self.late:
            self.late.remove(change)
            self._change(method, path, json)
            raise OpenstackError("Load Balancer is immutable", CONFLICT)
        answer = self._change(method, path, json)
        if change in self.lost:
            self.lost.remove(change)
            raise DriverUnreachable("The answer is lost")
        return answer

    def all_of(self, kind: str) -> list[Json]:
        """Return what there is of a kind."""
        return [item for path, item in self.items.items() if path.rsplit("/", 2)[1] == kind]

    def new_driver(self, slot_timeout: float = 60, provider: str = "") -> OctaviaLoadBalancers:
        """Return the driver as a server that has just started has it."""
        cloud = cast("OpenstackCloud", self)
        waits = Waits(OpenstackSettings(poll_interval=0, slot_timeout=slot_timeout))
        vips = VipPorts(cloud, cast("NeutronPorts", ScriptedPorts(self)))
        return OctaviaLoadBalancers(cloud, waits, vips, provider=provider)

    def add_balancer(self, **fields: Any) -> Json:
        """Add a load balancer that is at rest, and return it."""
        number = str(next(self._numbers))
        balancer = {
            "id": number,
            "admin_state_up": True,
            "provisioning_status": "ACTIVE",
            "provider": "amphora",
            "flavor_id": None,
            "vip_port_id": "port",
            "created_at": f"2026-01-01T00:00:{int(number):02}",
            "tags": [],
            **fields,
        }
        self.items[f"/lbaas/loadbalancers/{number}"] = balancer
        return balancer

    def _answer_of_network(self, path: str, body: Json | None) -> Json:
        if path.endswith("/tags") and body and self.port:
            self.port |= body
        return {"subnets": []}

    def _read(self, path: str, params: Json) -> Json:
        if path.endswith("/status"):
            return {"statuses": {"loadbalancer": {"id": path.split("/")[3]}}}
        if "/flavor" in path:
            return self._read_flavors(path, params)
        if path in self.items:
            self._go_on(path)
        if path in self.items:
            return {_name_of_kind(path.split("/")[-2]): dict(self.items[path])}
        kind = path.rpartition("/")[2]
        if not kind.endswith("s"):
            raise OpenstackError("There is none", NOT_FOUND)
        return {kind: [dict(item) for item in self._list(path, params)]}

    def _read_flavors(self, path: str, params: Json) -> Json:
        if "/flavorprofiles/" in path:
            return {"flavorprofile": {"provider_name": self.flavor_provider}}
        flavors = [
            {"id": flavor_id, "name": name, "enabled": True, "flavor_profile_id": flavor_id}
            for name, flavor_id in self.flavors.items()
        ]
        if not params:
            return {"flavor": next(flavor for flavor in flavors if path.endswith(f"/{flavor['id']}"))}
        return {"flavors": [flavor for flavor in flavors if flavor["name"] == params["name"]]}

    def _list(self, path: str, params: Json) -> Iterator[Json]:
        filters = {name: value for name, value in params.items() if name != "limit"}
        for item_path, item in self.items.items():
            if item_path.rpartition("/")[0] == path and all(item.get(name) == filters[name] for name in filters):
                yield item

    def _change(self, method: str, path: str, body: Json | None) -> Json:
        balancer_path = self._require_at_rest()
        if method == "POST":
            return self._create(path, body or {})
        if method == "DELETE":
            self._delete(path, balancer_path)
            return {}
        if path.endswith("/failover") and not self.has_failover:
            raise OpenstackError("not supported", NOT_IMPLEMENTED)
        if path in self.items:
            self.items[path] |= next(iter((body or {}).values()))
            self.items[path]["provisioning_status"] = "ACTIVE"
        self.begin(balancer_path, "PENDING_UPDATE", self._next_outcome())
        return {}

    def _delete(self, path: str, balancer_path: str) -> None:
        if path not in self.items:
            raise OpenstackError("There is none", NOT_FOUND)
        if "/loadbalancers/" in path:
            self.begin(path, "PENDING_DELETE", "")
        else:
            del self.items[path]
            self.begin(balancer_path, "PENDING_UPDATE", self._next_outcome())

    def _create(self, path: str, body: Json) -> Json:
        (key, order), number = next(iter(body.items())), str(next(self._numbers))
        kind = path.rpartition("/")[2]
        if kind == "loadbalancers":
            balancer = self.add_balancer(**{"provider": self.default_provider, **order})
            self.begin(f"{path}/{balancer['id']}", "PENDING_CREATE", self._next_outcome())
            return {key: dict(balancer)}
        status = "ERROR" if kind in self.failing else "ACTIVE"
        self.failing.discard(kind)
        empty = {"redirect_pool_id": None} if kind == "l7policies" else {}
        part = empty | {"id": number, "provisioning_status": status, "created_at": f"{int(number):03}", **order}
        self.items[f"{path}/{number}"] = part
        for balancer_path in self._balancer_paths():
            self.begin(balancer_path, "PENDING_UPDATE", self._next_outcome())
        return {key: dict(part)}

    def _require_at_rest(self) -> str:
        """Return the path of the load balancer: tests change no two at once."""
        for path in self._balancer_paths():
            if self.items[path]["provisioning_status"].startswith("PENDING"):
                raise OpenstackError("Load Balancer is immutable", CONFLICT)
        return next(iter(self._balancer_paths()), "")

    def _balancer_paths(self) -> list[str]:
        return [path for path in self.items if path.startswith("/lbaas/loadbalancers/")]

    def _next_outcome(self) -> str:
        return self.outcomes.pop(0) if self.outcomes else "ACTIVE"

    def begin(self, path: str, status: str, outcome: str) -> None:
        """Let a load balancer be busy; it vanishes if its next status is empty."""
        self.items[path]["provisioning_status"] = status
        self._pending[path] = [self.reads, outcome]

    def _go_on(self, path: str) -> None:
        if (pending := self._pending.get(path)) is None:
            return
        if pending[0]:
            pending[0] -= 1
            return
        del self._pending[path]
        if pending[1]:
            self.items[path]["provisioning_status"] = pending[1]
        else:
            del self.items[path]


class ScriptedPorts:
    """The ports of the driver: one, that of the load balancer."""

    def __init__(self, octavia: ScriptedOctavia) -> None:
        self._octavia = octavia

    async def find(self, _: str) -> Json | None:
        """Return the port, if there is one."""
        return self._octavia.port

    async def ensure_port(self, _: object, owner_id: str) -> Json:
        """Create the port."""
        self._octavia.port = PORT | {"description": f"pileus-{owner_id}"}
        return self._octavia.port

    async def delete_ports_of(self, _: str) -> None:
        """Delete the port."""
        self._octavia.port = None


def _name_of_kind(kind: str) -> str:
    return NAMES.get(kind, kind.removesuffix("s"))


@pytest.fixture(name="bare")
async def bare_load_balancer() -> LoadBalancerSpec:
    """Return a load balancer without parts."""
    return without_parts(await new_load_balancer(cast("Compute", None)))


async def ensure_in_slots(octavia: ScriptedOctavia, spec: LoadBalancerSpec | str, **settings: Any) -> int:
    """Ensure a load balancer, or that there is none, by a new server for each slot; return the number of slots."""
    for number in range(1, MOST_SLOTS):
        driver = octavia.new_driver(slot_timeout=0, **settings)
        try:
            if isinstance(spec, str):
                await driver.ensure_no_load_balancer(spec)
            else:
                await driver.ensure_load_balancer(spec)
        except NotYetDone:
            continue
        return number
    raise AssertionError(octavia.changes)
