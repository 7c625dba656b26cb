"""Adding security groups to an instance's ports, and taking them away: at once, by name."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import WRITE
from pileus.api.call import Call, Here
from pileus.api.guarding import tell_ports
from pileus.api.wire.compute.instance_requests import ChangeSecurityGroups
from pileus.domain.errors import not_found
from pileus.domain.network.security_groups import guarded, the_one, unguarded
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports, security_groups

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@post(f"{ONE}/addsecuritygroup", opt=WRITE, status_code=204, tags=["Instances"])
async def add_security_group(call: Here, instance_id: FromPath[str], data: JSONBody[ChangeSecurityGroups]) -> None:
    """Let security groups guard an instance: one for all its ports by `name`, or some for single ports.

    A group that guards a port already stays. A port whose port security is disabled takes none: it is left out where
    all are meant, and a conflict where it is named.
    """
    asked = data.by_port()

    async def write(tx: Tx) -> str:
        instance = await instances.get(tx, call.place, instance_id)
        await instances.touch(tx, instance.unlocked().guardable())
        for port, name in guarded(await ports.of_instance(tx, instance_id), asked):
            group = the_one(name, await security_groups.named(tx, call.place, name))
            await security_groups.guard(tx, port.id, [group.id])
        return await _record(tx, call, "attach", instance_id, data)

    await call.ended(await call.db.write(write))


@post(f"{ONE}/delsecuritygroup", opt=WRITE, status_code=204, tags=["Instances"])
async def remove_security_group(call: Here, instance_id: FromPath[str], data: JSONBody[ChangeSecurityGroups]) -> None:
    """Take security groups from an instance: one from all its ports by `name`, or some from single ports.

    A group that does not guard a port is no error; one that does not exist is.
    """
    asked = data.by_port()

    async def write(tx: Tx) -> str:
        instance = await instances.get(tx, call.place, instance_id)
        await instances.touch(tx, instance.unlocked())
        for port, name in unguarded(await ports.of_instance(tx, instance_id), asked):
            groups = await security_groups.named(tx, call.place, name)
            if not groups:
                raise not_found("Security group", name)
            await security_groups.unguard(tx, port.id, [group.id for group in groups])
        return await _record(tx, call, "detach", instance_id, data)

    await call.ended(await call.db.write(write))


async def _record(tx: Tx, call: Call, action: str, instance_id: str, data: ChangeSecurityGroups) -> str:
    """Write a line of the audit log, and the task that tells the instance's interfaces; the task's id."""
    changes = [{"port_id": port_id, "security_group_names": list(names)} for port_id, names in data.by_port()]
    await call.record(tx, "instance", action, instance_id, data={"ports_security_group_names": changes})
    return await tell_ports(tx, call, [port.id for port in await ports.of_instance(tx, instance_id)])


ROUTES = [add_security_group, remove_security_group]
