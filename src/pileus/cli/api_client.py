"""HTTP client of the API. Each error becomes one line with the next step."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any

import click
import httpx

from pileus.cli.clouds import NOT_PILEUS_HINT, URL
from pileus.cli.commands import CommandError, UsageError
from pileus.cli.connections import CloudConnection
from pileus.cli.field_errors import describe_field_errors

TIMEOUT = 60.0
"""Seconds to wait for an answer."""
UNAUTHORIZED = httpx.codes.UNAUTHORIZED


class ApiError(CommandError):
    """The server has refused a request."""

    def __init__(self, message: str, response: httpx.Response) -> None:
        super().__init__(message)
        self.response = response


class ApiClient:
    """A server and a key. Paths may contain {project_id} and {region_id}."""

    def __init__(self, connection: CloudConnection, *, timeout: float = TIMEOUT) -> None:
        self.connection = connection
        self._timeout = timeout
        self._http: httpx.Client | None = None

    def call(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """Send a request and return the body of the response: from JSON, as text if it is another, or None.

        Raises ApiError, another CommandError or UsageError.
        """
        response = self.send(method, path, params=query, json=body)
        self.check_success(response)
        if not response.content:
            return None
        return self._read_json(response) if "json" in response.headers.get("content-type", "") else response.text

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the response, whatever its status; `options` are those of httpx.

        Raises CommandError or UsageError.
        """
        with self._one_line_errors():
            return self._open().request(method, self._address(path), **_without_none(options))

    def download(self, path: str, file: IO[bytes], **options: Any) -> httpx.Response:
        """Write the body of a successful response to a file, and return the response.

        Raises CommandError or UsageError.
        """
        with self._one_line_errors(), self._open().stream("GET", self._address(path), **options) as response:
            if response.is_success:
                for chunk in response.iter_raw():
                    file.write(chunk)
            else:
                response.read()
        return response

    def check_success(self, response: httpx.Response) -> None:
        """Raise ApiError if the server has refused a request."""
        if not response.is_success:
            is_plain = response.status_code != UNAUTHORIZED and _message(response)
            prefix = "" if is_plain else f"{self.connection.url}: "
            raise ApiError(f"{prefix}{self.error_text(response)}", response)

    def error_text(self, response: httpx.Response) -> str:
        """Return the message of an error response, with the fields that are wrong, or what to do about the key."""
        if response.status_code == UNAUTHORIZED:
            return (
                "the key is not accepted: take the one that `pileus serve` printed, or `pileus keys create` one"
                f" (the key is that of {self.connection.key_origin})"
            )
        status = f"{response.status_code} {response.reason_phrase}".strip()
        return _message(response) or f"answered {status}; {NOT_PILEUS_HINT}"

    def list_all(self, path: str, query: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the resources of all pages of a list. Raises CommandError."""
        return self.read_pages("GET", path, query or {}, None)

    def read_pages(self, method: str, path: str, query: Mapping[str, Any], body: Any) -> list[Any]:
        """Return the results of all pages. Raises CommandError."""
        results: list[Any] = []
        while True:
            page = self.call(method, path, query={**query, **({"offset": len(results)} if results else {})}, body=body)
            if not isinstance(page, dict) or not isinstance(page.get("results"), list):
                raise CommandError(f"{self.connection.place} does not answer with a list; {NOT_PILEUS_HINT}")
            results += page["results"]
            if not page["results"] or len(results) >= page.get("count", 0):
                return results

    def close(self) -> None:
        """Close the connection. Commands need not: their context does."""
        if self._http is not None:
            self._http.close()

    def open_stream(self, path: str, **options: Any) -> AbstractContextManager[httpx.Response]:
        """Open a stream; `options` are those of httpx. Raises the errors of httpx: see `describe_error`."""
        return self._open().stream("GET", self._address(path), **options)

    def describe_error(self, error: Exception) -> CommandError:
        """Return an error of httpx in one line, with the next step."""
        url = self.connection.url
        if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
            return UsageError(f"{url} is not an address; one looks like {URL} ({self.connection.url_origin})")
        if isinstance(error, httpx.ConnectError):
            return CommandError(
                f"nothing answers at {self.connection.place}: {error}; start it with `pileus serve`, or name another"
                " by --url or --context"
            )
        text = str(error) or type(error).__name__
        return CommandError(f"{self.connection.place}: the request failed: {text}; see the server's log")

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            raise self.describe_error(error) from None

    def _address(self, path: str) -> str:
        return f"{self.connection.url}{self._fill_place(path)}"

    def _fill_place(self, path: str) -> str:
        place = {"project_id": self.connection.project, "region_id": self.connection.region}
        for name, value in place.items():
            path = path.replace(f"{{{name}}}", str(value))
        return path

    def _open(self) -> httpx.Client:
        if self._http is None:
            headers = {"Authorization": f"APIKey {self.connection.require_key()}"}
            # To load the certificates takes longer than a request, so that is done only for https.
            is_encrypted = self.connection.url.startswith("https:")
            self._http = httpx.Client(headers=headers, timeout=self._timeout, verify=is_encrypted)
            if ctx := click.get_current_context(silent=True):
                ctx.find_root().call_on_close(self._http.close)
        return self._http

    def _read_json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise CommandError(f"{self.connection.place} answered with broken JSON; {NOT_PILEUS_HINT}") from None


def _message(response: httpx.Response) -> str | None:
    """Return the message of an error of the API, or None if the response is not one."""
    try:
        body = response.json()
    except ValueError:
        return None
    fields = body.get("invalid_fields") if isinstance(body, dict) else None
    if isinstance(fields, dict) and fields:
        return describe_field_errors(fields)
    message = body.get("message") if isinstance(body, dict) else None
    return str(message) if message else None


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
