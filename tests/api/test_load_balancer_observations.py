"""What drivers tell of load balancers is asked for between the reads of a request, once for each load balancer."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from pileus.api.routes.load_balancers import observations as observations_module
from pileus.api.routes.load_balancers.observations import Observations, read_observed
from pileus.domain.errors import Conflict, Unavailable
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable
from pileus.drivers.protocols.load_balancers import BalancedTraffic
from pileus.store.database import Tx

if TYPE_CHECKING:
    from pileus.api.context import RequestContext


@dataclass(slots=True)
class AskedDriver:
    """A driver that records what it is asked, and whether a transaction was open meanwhile."""

    asked: list[object] = field(default_factory=list)
    open_transactions: int = 0
    while_open: int = 0
    error: DriverError | None = None
    hangs: bool = False

    async def member_statuses(self, load_balancer_ids: Sequence[str]) -> Mapping[str, str]:
        """Answer one member for each load balancer."""
        self._note(list(load_balancer_ids))
        return {f"member of {load_balancer_id}": "ONLINE" for load_balancer_id in load_balancer_ids}

    async def traffic_by_listener_id(self, load_balancer_id: str) -> dict[str, BalancedTraffic]:
        """Answer the counters of one listener."""
        self._note(load_balancer_id)
        if self.error:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()
        return {f"listener of {load_balancer_id}": BalancedTraffic(total_connections=3)}

    async def ensure_load_balancer(self, load_balancer: object) -> None:
        """Do nothing."""

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """Do nothing."""

    async def load_balancer_samples(self, *_: object) -> list[Any]:
        """Answer none."""
        return []

    def _note(self, question: object) -> None:
        self.asked.append(question)
        self.while_open += self.open_transactions


@dataclass(slots=True)
class AskingContext:
    """As much of a request's context as is used, and a transaction that is counted while it is open."""

    driver: AskedDriver
    reads: int = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """Begin a transaction."""
        self.reads += 1
        self.driver.open_transactions += 1
        yield cast("Tx", None)
        self.driver.open_transactions -= 1


@pytest.fixture
def context() -> AskingContext:
    return AskingContext(AskedDriver())


async def test_each_load_balancer_is_asked_once_and_never_within_a_transaction(context: AskingContext) -> None:
    async def read(_: Tx, observations: Observations) -> tuple[dict[str, str], int]:
        # One that was created between two reads.
        new = ["three"] if context.reads > 1 else []
        statuses = dict(observations.member_statuses(["two", "one", *new]))
        counters = observations.traffic_of("one").get("listener of one", BalancedTraffic())
        return statuses, counters.total_connections

    result = await read_observed(cast("RequestContext", context), context.begin, read)

    members = {f"member of {name}": "ONLINE" for name in ("one", "two", "three")}
    assert result == (members, 3)
    assert context.driver.asked == [["one", "two"], "one", ["three"]]
    assert (context.driver.while_open, context.reads) == (0, 3)


async def test_a_read_without_observations_takes_one_transaction(context: AskingContext) -> None:
    async def read(_: Tx, observations: Observations) -> int:
        return len(observations.member_statuses([]))

    assert await read_observed(cast("RequestContext", context), context.begin, read) == 0
    assert (context.driver.asked, context.reads) == ([], 1)


async def test_what_the_driver_refuses_is_a_conflict(context: AskingContext) -> None:
    context.driver.error = DriverError("the load balancer does not answer", retryable=True)

    async def read(_: Tx, observations: Observations) -> int:
        return len(observations.traffic_of("one"))

    with pytest.raises(Conflict, match="does not answer"):
        await read_observed(cast("RequestContext", context), context.begin, read)


async def test_a_driver_that_does_not_answer_makes_a_request_unavailable(context: AskingContext) -> None:
    context.driver.error = DriverUnreachable("OpenStack does not answer")

    async def read(_: Tx, observations: Observations) -> int:
        return sum(len(observations.traffic_of(str(number))) for number in range(100))

    with pytest.raises(Unavailable, match="does not answer"):
        await read_observed(cast("RequestContext", context), context.begin, read)
    assert len(context.driver.asked) < 10


async def test_a_request_for_counters_ends_although_its_driver_hangs(
    context: AskingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.driver.hangs = True
    monkeypatch.setattr(observations_module, "LONGEST_READING", 0.05)

    async def read(_: Tx, observations: Observations) -> int:
        return len(observations.traffic_of("one"))

    with pytest.raises(Unavailable, match="not read within"):
        await read_observed(cast("RequestContext", context), context.begin, read)
