"""File shares and their access rules."""

from collections.abc import Sequence

from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.domain.storage.file_shares import AccessRule, FileShare, ShareNetwork, storage_network_of
from pileus.store import queries, scoped, tags
from pileus.store.account import metering
from pileus.store.database import FOR_CHANGE, Tx
from pileus.store.network import ports
from pileus.store.rows import Table, in_list_placeholders

KIND = "file_share"
TABLE = Table("file_shares", FileShare)
RULES = Table("share_access_rules", AccessRule)
find, require, add = TABLE.find_by_id, TABLE.require_by_id, TABLE.add
OF_SHARE = "file_share_id = :share_id"
NETWORKS = (
    "SELECT f.id, n.id, n.name, s.id, s.name FROM file_shares f"
    " JOIN networks n ON n.id = f.network_id JOIN subnets s ON s.id = f.subnet_id WHERE f.id"
)


async def get(tx: Tx, place: Place, share_id: str) -> FileShare:
    """Return a file share of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, FileShare.NOUN, place, share_id)


async def lock(tx: Tx, place: Place, share_id: str) -> FileShare:
    """Return a file share of a place like `get`; nobody changes it or its rules until the transaction ends."""
    return await scoped.get(tx, TABLE, FileShare.NOUN, place, share_id, lock=FOR_CHANGE)


async def save(tx: Tx, before: FileShare, after: FileShare) -> FileShare:
    """Write the changed fields; raises Stale. Billing: a new size closes the usage of the old one."""
    if before.size != after.size:
        await metering.save_usage_until_now(tx, [before], after.updated_at)
    return await TABLE.save(tx, before, after)


async def page(
    tx: Tx, place: Place, *, name: str | None, type_name: str | None, limit: int, offset: int
) -> tuple[int, list[FileShare]]:
    """Return the number of a place's file shares with a name and a type, if given, and one page, newest first."""
    where = queries.Where.of_place(place).equal("name", name).equal("type_name", type_name)
    latest = queries.order_by_expression("created_at.desc")
    return await queries.page(tx, TABLE, where, latest, limit=limit, offset=offset)


async def remove(tx: Tx, share_id: str) -> None:
    """Delete a file share with its rules, tags and address."""
    await RULES.remove_all(tx, OF_SHARE, share_id=share_id)
    await tags.remove(tx, share_id)
    await ports.ADDRESSES.remove_all(tx, OF_SHARE, share_id=share_id)
    await TABLE.remove(tx, share_id)


async def find_address(tx: Tx, share_id: str) -> str | None:
    """Return the address of a file share, or None for VAST."""
    address = await ports.ADDRESSES.find_one(tx, OF_SHARE, share_id=share_id)
    return address.ip if address else None


async def list_networks(tx: Tx, shares: Sequence[FileShare]) -> dict[str, ShareNetwork]:
    """Return the networks of file shares, by the id of the share."""
    result = {share.id: storage_network_of(share.region_id) for share in shares if share.network_id is None}
    marks, values = in_list_placeholders("id", [share.id for share in shares])
    for share_id, network_id, network_name, subnet_id, subnet_name in await tx.all(
        f"{NETWORKS} IN ({marks})", **values
    ):
        result[share_id] = ShareNetwork(
            network_id=network_id, network_name=network_name, subnet_id=subnet_id, subnet_name=subnet_name
        )
    return result


async def list_rules(tx: Tx, share_id: str) -> list[AccessRule]:
    """Return the rules of a file share, oldest first."""
    return await RULES.find(tx, f"{OF_SHARE} ORDER BY created_at, id", share_id=share_id)


async def require_rule(tx: Tx, share_id: str, rule_id: str) -> AccessRule:
    """Return a rule of a file share; raises NotFound."""
    rule = await RULES.find_one(tx, f"id = :id AND {OF_SHARE}", id=rule_id, share_id=share_id)
    if rule is None:
        raise not_found(AccessRule.NOUN, rule_id)
    return rule


async def add_rules(tx: Tx, rules: Sequence[AccessRule]) -> None:
    """Insert rules."""
    await RULES.add_all(tx, rules)


async def set_rule_state(tx: Tx, rule_id: str, state: str) -> int:
    """Set the state of a rule, and return whether it exists."""
    return await tx.run("UPDATE share_access_rules SET state = :state WHERE id = :id", state=state, id=rule_id)


async def change_rule_state(tx: Tx, rule_id: str, before: str, after: str) -> bool:
    """Set the state of a rule that has the state `before`, and return whether there is one."""
    statement = "UPDATE share_access_rules SET state = :after WHERE id = :id AND state = :before"
    return bool(await tx.run(statement, before=before, after=after, id=rule_id))


async def set_states_of_rules(tx: Tx, share_id: str, state: str) -> None:
    """Set the state of all rules of a file share."""
    await tx.send(f"UPDATE share_access_rules SET state = :state WHERE {OF_SHARE}", state=state, share_id=share_id)


async def remove_rule(tx: Tx, rule_id: str, state: str) -> None:
    """Delete a rule that has a state; does nothing if there is none."""
    await RULES.remove_all(tx, "id = :id AND state = :state", id=rule_id, state=state)
