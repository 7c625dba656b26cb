"""Register all routes at once, and prepare a handler when its first request comes.

For each value that is registered, the framework looks at all routes that it has. It also parses the signature of each
handler, and makes types that read its parameters. With hundreds of routes that takes most of the start of a server, and
much of its memory, although few servers answer requests of all kinds.
"""

from collections.abc import Coroutine, Iterable, Iterator, Sequence
from copy import copy
from typing import Any

from litestar import Litestar, Router
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler, Receive, Send
from litestar.utils import join_paths


class RouteCollection(Router):
    """A router of handlers that knows their paths from the start. Each belongs to one application."""

    def __init__(self, handlers: Iterable[HTTPRouteHandler], *, path: str = "/", tags: Sequence[str] = ()) -> None:
        super().__init__(path, route_handlers=[], tags=tags)
        self.handlers_by_path: dict[str, list[HTTPRouteHandler]] = {}
        for handler in handlers:
            own = copy(handler)
            own.owner = self
            for own_path in own.paths:
                self.handlers_by_path.setdefault(join_paths([path, own_path]), []).append(own)


class DeferredRoute(HTTPRoute):
    """A route whose handlers are prepared one by one, each by its first request."""

    def __init__(self, path: str, handlers: list[HTTPRouteHandler]) -> None:
        super().__init__(path=path, route_handlers=handlers)
        unprepared: Any = None
        for handler in self.route_handlers:
            if twice := self.route_handler_map.keys() & handler.http_methods:
                raise ImproperlyConfiguredException(f"Two handlers answer {', '.join(sorted(twice))} {path}")
            handler.resolve_opts()
            self.route_handler_map |= dict.fromkeys(handler.http_methods, (handler, unprepared))

    def handle(self, scope: Any, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Answer a request."""
        handler, model = self.route_handler_map[scope["method"]]
        if model is None:
            prepare_handler(handler)
            prepared = handler, handler.create_kwargs_model(path_parameters=self.path_parameters)
            self.route_handler_map |= dict.fromkeys(handler.http_methods, prepared)
        return super().handle(scope, receive, send)


class Application(Litestar):
    """The framework without plugins for libraries that no route uses: importing them takes time and memory."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]

    def register(self, value: ControllerRouterHandler) -> None:  # type: ignore[override]  # as the framework's
        """Register a collection of routes without preparing them, and other values as the framework does."""
        if not isinstance(value, RouteCollection):
            super().register(value)
            return
        value.owner = self
        known = {route.path for route in self.routes}
        for path, handlers in value.handlers_by_path.items():
            if path in known:
                raise ImproperlyConfiguredException(f"Two collections have routes at {path}")
            route = DeferredRoute(path, handlers)
            self.routes.append(route)
            for plugin in self.plugins.receive_route:
                plugin.receive_route(route)
        self.asgi_router.construct_routing_trie()


def prepare_handler(handler: HTTPRouteHandler) -> None:
    """Let the framework parse the signature of a handler and resolve its options. Does no harm if repeated."""
    handler.on_registration(handler.app)


def list_deferred_handlers(app: Litestar) -> Iterator[HTTPRouteHandler]:
    """Yield the handlers of an application that may not be prepared yet."""
    for route in app.routes:
        if isinstance(route, DeferredRoute):
            yield from route.route_handlers
