"""Changes of one load balancer. Octavia makes one at a time, in the background, and refuses others meanwhile."""

from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.drivers.openstack.cloud import CONFLICT, NOT_FOUND, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.waits import LOOK_AGAIN_SECONDS, Waits
from pileus.drivers.protocols.errors import DriverError, NotYetDone

SERVICE = "load-balancer"
ROOT = "/lbaas"
BALANCERS = f"{ROOT}/loadbalancers"
DELETED = "DELETED"
LEAVING = frozenset({DELETED, "PENDING_DELETE"})
AT_REST = frozenset({ProvisioningStatus.ACTIVE, ProvisioningStatus.ERROR})


class OctaviaChanges:
    """Sends changes of a load balancer, and waits for each."""

    def __init__(self, cloud: OpenstackCloud, waits: Waits, engine_id: str) -> None:
        self._cloud, self._waits, self.engine_id = cloud, waits, engine_id

    async def create(self, path: str, key: str, order: Json) -> Json:
        """Create a part. What has no value is left out."""
        body = {key: {name: value for name, value in order.items() if value is not None}}
        part: Json = (await self._change("POST", path, body))[key]
        return part

    async def update(self, path: str, key: str, changes: object) -> None:
        """Change a part."""
        await self._change("PUT", path, {key: changes})

    async def delete(self, path: str) -> None:
        """Delete a part that may be gone."""
        try:
            await self._change("DELETE", path, None)
        except OpenstackError as error:
            if error.status_code != NOT_FOUND:
                raise

    async def start_failover(self) -> None:
        """Let Octavia replace the machines of the load balancer, in the background."""
        await self._send("PUT", f"{BALANCERS}/{self.engine_id}/failover", None)

    async def delete_everything(self) -> None:
        """Delete the load balancer with its parts, and wait until it is gone. It may be gone already, or be deleted."""
        balancer = await self._waits.wait_until(self._find, _is_settled, f"a change of {self.engine_id}")
        if balancer is not None and _is_at_rest(balancer):
            await self._delete_with_parts()
        await self._waits.wait_until(self._find, _is_gone, f"the deletion of {self.engine_id}")

    async def wait_until_at_rest(self) -> Json:
        """Wait until nothing is being changed, and return the load balancer."""
        reading: Json = await self._waits.wait_until(self._read, _is_at_rest, f"a change of {self.engine_id}")
        return reading

    async def wait_until_active(self) -> Json:
        """Wait until the last change is made. Raises DriverError if Octavia has failed to make it."""
        balancer = await self.wait_until_at_rest()
        if balancer["provisioning_status"] == ProvisioningStatus.ERROR:
            raise DriverError(f"Octavia has failed to change the load balancer {self.engine_id}", retryable=True)
        return balancer

    async def _delete_with_parts(self) -> None:
        params = {"cascade": "true"}
        try:
            await self._cloud.request(SERVICE, "DELETE", f"{BALANCERS}/{self.engine_id}", params=params)
        except OpenstackError as error:
            if error.status_code != NOT_FOUND:
                raise

    async def _change(self, method: str, path: str, body: Json | None) -> Json:
        answer = await self._send(method, f"{ROOT}{path}", body)
        await self.wait_until_active()
        return answer

    async def _send(self, method: str, path: str, body: Json | None) -> Json:
        """Send a change. One that another change delays is sent again, but for creations.

        The other change can be the same creation, whose answer was lost: it takes a look to know.
        """
        arguments = {} if body is None else {"json": body}
        try:
            return await self._cloud.request(SERVICE, method, path, **arguments)
        except OpenstackError as error:
            if error.status_code != CONFLICT or _is_at_rest(await self._read()):
                raise
        await self.wait_until_at_rest()
        if method == "POST":
            raise NotYetDone(LOOK_AGAIN_SECONDS)
        return await self._cloud.request(SERVICE, method, path, **arguments)

    async def _read(self) -> Json:
        if (balancer := await self._find()) is None:
            raise DriverError(f"Octavia has no load balancer {self.engine_id} any more", retryable=True)
        return balancer

    async def _find(self) -> Json | None:
        answer = await self._cloud.find(SERVICE, f"{BALANCERS}/{self.engine_id}")
        return answer and answer["loadbalancer"]


def is_leaving(balancer: Json) -> bool:
    """Return whether a load balancer is being deleted, or just was."""
    return balancer["provisioning_status"] in LEAVING


def _is_gone(balancer: Json | None) -> bool:
    return balancer is None or balancer["provisioning_status"] == DELETED


def _is_at_rest(balancer: Json) -> bool:
    return balancer["provisioning_status"] in AT_REST


def _is_settled(balancer: Json | None) -> bool:
    """Return whether a load balancer can be deleted, is being deleted, or is gone."""
    return balancer is None or is_leaving(balancer) or _is_at_rest(balancer)
