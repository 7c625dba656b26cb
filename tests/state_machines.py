"""What the state machines of the resources of a tenant share: they send requests in random order to one server."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, run_state_machine_as_test

from tests.builders import a_network
from tests.networks import a_router
from tests.sync_app import SyncApp

# An index into the existing resources, modulo their number.
WHICH = st.integers(0, 5)
REFUSED = (400, 404, 409)


class TenantMachine(RuleBasedStateMachine):
    """Changes the resources of one new tenant, who has a private network with an external gateway."""

    def __init__(self, world: SyncApp) -> None:
        super().__init__()
        self.world, self.tenant = world, world.tenant()

    @initialize()
    def create_a_network(self) -> None:
        """Create a private network with an external gateway."""

        async def make() -> None:
            self.network, (self.subnet,) = await a_network(self.tenant)
            await a_router(self.tenant, self.subnet)

        self.world.run(make())

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
        """Send a request and wait for its task; return None if it is rejected."""

        async def do() -> dict[str, Any] | None:
            answer = await self.tenant.api.request(method, path, json=body)
            if answer.status_code in REFUSED:
                return None
            return await self.tenant.wait_until_finished(answer)

        result: dict[str, Any] | None = self.world.run(do())
        return result

    def read_rows(self, statement: str, **values: Any) -> list[Any]:
        """Return the rows of a statement."""

        async def read() -> list[Any]:
            async with self.tenant.running.app_state.db.read() as tx:
                return list(await tx.all(statement, **values))

        result: list[Any] = self.world.run(read())
        return result


def one_of(resources: dict[str, Any], which: int) -> str | None:
    """Return one of the ids, or None if there are none."""
    return list(resources)[which % len(resources)] if resources else None


def run_machine(make_machine: Callable[[], RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run a state machine, with a new tenant for each example."""
    run_state_machine_as_test(
        make_machine,  # type: ignore[arg-type]  # a factory is accepted too
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
