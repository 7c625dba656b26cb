"""Inject faults of HTTP, and count the requests that meet them."""

from collections.abc import Sequence

from pileus.domain.errors import Conflict, not_found
from pileus.domain.http_faults import HttpFault
from pileus.store import http_faults
from pileus.store.database import Tx

MAX_HTTP_FAULTS = 100
Claim = tuple[list[HttpFault], set[str]]


async def add_http_fault(tx: Tx, fault: HttpFault) -> HttpFault:
    """Save a fault. Raises Conflict if there are too many."""
    if await http_faults.count(tx) >= MAX_HTTP_FAULTS:
        raise Conflict(f"There are {MAX_HTTP_FAULTS} faults of HTTP already, with those that are used up: delete one")
    return await http_faults.add(tx, fault)


async def delete_http_fault(tx: Tx, fault_id: str) -> None:
    """Delete a fault. Raises NotFound."""
    if not await http_faults.remove(tx, fault_id):
        raise not_found("Fault", fault_id)


async def delete_http_faults(tx: Tx) -> None:
    """Delete all faults."""
    await http_faults.remove_all(tx)


async def claim_http_faults(tx: Tx, fault_ids: Sequence[str]) -> Claim:
    """Count a request with the faults that select it, up to the first that ends it.

    Returns the faults that hit the request, and the ids of those that hit no further one.
    """
    hits: list[HttpFault] = []
    useless: set[str] = set()
    for fault_id in fault_ids:
        fault = await http_faults.find_for_change(tx, fault_id)
        if fault is None or fault.is_used_up:
            useless.add(fault_id)
            continue
        counted = fault.counted()
        await http_faults.save_counts(tx, counted)
        if counted.is_used_up:
            useless.add(fault_id)
        if counted.hits > fault.hits:
            hits.append(counted)
            if fault.ends_request:
                break
    return hits, useless
