"""Screens and serial logs of servers."""

from pileus.drivers.openstack.cloud import OpenstackCloud
from pileus.drivers.openstack.servers import OpenstackServers
from pileus.drivers.protocols.consoles import ConsoleAddress
from pileus.drivers.protocols.errors import DriverError

PROTOCOLS = {"novnc": "vnc", "spice-html5": "spice", "serial": "serial"}
"""The types of consoles, with the protocol of each."""
DEFAULT_TYPE = "novnc"


class NovaConsoles:
    """Opens the screens of servers. OpenStack's own proxy shows them."""

    def __init__(self, cloud: OpenstackCloud, servers: OpenstackServers) -> None:
        self._cloud, self._servers = cloud, servers

    async def open_console(self, machine_id: str, console_type: str | None) -> ConsoleAddress:
        """Return the address of a page with the screen. Raises DriverError."""
        type_ = {None: DEFAULT_TYPE, "vnc": DEFAULT_TYPE}.get(console_type, console_type or "")
        if type_ not in PROTOCOLS:
            raise DriverError(f"Unknown console type {console_type}: use {', '.join(PROTOCOLS)}", retryable=False)
        server = await self._servers.require(machine_id)
        # OpenStack gives an address for a stopped server too.
        if server["status"] != "ACTIVE":
            raise DriverError(f"Machine {machine_id} has no console while it is not running", retryable=True)
        order = {"remote_console": {"protocol": PROTOCOLS[type_], "type": type_}}
        answer = await self._cloud.post("compute", f"/servers/{server['id']}/remote-consoles", order)
        console = answer["remote_console"]
        return ConsoleAddress(url=console["url"], type=console["type"], protocol=console["protocol"])

    async def read_serial_log_end(self, machine_id: str, max_bytes: int) -> bytes:
        """Return the end of a server's serial output. Raises DriverError if there is no machine."""
        server = await self._servers.require(machine_id)
        answer = await self._cloud.post("compute", f"/servers/{server['id']}/action", {"os-getConsoleOutput": {}})
        output: str = answer.get("output") or ""
        return output.encode()[-max_bytes:] if max_bytes else b""
