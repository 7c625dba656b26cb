"""The operations of an application: which one a request calls, and what the API reference calls it.

The dispatcher and the faults of HTTP find the operation of a request in one `OperationIndex`. Requests that go through
the framework find their handler by its own router, which `tests/api/test_dispatcher.py` compares.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types.internal_types import PathParameterDefinition

CONTROL_PREFIX = "/_pileus/"
PARAMETER = "{"
"""How the part of a template begins that stands for any text."""
PROJECT = "{project_id}"
ALL_PARTS = "**"
KEPT = "find_kept"
"""The key in the `opt` of a handler whose answers are kept in memory: see `immediate_answers.py`."""


@dataclass(frozen=True, slots=True, eq=False)
class ApiOperation:
    """A handler, with one of its methods and paths: `template` has the names of parameters in braces.

    `operation_id` is empty if the API reference does not have it.
    """

    operation_id: str
    method: str
    template: str
    handler: HTTPRouteHandler
    path_components: Sequence[str | PathParameterDefinition]

    @property
    def is_public(self) -> bool:
        """Whether it belongs to the public API, not to the server itself as its control and its health checks do."""
        return bool(self.operation_id) and not self.template.startswith(CONTROL_PREFIX)

    @property
    def keeps_answers(self) -> bool:
        """Whether answers are kept in memory."""
        return KEPT in self.handler.opt

    def project_id_in(self, path: str) -> int | None:
        """Return the project in a path of the operation, or None."""
        for name, part in zip(split_path(self.template), split_path(path), strict=True):
            if name == PROJECT and part.isdecimal():
                return int(part)
        return None


@dataclass(slots=True)
class _Node:
    """A part of the paths of all routes, also of those without operations: they hide parameters in the same place."""

    literals: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    operations: dict[str, ApiOperation] = field(default_factory=dict)

    def add_child(self, part: object) -> "_Node":
        if isinstance(part, str):
            return self.literals.setdefault(part, _Node())
        if self.parameter is None:
            self.parameter = _Node()
        return self.parameter


class OperationIndex:
    """Finds the operations of an application by method and path, and those of the public API by patterns."""

    def __init__(self, app: Litestar | None = None) -> None:
        self.operations: list[ApiOperation] = []
        self._root = _Node()
        for route in app.routes if app else ():
            node = self._root
            for part in route.path_components:
                node = node.add_child(part)
            if isinstance(route, HTTPRoute):
                operations = {operation.method: operation for operation in _operations_of_route(route)}
                node.operations |= operations
                self.operations += operations.values()
        self.public = [operation for operation in self.operations if operation.is_public]

    def find(self, method: str, parts: Sequence[str]) -> ApiOperation | None:
        """Return the operation at a path, given by its parts, or None. An empty part matches nothing."""
        node = self._root
        for part in parts:
            child = node.literals.get(part) or (node.parameter if part else None)
            if child is None:
                return None
            node = child
        return node.operations.get(method)

    def find_public(self, method: str, path: str) -> ApiOperation | None:
        """Return the operation of the public API that a request calls, as the framework reads its path, or None."""
        operation = self.find("GET" if method == "HEAD" else method, split_path(path))
        return operation if operation and operation.is_public else None

    def select(self, operation_id: str | None, method: str | None, path: str | None) -> frozenset[ApiOperation]:
        """Return the public operations to which all given conditions can apply; `*` in an id stands for any text."""
        return frozenset(
            operation
            for operation in self.public
            if (operation_id is None or fnmatchcase(operation.operation_id, operation_id))
            and method in (None, operation.method)
            and (path is None or can_match(path, operation.template))
        )

    @property
    def ids(self) -> set[str]:
        """The ids of all operations of the API reference."""
        return {operation.operation_id for operation in self.operations if operation.operation_id}

    @property
    def public_ids(self) -> set[str]:
        """The ids of the operations of the public API."""
        return {operation.operation_id for operation in self.public}

    @property
    def public_paths(self) -> set[str]:
        """The paths of the operations of the public API."""
        return {operation.template for operation in self.public}


def operation_id_of(handler: HTTPRouteHandler) -> str:
    """Return the id of an operation in the API reference, or an empty text if it is not there."""
    if not handler.resolve_include_in_schema():
        return ""
    return handler.operation_id if isinstance(handler.operation_id, str) else handler.handler_name


def _operations_of_route(route: HTTPRoute) -> Iterator[ApiOperation]:
    for handler in route.route_handlers:
        operation_id = operation_id_of(handler)
        for method in sorted(handler.http_methods):
            yield ApiOperation(operation_id, str(method), route.path_format, handler, route.path_components)


def split_path(path: str) -> list[str]:
    """Return the parts of a path; slashes at its end and double ones count for nothing, as for the router."""
    return [part for part in path.split("/") if part]


def can_match(pattern: str, path: str) -> bool:
    """Return whether the pattern of a path matches a path, or a path of a template.

    In a part of the pattern, `*` stands for any text, and so does a part in braces. `**` at the end stands for all
    further parts.
    """
    pattern_parts, parts = split_path(pattern), split_path(path)
    if pattern_parts[-1:] == [ALL_PARTS]:
        pattern_parts.pop()
        parts = parts[: len(pattern_parts)]
    return len(pattern_parts) == len(parts) and all(
        pattern_part.startswith(PARAMETER) or part.startswith(PARAMETER) or fnmatchcase(part, pattern_part)
        for pattern_part, part in zip(pattern_parts, parts, strict=True)
    )
