"""Requests to the services of one OpenStack cloud, in a thread pool of their own, as openstacksdk blocks."""

import asyncio
import copy
import math
import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ClientException, EndpointNotFound
from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion
from openstack.exceptions import ConfigException, SDKException
from requests import RequestException

from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable

Json = dict[str, Any]
MICROVERSIONS = {"compute": "2.79", "block-storage": "3.50"}
"""Versions that clouds since 2019 have: tags at creation, and volumes that grow in use."""
VERSIONS = {
    "compute": "2",
    "block-storage": "3",
    "image": "2",
    "network": "2",
    "placement": "1",
    "identity": "3",
    "load-balancer": "2",
}
SERVICE_CHECKS = {
    "identity": "/auth/projects",
    "image": "/images?limit=1",
    "network": "/networks?limit=1&fields=id",
    "compute": "/limits",
    "block-storage": "/limits",
}
"""What each service is asked to see whether it answers."""
UNREACHABLE = frozenset({502, 503, 504})
MAYBE_OUTAGE = frozenset({400, 401, 403, 500})
"""What a service says when it needs another one that does not answer."""
RETRYABLE = frozenset({401, 408, 409, 425, 429, 500})
BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, NOT_IMPLEMENTED = 400, 403, 404, 409, 501
POLICY = "is disallowed by policy"
"""What the network service says to what the caller has no right to.

It says so to administrators too while it starts: the first requests come before their roles are known.
"""
STARTING_SECONDS = 120.0
"""For so long after an outage a service is taken to be starting."""
HELD_VOLUME = re.compile(r"to reserve, but the current status is (attaching|reserved|in-use)\b")
"""What the compute service says, with 400, to a request for a volume that another request holds or has attached.

That may be an earlier request for the same server, whose answer was lost: its server is listed a little later.
"""
OVER_QUOTA = "OverQuota"
"""The type of the network service's refusals for its quota, which it calls conflicts."""
ERRORS = 400
LONGEST_MESSAGE = 300


class OpenstackError(DriverError):
    """OpenStack has refused a request with this status code."""

    def __init__(self, message: str, status_code: int, *, is_over_quota: bool = False) -> None:
        self.is_policy = status_code == FORBIDDEN and POLICY in message
        is_held = status_code == BAD_REQUEST and HELD_VOLUME.search(message) is not None
        is_temporary = status_code in RETRYABLE or self.is_policy or is_held
        super().__init__(message, retryable=is_temporary and not is_over_quota)
        self.status_code, self.is_over_quota = status_code, is_over_quota


class OpenstackCloud:
    """A connection, made by the first request. Every request has a time-out."""

    def __init__(self, settings: OpenstackSettings) -> None:
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="openstack")
        self._lock = threading.Lock()
        self._adapters: dict[str, Adapter] = {}
        self._outages: dict[str, float] = {}
        """When services have not answered last, by the clock of the process."""
        self.settings = settings
        self._cloud_region = load_cloud_region(settings)

    @property
    def name(self) -> str:
        """The cloud and its region, for operators."""
        return f"{self._cloud_region.name}/{self.region_name}"

    @property
    def region_name(self) -> str:
        """The region of the cloud; empty if it has only one and clouds.yaml does not name it."""
        return str(self._cloud_region.get_region_name() or "")

    async def get(self, service: str, path: str, **params: str) -> Json:
        """Read a resource or a list. Raises DriverError."""
        return await self.request(service, "GET", path, params=params)

    async def find(self, service: str, path: str, **params: str) -> Json | None:
        """Read a resource, or return None if there is none."""
        try:
            return await self.get(service, path, **params)
        except OpenstackError as error:
            if error.status_code == NOT_FOUND:
                return None
            raise

    async def post(self, service: str, path: str, body: Json) -> Json:
        """Create a resource, or act on one. Raises DriverError."""
        return await self.request(service, "POST", path, json=body)

    async def put(self, service: str, path: str, body: Json | None) -> Json:
        """Change a resource. Raises DriverError."""
        return await self.request(service, "PUT", path, json=body)

    async def delete(self, service: str, path: str) -> bool:
        """Delete a resource, and return whether there was one. Raises DriverError."""
        try:
            await self.request(service, "DELETE", path)
        except OpenstackError as error:
            if error.status_code == NOT_FOUND:
                return False
            raise
        return True

    async def upload(self, service: str, path: str, file: BinaryIO) -> None:
        """Send the content of a file."""
        headers = {"Content-Type": "application/octet-stream"}
        await self.request(service, "PUT", path, data=file, headers=headers)

    async def request(self, service: str, method: str, path: str, **arguments: Any) -> Json:
        """Send a request and return the JSON of its answer. Raises DriverError."""
        send = partial(self._send, service, method, path, arguments)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, send)
        except OpenstackError as error:
            if error.status_code in MAYBE_OUTAGE and not error.is_over_quota:
                await self.require_services()
            raise

    async def require_services(self) -> None:
        """Check that all services answer, as the outage of one fails others. Raises DriverUnreachable."""
        for service, path in SERVICE_CHECKS.items():
            send = partial(self._send, service, "GET", path, {})
            # A refusal is an answer.
            with suppress(OpenstackError):
                await asyncio.get_running_loop().run_in_executor(self._pool, send)

    async def has_role(self, name: str) -> bool:
        """Return whether the credentials have a role in their project. Raises DriverError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(self._has_role, name))

    async def has_service(self, service: str) -> bool:
        """Return whether the cloud has a service. Raises DriverError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(self._has_service, service))

    async def find_project_id(self) -> str:
        """Return the id of the project of the credentials. Raises DriverError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._find_project_id)

    def with_own_threads(self, threads: int) -> "OpenstackCloud":
        """Return the same connection with other threads, so that what hangs there holds up nothing here."""
        other = copy.copy(self)
        other._pool = ThreadPoolExecutor(threads, thread_name_prefix="openstack")  # noqa: SLF001  # its own class
        return other

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for adapter in self._adapters.values():
            adapter.session.session.close()

    def _send(self, service: str, method: str, path: str, arguments: Mapping[str, Any]) -> Json:
        try:
            return self._send_once(service, method, path, arguments)
        except DriverUnreachable:
            self._outages[service] = time.monotonic()
            raise
        except OpenstackError as error:
            if error.is_policy and time.monotonic() - self._outages.get(service, -math.inf) < STARTING_SECONDS:
                raise DriverUnreachable(f"OpenStack does not work yet: {error}") from error
            raise

    def _send_once(self, service: str, method: str, path: str, arguments: Mapping[str, Any]) -> Json:
        try:
            response = self._adapter(service).request(
                path, method, raise_exc=False, microversion=MICROVERSIONS.get(service), **arguments
            )
        except (ClientException, SDKException, RequestException) as problem:
            raise _unreachable(problem) from problem
        if response.status_code in UNREACHABLE:
            raise DriverUnreachable(f"OpenStack does not work: {_message_of(response)}")
        if response.status_code >= ERRORS:
            is_over_quota = _details_of(response).get("type") == OVER_QUOTA
            raise OpenstackError(
                f"OpenStack: {_message_of(response)}", response.status_code, is_over_quota=is_over_quota
            )
        return _json_of(response)

    def _has_role(self, name: str) -> bool:
        return name in self._access().role_names

    def _has_service(self, service: str) -> bool:
        try:
            return self._adapter(service).get_endpoint_data() is not None
        except EndpointNotFound:
            return False
        except (ClientException, SDKException, RequestException) as problem:
            raise _unreachable(problem) from problem

    def _find_project_id(self) -> str:
        return str(self._access().project_id)

    def _access(self) -> Any:
        """Return what the token says about the credentials."""
        try:
            session: Any = self._adapter("identity").session
            return session.auth.get_access(session)
        except (ClientException, SDKException, RequestException) as problem:
            raise _unreachable(problem) from problem

    def _adapter(self, service: str) -> Adapter:
        with self._lock:
            if service not in self._adapters:
                self._adapters[service] = _make_adapter(self._cloud_region, service)
            return self._adapters[service]


def load_cloud_region(settings: OpenstackSettings) -> CloudRegion:
    """Read clouds.yaml, without a request. Raises OSError if it does not describe the cloud."""
    files = [settings.config] if settings.config else None
    if settings.config and not Path(settings.config).is_file():
        raise OSError(f"--openstack-config: there is no file {settings.config}")
    try:
        config = OpenStackConfig(config_files=files)
        region: dict[str, Any] = {"region_name": settings.region} if settings.region else {}
        cloud_region = config.get_one(settings.cloud, **region)
    except ConfigException as problem:
        raise OSError(f"The cloud {settings.cloud} cannot be used: {problem}") from problem
    # A time-out in clouds.yaml wins.
    cloud_region.config["api_timeout"] = cloud_region.config.get("api_timeout") or settings.request_timeout
    return cloud_region


def _make_adapter(cloud_region: CloudRegion, service: str) -> Adapter:
    """Return what sends requests to a service. openstacksdk's own clients do much more for each."""
    version = VERSIONS[service]
    return Adapter(
        cloud_region.get_session(),
        service_type=service,
        interface=cloud_region.get_interface(service),
        region_name=cloud_region.get_region_name(service),
        endpoint_override=cloud_region.get_endpoint(service),
        min_version=version,
        max_version=f"{version}.latest",
    )


def _unreachable(problem: Exception) -> DriverUnreachable:
    reason = " ".join(str(problem).split())[:LONGEST_MESSAGE]
    return DriverUnreachable(f"OpenStack cannot be reached: {reason}")


def _json_of(response: Any) -> Json:
    content_type = response.headers.get("Content-Type", "")
    body: Any = response.json() if response.content and "json" in content_type else {}
    return body if isinstance(body, dict) else {}


def _details_of(response: Any) -> Json:
    """Return what a refusal says: each service wraps it in an object of another name."""
    body = _json_of(response)
    details: Json = next((value for value in body.values() if isinstance(value, dict)), body)
    return details


def _message_of(response: Any) -> str:
    details = _details_of(response)
    message = details.get("message") or details.get("faultstring") or response.reason or response.status_code
    return " ".join(str(message).split())[:LONGEST_MESSAGE]
