"""L7 rules of policies."""

from collections.abc import Sequence

from pileus.domain.errors import not_found
from pileus.domain.load_balancers.l7_rules import L7Rule
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import Tx
from pileus.store.rows import Table, in_list_placeholders

TABLE = Table("l7_rules", L7Rule)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, add_all, save, remove = TABLE.add, TABLE.add_all, TABLE.save, TABLE.remove


async def get(tx: Tx, place: Place, l7_rule_id: str) -> L7Rule:
    """Return a L7 rule of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "L7 rule", place, l7_rule_id)


async def list_by_load_balancer(tx: Tx, load_balancer_id: str) -> list[L7Rule]:
    """Return the L7 rules of a load balancer, oldest first."""
    return await TABLE.find(tx, "load_balancer_id = :id ORDER BY created_at, id", id=load_balancer_id)


async def list_by_policy(tx: Tx, l7_policy_id: str) -> list[L7Rule]:
    """Return the rules of an L7 policy, oldest first."""
    return await TABLE.find(tx, "l7_policy_id = :id ORDER BY created_at, id", id=l7_policy_id)


async def require_of_policy(tx: Tx, l7_policy_id: str, rule_id: str) -> L7Rule:
    """Return a rule of an L7 policy. Raises NotFound."""
    rule = await TABLE.find_one(tx, "id = :id AND l7_policy_id = :l7_policy_id", id=rule_id, l7_policy_id=l7_policy_id)
    if rule is None:
        raise not_found(L7Rule.NOUN, rule_id)
    return rule


async def list_ids_by_policies(tx: Tx, policy_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of the rules of L7 policies, by policy, oldest first."""
    marks, parameters = in_list_placeholders("policy_id", policy_ids)
    order = "ORDER BY created_at, id"
    statement = f"SELECT l7_policy_id, id FROM l7_rules WHERE l7_policy_id IN ({marks}) {order}"
    ids: dict[str, list[str]] = {policy_id: [] for policy_id in policy_ids}
    for policy_id, rule_id in await tx.all(statement, **parameters):
        ids[policy_id].append(rule_id)
    return ids


async def page(tx: Tx, l7_policy_id: str, *, limit: int, offset: int) -> tuple[int, list[L7Rule]]:
    """Return the number of an L7 policy's rules and one page of them, oldest first."""
    where = queries.Where("l7_policy_id = :l7_policy_id", l7_policy_id=l7_policy_id)
    order = queries.order_by_expression("created_at.asc")
    return await queries.page(tx, TABLE, where, order, limit=limit, offset=offset)
