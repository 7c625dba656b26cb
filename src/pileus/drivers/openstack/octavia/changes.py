"""Changes of one load balancer. Octavia makes one at a time, in the background, and refuses others meanwhile."""

from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.drivers.openstack.cloud import CONFLICT, NOT_FOUND, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError

SERVICE = "load-balancer"
ROOT = "/lbaas"
BALANCERS = f"{ROOT}/loadbalancers"
DELETED = "DELETED"
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
        """Delete a part."""
        await self._change("DELETE", path, None)

    async def fail_over(self) -> None:
        """Replace the machines of the load balancer."""
        await self._send("PUT", f"{BALANCERS}/{self.engine_id}/failover", None)
        await self.wait_until_active()

    async def delete_everything(self) -> None:
        """Delete the load balancer with its parts, and wait until it is gone."""
        path = f"{BALANCERS}/{self.engine_id}"
        await self.wait_until_at_rest()
        try:
            await self._cloud.request(SERVICE, "DELETE", path, params={"cascade": "true"})
        except OpenstackError as error:
            if error.status_code != NOT_FOUND:
                raise
        await self._waits.wait_until(self._find, _is_gone, f"the deletion of {self.engine_id}")

    async def wait_until_at_rest(self) -> Json:
        """Wait until nothing is being changed, and return the load balancer."""
        reading: Json = await self._waits.wait_until(self._read, _is_at_rest, f"a change of {self.engine_id}")
        return reading

    async def wait_until_active(self) -> None:
        """Wait until the last change is made. Raises DriverError if Octavia has failed to make it."""
        if (await self.wait_until_at_rest())["provisioning_status"] == ProvisioningStatus.ERROR:
            raise DriverError(f"Octavia has failed to change the load balancer {self.engine_id}", retryable=True)

    async def _change(self, method: str, path: str, body: Json | None) -> Json:
        answer = await self._send(method, f"{ROOT}{path}", body)
        await self.wait_until_active()
        return answer

    async def _send(self, method: str, path: str, body: Json | None) -> Json:
        """Send a change; one that another change delays is sent again."""
        arguments = {} if body is None else {"json": body}
        try:
            return await self._cloud.request(SERVICE, method, path, **arguments)
        except OpenstackError as error:
            if error.status_code != CONFLICT or _is_at_rest(await self._read()):
                raise
        await self.wait_until_at_rest()
        return await self._cloud.request(SERVICE, method, path, **arguments)

    async def _read(self) -> Json:
        balancer: Json = (await self._cloud.get(SERVICE, f"{BALANCERS}/{self.engine_id}"))["loadbalancer"]
        return balancer

    async def _find(self) -> Json | None:
        return await self._cloud.find(SERVICE, f"{BALANCERS}/{self.engine_id}")


def _is_gone(answer: Json | None) -> bool:
    return answer is None or answer["loadbalancer"]["provisioning_status"] == DELETED


def _is_at_rest(balancer: Json) -> bool:
    return balancer["provisioning_status"] in AT_REST
