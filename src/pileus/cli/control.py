"""Client of the control endpoint of a server with the simulated driver."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import quote

import httpx

from pileus.cli.api_client import ApiClient
from pileus.cli.commands import CommandError
from pileus.cli.connections import CloudConnection
from pileus.cli.names import id_from_name
from pileus.cli.resource_kinds import RESOURCE_KINDS

CONTROL = "/_pileus"
ALWAYS_ON = ("/tenants", "/foreign_resources", "/adoptions")
"""The parts of the endpoint that do not need the simulated driver."""
OPERATOR_KEY = "an operator's (`pileus operators create NAME`)"
FILE_TIMEOUT = httpx.Timeout(30, read=600)
"""A large state takes long to be saved or loaded before the answer comes."""
KEY_NOT_ALLOWED = (
    "this key may not do that: use an administrator's (`pileus keys create NAME --role Administrators`)"
    f" or {OPERATOR_KEY}"
)
ADMINISTRATOR_NOT_ALLOWED = f"this key may not do that: use {OPERATOR_KEY}"
ROLE_NOT_ALLOWED = "The role "
"""How the server's answer to a key without the necessary role begins."""
CONTROL_OFF = (
    "the control endpoint is off: it is there only where the simulated driver runs (`pileus serve --driver simulated`)"
)


class RequestRefusedError(CommandError):
    """The server has refused a request; `reason` is its own text."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.reason = reason


def quote_path_segment(name: str | None) -> str:
    """Quote a name as one segment of a URL path."""
    return quote(name or "", safe="")


class ControlClient:
    """The control endpoint of a server. Each error becomes one line with the next step."""

    def __init__(self, connection: CloudConnection, client_id: int | None = None, *, timeout: float = 30) -> None:
        self.connection = connection
        self._api = ApiClient(connection, timeout=timeout)
        self._parameters = None if client_id is None else {"client_id": client_id}

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
    ) -> Any:
        """Send a request and return the body of the response. Raises CommandError or UsageError."""
        response = self._send(method, path, body, parameters)
        self._check(response, path)
        return response.json() if response.content else None

    def find_instance_id(self, id_or_name: str) -> str:
        """Return the id of an instance or a bare metal server of the project. Raises UsageError."""
        query = {"include_baremetal": "true"}
        return str(id_from_name(self._api, RESOURCE_KINDS["instances"], id_or_name, query))

    def download(self, path: str, file: IO[bytes]) -> None:
        """Write the body of a response to a file. Raises CommandError or UsageError."""
        response = self._api.download(f"{CONTROL}{path}", file, timeout=FILE_TIMEOUT)
        self._check(response, path)

    def upload(self, path: str, file: IO[bytes]) -> None:
        """Send a file as the body of a request. Raises CommandError or UsageError."""
        self._check(self._api.send("PUT", f"{CONTROL}{path}", content=file, timeout=FILE_TIMEOUT), path)

    def find_time(self) -> datetime:
        """Return the time of the cloud: the real time, unless its clock has been changed."""
        response = self._send("GET", "/clock", None)
        return datetime.fromisoformat(response.json()["time"]) if response.is_success else datetime.now(UTC)

    def _check(self, response: httpx.Response, path: str) -> None:
        if not response.is_success:
            raise RequestRefusedError(self.connection.url, self._error_text(response, path))

    @contextmanager
    def open_stream(
        self, path: str, parameters: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        """Open a stream of events. Raises CommandError if the server refuses it, and httpx.TransportError."""
        with self._api.open_stream(f"{CONTROL}{path}", params=parameters, headers=headers, timeout=30) as response:
            if not response.is_success:
                response.read()
            self._check(response, path)
            yield response

    def connection_error(self, error: httpx.TransportError) -> CommandError:
        """Return the error for a server that could not be reached, or not with this address."""
        return self._api.describe_error(error)

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, parameters: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        query = {**(self._parameters or {}), **(parameters or {})}
        return self._api.send(method, f"{CONTROL}{path}", params=query or None, json=body)

    def _error_text(self, response: httpx.Response, path: str) -> str:
        if response.status_code == httpx.codes.FORBIDDEN:
            text = self._api.error_text(response)
            if text.startswith(f"{ROLE_NOT_ALLOWED}Administrators "):
                return ADMINISTRATOR_NOT_ALLOWED
            return KEY_NOT_ALLOWED if text.startswith(ROLE_NOT_ALLOWED) else text
        is_missing = response.status_code == httpx.codes.NOT_FOUND
        if is_missing and not path.startswith(ALWAYS_ON) and not self._is_on():
            return CONTROL_OFF
        return self._api.error_text(response)

    def _is_on(self) -> bool:
        return self._send("GET", "/operations", None).status_code != httpx.codes.NOT_FOUND
