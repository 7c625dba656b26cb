"""The machines of the simulated cloud."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from pileus.domain.compute.instances import Status
from pileus.domain.simulated_cloud import (
    SimulatedMachine,
    SimulatedMachineState,
    SimulatedNetworkPart,
    SimulatedVolume,
)
from pileus.drivers.protocols.compute import MachineSpec, ObservedMachine
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.records import Records
from pileus.drivers.simulated.networks import PartKind
from pileus.drivers.simulated.state import SimulationState

PAGE_SIZE = 500
"""Machines that one statement reads."""
CHANGES = "machine_changes"
"""The counter of the changes that no task has made."""


class SimulatedMachines(SimulationState):
    """Fulfils the Protocols of `drivers/protocols/compute.py` but those of hosts and health."""

    async def ensure_running_machine(self, machine: MachineSpec) -> None:
        """Run a machine; a new one takes longer than a stopped one."""
        new, state = _new_machine(machine), None

        async def plan(records: Records) -> str | None:
            nonlocal state
            state = await records.find(SimulatedMachineState, id=machine.id)
            if state is None:
                return "create"
            return None if state.status == Status.ACTIVE else "start"

        async def run(records: Records) -> None:
            if state is None:
                await records.save(new)
            else:
                await _save_running(records, machine)

        await self._change(plan, run, new=new)

    async def ensure_started_machine(self, machine: MachineSpec) -> None:
        """Run a machine that exists."""

        async def plan(records: Records) -> str | None:
            return None if (await require_machine(records, machine.id)).status == Status.ACTIVE else "start"

        await self._change(plan, lambda records: _save_running(records, machine))

    async def ensure_stopped_machine(self, machine_id: str) -> None:
        """Stop a machine."""
        await self._set_status(machine_id, Status.SHUTOFF, "stop")

    async def ensure_suspended_machine(self, machine_id: str) -> None:
        """Suspend a machine."""
        await self._set_status(machine_id, Status.SUSPENDED, "suspend")

    async def ensure_restarted_machine(self, machine: MachineSpec, request_id: str, *, hard: bool) -> None:
        """Restart a machine once for each request; a hard restart takes as long as a start."""

        async def plan(records: Records) -> str | None:
            existing = await records.find(SimulatedMachine, id=machine.id)
            if existing and existing.restarted_for == request_id:
                return None
            return "start" if hard else "restart"

        await self._change(plan, lambda records: _save_running(records, machine, restarted_for=request_id))

    async def ensure_rebuilt_machine(self, machine: MachineSpec, request_id: str) -> None:
        """Rebuild a machine once for each request."""

        async def plan(records: Records) -> str | None:
            existing = await require_machine(records, machine.id)
            return None if existing.restarted_for == request_id else "create"

        await self._change(
            plan, lambda records: _save_machine(records, machine, status=Status.ACTIVE.value, restarted_for=request_id)
        )

    async def ensure_machine_size(self, machine: MachineSpec) -> None:
        """Change a machine's size."""
        await self._change_spec(machine, "flavor_id", "resize")

    async def ensure_machine_host(self, machine: MachineSpec) -> None:
        """Move a machine to the host that it names."""
        await self._change_spec(machine, "host", "migrate")

    async def ensure_no_machine(self, machine_id: str) -> None:
        """Delete a machine, and detach its volumes and interfaces."""

        async def plan(records: Records) -> str | None:
            return "delete" if await records.find(SimulatedMachineState, id=machine_id) else None

        async def delete(records: Records) -> None:
            await records.update(SimulatedVolume, {"machine_id": None}, machine_id=machine_id)
            await records.remove(SimulatedNetworkPart, kind=PartKind.NIC.value, parent_id=machine_id)
            await records.remove(SimulatedMachine, id=machine_id)

        await self._change(plan, delete)

    async def observe(self) -> AsyncIterator[ObservedMachine]:
        """Iterate over the states of all machines, page by page."""
        last_id = ""
        while True:
            async with self._record_store.scan() as records:
                states = await records.list_page(SimulatedMachineState, "id", last_id, PAGE_SIZE)
            for state in states:
                yield _observed_machine(state)
            if len(states) < PAGE_SIZE:
                return
            last_id = states[-1].id

    async def observe_machines(self, machine_ids: Sequence[str]) -> Sequence[ObservedMachine]:
        """Return the states of some machines."""
        async with self._record_store.read() as records:
            return [_observed_machine(state) for state in await records.find_all(SimulatedMachineState, id=machine_ids)]

    async def list_changed_machines(self, after: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return number and machine of the changes that no task has made."""
        async with self._record_store.read() as records:
            states = await records.list_page(SimulatedMachineState, "change_number", after, limit)
        return [(state.change_number or 0, state.id) for state in states]

    async def set_machine_state(self, machine_id: str, status: str, vm_state: str | None = None) -> None:
        """Put a machine into a state, as if it had changed by itself. Raises DriverError if there is none."""

        async def save(records: Records) -> None:
            await require_machine(records, machine_id)
            number = await records.increment(CHANGES)
            await records.update(
                SimulatedMachine, {"status": status, "vm_state": vm_state, "change_number": number}, id=machine_id
            )

        await self._record_store.write(save)

    async def get_machine(self, machine_id: str) -> MachineSpec:
        """Return a machine. Raises DriverError if there is none."""
        async with self._record_store.read() as records:
            machine = await require_machine(records, machine_id)
        return msgspec.json.decode(machine.spec, type=MachineSpec)

    async def _set_status(self, machine_id: str, status: Status, change: str) -> None:
        async def plan(records: Records) -> str | None:
            return None if (await require_machine(records, machine_id)).status == status else change

        await self._change(plan, lambda records: _update_machine(records, machine_id, status=status.value))

    async def _change_spec(self, machine: MachineSpec, field: str, change: str) -> None:
        """Save a machine whose field has changed; it stays running or stopped."""

        async def plan(records: Records) -> str | None:
            existing = await require_machine(records, machine.id)
            spec = msgspec.json.decode(existing.spec, type=MachineSpec)
            return None if getattr(spec, field) == getattr(machine, field) else change

        await self._change(plan, lambda records: _save_machine(records, machine))


async def require_machine(records: Records, machine_id: str) -> SimulatedMachine:
    """Return a machine. Raises DriverError if there is none."""
    machine = await records.find(SimulatedMachine, id=machine_id)
    if machine is None:
        raise DriverError(f"Machine {machine_id} does not exist", retryable=False)
    return machine


def _observed_machine(state: SimulatedMachineState) -> ObservedMachine:
    return ObservedMachine(machine_id=state.id, status=state.status, vm_state=state.vm_state)


async def _save_running(records: Records, machine: MachineSpec, **changes: Any) -> None:
    await _detach_all_except_named(records, machine)
    await _save_machine(records, machine, status=Status.ACTIVE.value, **changes)


async def _detach_all_except_named(records: Records, machine: MachineSpec) -> None:
    """Detach the volumes and interfaces that a machine does not name."""
    volume_ids, port_ids = {disk.id for disk in machine.disks}, {nic.port_id for nic in machine.nics}
    for volume in await records.find_all(SimulatedVolume, machine_id=machine.id):
        if volume.id not in volume_ids:
            await records.update(SimulatedVolume, {"machine_id": None}, id=volume.id)
    for nic in await records.find_all(SimulatedNetworkPart, kind=PartKind.NIC.value, parent_id=machine.id):
        if nic.id not in port_ids:
            await records.remove(SimulatedNetworkPart, kind=PartKind.NIC.value, id=nic.id)


async def _save_machine(records: Records, machine: MachineSpec, **changes: Any) -> None:
    """Update a machine, or create it running."""
    if not await _update_machine(records, machine.id, spec=_encode_spec(machine), **changes):
        await records.save(msgspec.structs.replace(_new_machine(machine), **changes))


def _new_machine(machine: MachineSpec) -> SimulatedMachine:
    """Return a machine that runs, without volumes and interfaces."""
    return SimulatedMachine(id=machine.id, status=Status.ACTIVE.value, spec=_encode_spec(machine))


def _encode_spec(machine: MachineSpec) -> str:
    return msgspec.json.encode(msgspec.structs.replace(machine, boot=type(machine.boot)())).decode()


async def _update_machine(records: Records, machine_id: str, **changes: Any) -> int:
    """Change a machine by a task, which also updates its instance."""
    return await records.update(SimulatedMachine, {"vm_state": None, "change_number": None, **changes}, id=machine_id)
