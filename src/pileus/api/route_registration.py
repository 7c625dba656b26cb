"""Register all routes at once.

For each value that is registered, the framework looks at all routes that it has, and prepares the handlers of the same
path again. With hundreds of routes that takes most of the start of a server.
"""

from collections.abc import Iterable
from copy import copy
from typing import Any

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types.internal_types import RouteHandlerMapItem


class RouteCollection(Router):
    """A router of handlers that knows their paths from the start."""

    def __init__(self, handlers: Iterable[HTTPRouteHandler]) -> None:
        super().__init__("/", route_handlers=[])
        self._handlers_by_path: dict[str, RouteHandlerMapItem] = {}
        for handler in handlers:
            own = copy(handler)
            own.owner = self
            for path in own.paths:
                self._handlers_by_path.setdefault(path, {}).update(dict.fromkeys(own.http_methods, own))

    @property
    def route_handler_method_map(self) -> dict[str, RouteHandlerMapItem]:
        """The handlers by path and method."""
        return self._handlers_by_path

    def __deepcopy__(self, _: dict[int, Any]) -> "RouteCollection":
        """Return the collection itself: each application has its own."""
        return self


class Application(Litestar):
    """The framework without plugins for libraries that no route uses: importing them takes time and memory."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]
