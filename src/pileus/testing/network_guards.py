"""Refuse requests to the public cloud: a test that lacks an address must not change it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import httpx

PUBLIC_CLOUD_DOMAINS = ("gcore.com", "gcore.lu", "gcorelabs.com")


class PublicCloudRefused(Exception):
    """A test was about to send a request to the public cloud; the message says what to do."""


def check_host(host: Any) -> None:
    """Check that a host does not belong to the public cloud. Raises PublicCloudRefused."""
    name = (host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)).rstrip(".").lower()
    if any(name == domain or name.endswith(f".{domain}") for domain in PUBLIC_CLOUD_DOMAINS):
        raise PublicCloudRefused(
            f"A request to {name} was refused: while a test cloud runs, nothing reaches the public cloud. Give the "
            "client the address of the test cloud, or let it read the variables that the test cloud sets."
        )


class PublicCloudGuard:
    """Refuses requests of this process while at least one context of `refuse` is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_contexts = 0
        self._patches = (
            # Name resolution covers most clients. Event loops such as uvloop resolve names by themselves.
            _patch_with_check(socket, "getaddrinfo", lambda host, *_arguments, **_options: host),
            _patch_with_check(httpx.HTTPTransport, "handle_request", lambda _self, request: request.url.host),
            _patch_with_check(
                httpx.AsyncHTTPTransport, "handle_async_request", lambda _self, request: request.url.host
            ),
        )

    @contextmanager
    def refuse(self) -> Iterator[None]:
        """Refuse requests to the public cloud. They raise PublicCloudRefused."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, contexts: int) -> None:
        with self._lock:
            before, self._open_contexts = self._open_contexts, self._open_contexts + contexts
            for patched in self._patches:
                if not before:
                    patched.start()
                elif not self._open_contexts:
                    patched.stop()


def _patch_with_check(owner: Any, name: str, host_of: Any) -> Any:
    original = getattr(owner, name)

    def call_checked(*arguments: Any, **options: Any) -> Any:
        check_host(host_of(*arguments, **options))
        return original(*arguments, **options)

    return patch.object(owner, name, call_checked)


GUARD = PublicCloudGuard()
