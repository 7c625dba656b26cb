"""Routes are registered without preparing their handlers, and answer as those of the framework."""

import httpx
import pytest
from litestar import Litestar, get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types.empty import Empty

from pileus.api.route_registration import (
    Application,
    DeferredRoute,
    RouteCollection,
    list_deferred_handlers,
    prepare_handler,
)
from pileus.app import make_app
from pileus.settings import Settings


@get("/things/{number:int}", opt={"access": "open"})
async def show_thing(number: FromPath[int]) -> dict[str, int]:
    """Return a thing."""
    return {"number": number}


def is_prepared(handler: HTTPRouteHandler) -> bool:
    return handler._parsed_fn_signature is not Empty  # noqa: SLF001  # the framework has no other sign


def allowed_methods(answer: httpx.Response) -> list[str]:
    return sorted(answer.headers["allow"].split(", "))


def test_no_handler_is_prepared_at_the_start() -> None:
    handlers = list(list_deferred_handlers(make_app(Settings())))

    assert len(handlers) > 700
    assert [handler for handler in handlers if is_prepared(handler)] == []


def test_every_handler_can_be_prepared() -> None:
    app = make_app(Settings())

    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, DeferredRoute) else ():
            prepare_handler(handler)
            handler.create_kwargs_model(path_parameters=route.path_parameters)
            assert is_prepared(handler)


async def test_a_handler_is_prepared_by_its_first_request() -> None:
    app = Application([RouteCollection([show_thing], path="/all")])
    handler, options = list_deferred_handlers(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:  # type: ignore[arg-type]  # two types of ASGI
        answers = [await client.get("/all/things/7") for _ in range(2)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"number": 7})] * 2
    assert handler.opt["access"] == "open"
    assert (is_prepared(handler), is_prepared(options)) == (True, False)


async def test_options_and_wrong_methods_are_answered_as_by_the_framework() -> None:
    answers = []
    for app in (Application([RouteCollection([show_thing])]), Litestar([show_thing])):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:  # type: ignore[arg-type]  # two types of ASGI
            answers.append([await client.request(method, "/things/7") for method in ("OPTIONS", "POST")])

    ours, theirs = ([(answer.status_code, allowed_methods(answer)) for answer in part] for part in answers)
    assert ours == theirs == [(204, ["GET", "OPTIONS"]), (405, ["GET", "OPTIONS"])]


def test_two_handlers_share_no_method_of_a_path() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"Two handlers answer GET /things/\{number:int\}"):
        Application([RouteCollection([show_thing, show_thing])])


def test_two_collections_share_no_path() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"Two collections have routes at /things/\{number:int\}"):
        Application([RouteCollection([show_thing]), RouteCollection([show_thing])])


async def test_rendering_the_document_changes_no_handler_that_answers_requests() -> None:
    app = make_app(Settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:  # type: ignore[arg-type]  # two types of ASGI
        answer = await client.get("/schema/openapi.json")

    assert "/cloud/v1/projects" in answer.json()["paths"]
    assert [handler for handler in list_deferred_handlers(app) if is_prepared(handler)] == []
