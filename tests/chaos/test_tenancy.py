"""Two tenants, every operation: what belongs to another tenant cannot be told from what does not exist."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from pileus.app import RunningCloud
from tests.api.foreign_ids import create_everything, missing_ids
from tests.chaos.generated_requests import Operation, list_operations
from tests.chaos.rounds import current_figures, rounds
from tests.chaos.twins import IN_BODY, OWN_NAME, WAYS, Asker, Owner, contains, create_owner
from tests.contract.documents import own_document
from tests.image_server import image_url
from tests.tenants import new_tenant

DOCUMENT = own_document()
OPERATIONS = [operation for operation in list_operations(DOCUMENT) if not operation.path.startswith("/_pileus/")]
"""Operations on the control of the cloud are those of operators, who see all tenants."""

MISSING_TEXTS = {"ssh_key_name": "nobody-has-this-name", "ip_address": "203.0.113.250"}


async def ask(owner: Owner, askers: list[Asker], operation: Operation, way: str, seed: int) -> list[str]:
    """Send the same request for both askers; return differences and leaks."""
    answers = [await asker.send(operation, way, seed, DOCUMENT) for asker in askers]
    of_foreign, of_missing = (asker.describe(answer) for asker, answer in zip(askers, answers, strict=True))
    current_figures().update(pairs=1)
    faults = [] if of_foreign == of_missing else [f"{operation.name} ({way}): {of_foreign} differs from {of_missing}"]
    leaks = [text for text in owner.secrets - askers[0].sent if contains(answers[0].text, text)]
    return faults + [f"{operation.name} ({way}) shows {text}: {answers[0].text}" for text in leaks]


@asynccontextmanager
async def new_askers(running: RunningCloud, owner: Owner) -> AsyncIterator[list[Asker]]:
    """Create two tenants in the same state: one knows ids of the owner, the other ids of nothing."""
    foreign = {"ssh_key_name": OWN_NAME, "ip_address": owner.addresses[0]}
    reachable = {"url": image_url()}
    transport = httpx.ASGITransport(cast("Any", running.app), raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://pileus.test") as api,
        new_tenant(running) as first,
        new_tenant(running) as second,
    ):
        yield [
            Asker(first, api, await create_everything(first), owner.ids, foreign | reachable),
            Asker(second, api, await create_everything(second), missing_ids(), MISSING_TEXTS | reachable),
        ]


async def ask_in_all_ways(
    running: RunningCloud, owner: Owner, readers: list[Asker], operation: Operation, seed: int
) -> list[str]:
    """Send an operation in all ways; return differences and leaks. What may change something gets new tenants."""
    faults = []
    for way in (IN_BODY,) if operation.names_only_place else WAYS:
        if way != IN_BODY or operation.method == "GET":
            faults += await ask(owner, readers, operation, way, seed)
        elif operation.body or operation.queries:
            async with new_askers(running, owner) as askers:
                faults += await ask(owner, askers, operation, way, seed)
    return faults


async def ask_everything(running: RunningCloud, owner: Owner, seed: int) -> list[str]:
    """Send every operation; return differences and leaks."""
    async with new_askers(running, owner) as readers:
        faults = [await ask_in_all_ways(running, owner, readers, operation, seed) for operation in OPERATIONS]
    return [fault for of_operation in faults for fault in of_operation]


@pytest.mark.timeout(600)
async def test_things_of_another_tenant_look_like_missing_ones(running: RunningCloud) -> None:
    for _ in rounds(1):
        seed = random.randrange(1 << 32)  # noqa: S311  # no secret
        async with new_tenant(running) as tenant:
            owner = await create_owner(tenant)
            rows = await owner.load_rows()
            faults = await ask_everything(running, owner, seed)

            current_figures().update(differences_and_leaks=len(faults))
            assert not faults, "\n".join([f"seed {seed}", *faults])
            assert await owner.load_rows() == rows
