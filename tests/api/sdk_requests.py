"""Every request that the official SDK can send."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

import httpx
from gcore import AsyncGcore, GcoreError
from gcore._resource import AsyncAPIResource

ALTERNATIVE_ARGUMENTS = {"name": "x", "source": "x", "sources": [], "size": 1, "automated": True, "use_next": True}
"""Arguments of methods whose required arguments depend on each other."""


async def list_sdk_requests() -> set[tuple[str, str]]:
    """Call every method of every resource, and return the methods and paths of the requests that they sent."""
    sent: set[tuple[str, str]] = set()

    async def record(request: httpx.Request) -> httpx.Response:
        sent.add((request.method, request.url.path))
        return httpx.Response(418, json={})

    async with AsyncGcore(
        api_key="1_none",
        base_url="http://pileus.test",
        cloud_project_id=1,
        cloud_region_id=1,
        max_retries=0,
        http_client=httpx.AsyncClient(transport=httpx.MockTransport(record)),
    ) as client:
        for method in _methods(client):
            await _call(method, {})
            await _call(method, ALTERNATIVE_ARGUMENTS)
    return sent


def _methods(owner: Any) -> Iterator[Callable[..., Any]]:
    """Yield the methods of a client's resources, at any depth."""
    for name in dir(type(owner)):
        attribute = inspect.getattr_static(type(owner), name)
        if name.startswith(("_", "with_")):
            continue
        if isinstance(attribute, cached_property) and isinstance(child := getattr(owner, name), AsyncAPIResource):
            yield from _methods(child)
        elif inspect.isfunction(attribute) and isinstance(owner, AsyncAPIResource):
            yield getattr(owner, name)


async def _call(method: Callable[..., Any], more: dict[str, Any]) -> None:
    """Call a method with made-up values for its required arguments, and with `more` as far as it takes them."""
    parameters = inspect.signature(method).parameters
    arguments = {name: value for name, value in more.items() if name in parameters}
    for name, parameter in parameters.items():
        is_named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if parameter.default is parameter.empty and is_named:
            arguments[name] = 1 if "int" in str(parameter.annotation) else "x"
    # The made-up answer is an error, and so are missing alternative arguments.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning), suppress(GcoreError, TypeError):
        result = method(**arguments)
        if inspect.isawaitable(result):
            await result
