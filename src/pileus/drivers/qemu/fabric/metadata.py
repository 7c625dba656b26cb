"""The metadata service at 169.254.169.254, in the formats of EC2 and OpenStack.

Each interface has a socket of its own, so that no machine can ask for another's metadata.
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import h11
from msgspec import Struct

from pileus.drivers.qemu.fabric.state import GuestMetadata

REQUEST_TIMEOUT, REQUEST_LIMIT = 10.0, 16384
"""Seconds for a request, and bytes of it."""
EC2_VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
    "2009-04-04",
)  # fmt: skip
OPENSTACK_VERSIONS = (
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
    "2020-10-14",
)  # fmt: skip
"""The versions that are listed. Any date is answered: a later version only adds to an earlier one."""
VERSION = re.compile(r"(?<=/)(?:1\.0|\d{4}-\d{2}-\d{2})(?=/|$)")
USER_DATA_PATHS = ("/latest/user-data", "/openstack/latest/user_data")
AVAILABILITY_ZONE = "nova"
"""The zone that OpenStack has by default; the API has no zones."""


class RequestingGuest(Struct, frozen=True, kw_only=True):
    """The guest that asks, by the interface with these addresses; `network_data` describes all its interfaces."""

    metadata: GuestMetadata
    mac_address: str
    local_address: str | None
    public_address: str | None
    network_data: dict[str, Any]

    @property
    def user_data(self) -> bytes | None:
        """The tenant's user data, as bytes."""
        text = self.metadata.user_data
        return self.metadata.binary_user_data or (text.encode() if text else None)


MetadataSource = Callable[[], RequestingGuest | None]


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
        status, content = self._response(event)
        body = content.encode() if isinstance(content, str) else content
        media_type = "text/plain" if isinstance(content, str) else "application/octet-stream"
        headers = [("Content-Length", str(len(body))), ("Content-Type", media_type), ("Connection", "close")]
        writer.write(connection.send(h11.Response(status_code=status, headers=headers)) or b"")
        if event.method != b"HEAD":
            writer.write(connection.send(h11.Data(data=body)) or b"")
        await writer.drain()

    def _response(self, request: h11.Request) -> tuple[int, str | bytes]:
        if request.method not in (b"GET", b"HEAD"):
            return 405, "Only GET and HEAD\n"
        guest = self._source()
        path = unquote(request.target.decode("ascii", "replace").partition("?")[0])
        content = None if guest is None else find_metadata(guest, path)
        return (404, "Not found\n") if content is None else (200, content)


def find_metadata(guest: RequestingGuest, path: str) -> str | bytes | None:
    """Return what a guest is answered at a path of any version; None if there is nothing."""
    return _metadata_by_path(guest).get(_latest_path(path.rstrip("/")))


def _latest_path(path: str) -> str:
    """Replace the version at the beginning of a path by `latest`."""
    start = len("/openstack") if path.startswith("/openstack/") else 0
    version = VERSION.match(path, start + 1)
    return f"{path[:start]}/latest{path[version.end() :]}" if version else path


def _metadata_by_path(guest: RequestingGuest) -> dict[str, str | bytes]:
    """Return all that a guest can ask for, by the paths of the version `latest`."""
    return {
        "": "\n".join([*EC2_VERSIONS, "latest", "openstack"]),
        "/latest": "meta-data/\nuser-data" if guest.user_data else "meta-data/",
        "/openstack": "\n".join([*OPENSTACK_VERSIONS, "latest"]),
        **_user_data_by_path(guest.user_data),
        **{f"/latest/meta-data/{name}".rstrip("/"): text for name, text in _ec2_items(guest).items()},
        **_openstack_documents(guest),
    }


def _user_data_by_path(user_data: bytes | None) -> dict[str, str | bytes]:
    return dict.fromkeys(USER_DATA_PATHS, user_data) if user_data else {}


def _ec2_items(guest: RequestingGuest) -> dict[str, str]:
    """Return EC2's metadata by name; the entry without a name lists them."""
    metadata, key = guest.metadata, guest.metadata.ssh_public_key
    items = {
        "hostname": metadata.host_name,
        "instance-id": metadata.machine_id,
        "instance-type": metadata.instance_type,
        "local-hostname": metadata.host_name,
        "local-ipv4": guest.local_address,
        "mac": guest.mac_address,
        "public-ipv4": guest.public_address,
    }
    known = {name: text for name, text in items.items() if text is not None}
    keys = {"public-keys": "0=key", "public-keys/0": "openssh-key", "public-keys/0/openssh-key": key} if key else {}
    names = [*known, "placement/", *(["public-keys/"] if key else []), "tags/"]
    return {
        "": "\n".join(names),
        **known,
        **keys,
        "placement": "availability-zone",
        "placement/availability-zone": AVAILABILITY_ZONE,
        "tags": "instance/",
        "tags/instance": "\n".join(map(quote, metadata.tags)),
        **{f"tags/instance/{name}": text for name, text in metadata.tags.items()},
    }


def _openstack_documents(guest: RequestingGuest) -> dict[str, str]:
    metadata = guest.metadata
    meta_data = {
        "uuid": metadata.machine_id,
        "name": metadata.name,
        "hostname": metadata.host_name,
        "availability_zone": AVAILABILITY_ZONE,
        "launch_index": 0,
        "meta": metadata.tags,
        "public_keys": {"key": metadata.ssh_public_key} if metadata.ssh_public_key else {},
    }
    documents: dict[str, Any] = {
        "meta_data.json": meta_data,
        "network_data.json": guest.network_data,
        "vendor_data.json": {},
        "vendor_data2.json": {},
    }
    names = [*documents, *(["user_data"] if guest.user_data else [])]
    texts = {f"/openstack/latest/{name}": json.dumps(document) for name, document in documents.items()}
    return {"/openstack/latest": "\n".join(names), **texts}
