"""The metadata service at 169.254.169.254, in the formats of EC2 and OpenStack.

Each interface has a socket of its own, so that no machine can ask for another's metadata.
"""

import asyncio
import json
from collections.abc import Callable
from urllib.parse import quote, unquote

import h11

from pileus.drivers.qemu.fabric.state import GuestMetadata

REQUEST_TIMEOUT, REQUEST_LIMIT = 10.0, 16384
"""Seconds for a request, and bytes of it."""
MetadataSource = Callable[[], tuple[GuestMetadata, str, str] | None]
"""Returns the guest that asks, and the first IP address and the hardware address of its interface."""


class MetadataService:
    """The service at one interface."""

    def __init__(self, source: MetadataSource) -> None:
        self._source = source
        self._server: asyncio.Server | None = None

    async def listen(self, path: str) -> None:
        """Listen on a Unix socket."""
        self._server = await asyncio.start_unix_server(self._serve, path, limit=REQUEST_LIMIT)

    def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await self._answer_request(reader, writer)
        except (TimeoutError, OSError, h11.RemoteProtocolError):
            return
        finally:
            writer.close()

    async def _answer_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close the connection."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_LIMIT)
        while isinstance(event := connection.next_event(), type) or not isinstance(event, h11.Request):
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(REQUEST_LIMIT))
            elif isinstance(event, h11.ConnectionClosed):
                return
        status, body = self._response(event)
        headers = [("Content-Length", str(len(body))), ("Content-Type", "text/plain"), ("Connection", "close")]
        writer.write(connection.send(h11.Response(status_code=status, headers=headers)) or b"")
        if event.method != b"HEAD":
            writer.write(connection.send(h11.Data(data=body)) or b"")
        await writer.drain()

    def _response(self, request: h11.Request) -> tuple[int, bytes]:
        if request.method not in (b"GET", b"HEAD"):
            return 405, b"Only GET and HEAD\n"
        source = self._source()
        path = unquote(request.target.decode("ascii", "replace").partition("?")[0])
        text = None if source is None else metadata_content_by_path(*source).get(path.rstrip("/"))
        return (404, b"Not found\n") if text is None else (200, text.encode())


def metadata_content_by_path(guest: GuestMetadata, address: str, mac_address: str) -> dict[str, str]:
    """Return all that a guest can ask for, by path."""
    items = {
        "instance-id": guest.machine_id,
        "hostname": guest.host_name,
        "local-hostname": guest.host_name,
        "local-ipv4": address,
        "mac": mac_address,
    }
    keys = {"public-keys": "0=key", "public-keys/0": "openssh-key", "public-keys/0/openssh-key": guest.ssh_public_key}
    tags = {"tags": "instance/", "tags/instance": "\n".join(map(quote, guest.tags))}
    names = [*items, *(["public-keys/"] if guest.ssh_public_key else []), "tags/"]
    ec2 = items | tags | {f"tags/instance/{key}": value for key, value in guest.tags.items()}
    ec2 |= {name: text for name, text in keys.items() if guest.ssh_public_key and text}
    paths = {f"/latest/meta-data/{name}": text for name, text in ec2.items()}
    return paths | _version_paths(guest) | {"/latest/meta-data": "\n".join(names)}


def _version_paths(guest: GuestMetadata) -> dict[str, str]:
    """Return the versions, the user data and the document of OpenStack."""
    document = {
        "uuid": guest.machine_id,
        "name": guest.name,
        "hostname": guest.host_name,
        "meta": guest.tags,
        "public_keys": {"key": guest.ssh_public_key} if guest.ssh_public_key else {},
    }
    user_data = {f"/{where}": guest.user_data for where in ("latest/user-data", "openstack/latest/user_data")}
    return {
        "": "latest\nopenstack",
        "/latest": "meta-data/\nuser-data",
        "/openstack": "latest",
        "/openstack/latest": "meta_data.json\nuser_data",
        "/openstack/latest/meta_data.json": json.dumps(document),
        **({path: text for path, text in user_data.items() if text is not None}),
    }
