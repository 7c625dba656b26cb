"""Giving an instance one more interface, and taking one away."""

from typing import Any

from litestar import post
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.auth import WRITE
from pileus.api.call import Call, Here
from pileus.api.plugging import Plugged, Plugging, plug
from pileus.api.validation import converted
from pileus.api.wire.ddos_profiles import NewProfile
from pileus.api.wire.interfaces import AttachInterface, DetachInterface, inferred
from pileus.api.wire.tasks import TaskIds
from pileus.domain import limits, protection
from pileus.domain.ddos_profiles import DdosProfile
from pileus.domain.errors import Conflict, invalid
from pileus.domain.instances import Instance
from pileus.domain.orders import InterfaceType, basket
from pileus.domain.ports import chosen
from pileus.store import counters, ddos_profiles, floating_ips, instances, networks, ports, usage
from pileus.store.database import Tx

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@post(f"{ONE}/attach_interface", opt=WRITE, status_code=200, tags=["Instances"])
async def attach_interface(call: Here, instance_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> TaskIds:
    """Give an instance an interface: `external` (a public address), `subnet`, `any_subnet` or `reserved_fixed_ip`.

    `type` may be left out: `subnet_id`, `network_id` or `port_id` tells it. Without security groups the project's
    default one guards the port. A public address can be given protection against DDoS at once. The instance must be
    active, shut off or paused. When the task fails neither port nor address is left; a reserved one stays yours.
    """
    body: Any = converted(inferred(data), AttachInterface)
    task_id = call.cloud.new_id()

    async def write(tx: Tx) -> None:
        before = await instances.get(tx, call.place, instance_id)
        await instances.save(tx, before, before.plugging(task_id))
        order = before.attachable(body.ordered())
        await _afford(tx, call, order)
        plugged = await plug(tx, await _plugging(call, before, task_id), order, order.security_group_ids, await _position(tx, before))
        profiles = await _protected(tx, call, plugged, body.ddos_profile, task_id) if body.ddos_profile else []
        ...


ROUTES = [attach_interface]
