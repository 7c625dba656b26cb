"""Talks to the control endpoint of a server with the simulated driver."""

from typing import Any
from urllib.parse import quote

import httpx

from pileus.cli.clouds import KEY_REFUSED, NO_PILEUS, URL, check_key, nothing_answers
from pileus.cli.formatting import Failure, Mistake

CONTROL = "/_pileus"
OFF = (
    "the control endpoint is off: it is there only where the simulated driver runs (`pileus serve --driver simulated`)"
)


def quoted(name: str | None) -> str:
    """A name as one part of a path, whatever is in it."""
    return quote(name or "", safe="")


class Control:
    """The control endpoint at an address; every failure is a line that says what to do next."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        self._key = key

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one request, and return what its answer holds."""
        answer = self._send(method, path, body)
        if answer.is_success:
            return answer.json() if answer.content else None
        raise Failure(f"{self.url}: {self._why(answer)}")

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        headers = {"Authorization": f"APIKey {check_key(self._key)}"}
        try:
            return httpx.request(method, f"{self.url}{CONTROL}{path}", json=body, headers=headers, timeout=30)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Mistake(f"{self.url} is not an address; one looks like {URL}") from None
        except httpx.ConnectError:
            raise Failure(nothing_answers(self.url)) from None
        except httpx.HTTPError as failure:
            raise Failure(f"{self.url}: the request failed: {failure}; the server's log may tell more") from None

    def _why(self, answer: httpx.Response) -> str:
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return KEY_REFUSED
        if answer.status_code == httpx.codes.FORBIDDEN:
            return "this key may not do that: use an administrator's (`pileus keys create NAME --role Administrators`)"
        if answer.status_code == httpx.codes.NOT_FOUND and not self._is_on():
            return OFF
        return _message(answer)

    def _is_on(self) -> bool:
        return self._send("GET", "/operations", None).status_code != httpx.codes.NOT_FOUND


def _message(answer: httpx.Response) -> str:
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        return f"answered {answer.status_code} {answer.reason_phrase}; {NO_PILEUS}"
    return str(message)
