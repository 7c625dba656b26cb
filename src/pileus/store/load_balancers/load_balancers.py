"""Load balancers."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import FOR_CHANGE, FOR_USE, Tx
from pileus.store.rows import Table, in_list_placeholders

KIND = "load_balancer"
TABLE = Table("load_balancers", LoadBalancer)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, save, remove = TABLE.add, TABLE.save, TABLE.remove
WITH_FLOATING_IP = "EXISTS (SELECT 1 FROM floating_ips f WHERE f.port_id = load_balancers.vip_port_id)"
LOGGING_ENABLED = '%"enabled":true%'
"""The pattern of the column `logging`."""


class LoadBalancerFilter(Struct, frozen=True, kw_only=True):
    """Filters of a place's load balancers; None and empty add no condition."""

    name: str | None = None
    provisioning_status: str | None = None
    has_floating_ip: bool | None = None
    logging_enabled: bool | None = None
    tag_keys: Sequence[str] | None = None
    tag_pairs: Mapping[str, str] | None = None

    def where(self, place: Place) -> queries.Where:
        """Return the filters as conditions."""
        where = queries.Where.of_place(place).equal("name", self.name)
        where.equal("provisioning_status", self.provisioning_status)
        if self.has_floating_ip is not None:
            where.add(WITH_FLOATING_IP if self.has_floating_ip else f"NOT {WITH_FLOATING_IP}")
        if self.logging_enabled is not None:
            where.add(f"logging {'' if self.logging_enabled else 'NOT '}LIKE :logging", logging=LOGGING_ENABLED)
        return where.with_tags(KIND, self.tag_keys, self.tag_pairs)


async def get(tx: Tx, place: Place, load_balancer_id: str) -> LoadBalancer:
    """Return a load balancer of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Load balancer", place, load_balancer_id)


async def get_for_use(tx: Tx, place: Place, load_balancer_id: str) -> LoadBalancer:
    """Return a load balancer of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Load balancer", place, load_balancer_id, lock=FOR_USE)


async def get_for_change(tx: Tx, place: Place, load_balancer_id: str) -> LoadBalancer:
    """Return a load balancer of a place like `get`; nobody else uses it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Load balancer", place, load_balancer_id, lock=FOR_CHANGE)


async def list_all(tx: Tx, place: Place) -> list[LoadBalancer]:
    """Return all load balancers of a place, newest first; a quota keeps them few."""
    where = f"{scoped.IN_PLACE} ORDER BY created_at DESC, id DESC"
    return await TABLE.find_many(tx, where, **scoped.place_parameters(place))


async def list_by_vip_ports(tx: Tx, port_ids: Sequence[str]) -> list[LoadBalancer]:
    """Return the load balancers whose addresses are those of ports."""
    marks, parameters = in_list_placeholders("vip_port_id", port_ids)
    return await TABLE.find(tx, f"vip_port_id IN ({marks})", **parameters)


async def page(
    tx: Tx, place: Place, filters: LoadBalancerFilter, order_by: str, *, limit: int, offset: int
) -> tuple[int, list[LoadBalancer]]:
    """Return the number of matching load balancers and one page of them, in the order `column.direction`."""
    order = queries.order_by_expression(order_by.replace("flavor.", "flavor_name."))
    return await queries.page(tx, TABLE, filters.where(place), order, limit=limit, offset=offset)
