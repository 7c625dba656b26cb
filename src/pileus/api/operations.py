"""The operations of the API by id, method and path, as the OpenAPI document names them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

CONTROL_PREFIX = "/_pileus/"
PARAMETER = "{"
"""How the part of a template begins that stands for any text."""
PROJECT = "{project_id}"
ALL_PARTS = "**"


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """An operation, with one of its paths: `template` has the names of parameters in braces."""

    operation_id: str
    method: str
    template: str
    handler: HTTPRouteHandler = field(compare=False)

    def project_id_in(self, path: str) -> int | None:
        """Return the project in a path of the operation, or None."""
        for name, part in zip(split_path(self.template), split_path(path), strict=True):
            if name == PROJECT and part.isdecimal():
                return int(part)
        return None


@dataclass(slots=True)
class _Node:
    literals: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    operations: dict[str, ApiOperation] = field(default_factory=dict)

    def add_child(self, part: str) -> "_Node":
        if not part.startswith(PARAMETER):
            return self.literals.setdefault(part, _Node())
        if self.parameter is None:
            self.parameter = _Node()
        return self.parameter


class OperationIndex:
    """Finds operations. Those of the server itself, such as its control and its health checks, are not among them."""

    def __init__(self, operations: Iterable[ApiOperation] = ()) -> None:
        self.operations = tuple(operations)
        self._root = _Node()
        for operation in self.operations:
            node = self._root
            for part in split_path(operation.template):
                node = node.add_child(part)
            node.operations[operation.method] = operation

    def find(self, method: str, path: str) -> ApiOperation | None:
        """Return the operation of a request, or None."""
        node: _Node | None = self._root
        for part in split_path(path):
            node = node and (node.literals.get(part) or node.parameter)
        return None if node is None else node.operations.get("GET" if method == "HEAD" else method)

    def select(self, operation_id: str | None, method: str | None, path: str | None) -> frozenset[ApiOperation]:
        """Return the operations to which all given conditions can apply; `*` in an id stands for any text."""
        return frozenset(
            operation
            for operation in self.operations
            if (operation_id is None or fnmatchcase(operation.operation_id, operation_id))
            and method in (None, operation.method)
            and (path is None or can_match(path, operation.template))
        )

    @property
    def ids(self) -> set[str]:
        """The ids of all operations."""
        return {operation.operation_id for operation in self.operations}

    @property
    def paths(self) -> set[str]:
        """The paths of all operations."""
        return {operation.template for operation in self.operations}


def list_operations_of(app: Litestar) -> Iterator[ApiOperation]:
    """Yield the operations of the public API that an application offers."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and not route.path_format.startswith(CONTROL_PREFIX):
            yield from _operations_of_route(route)


def _operations_of_route(route: HTTPRoute) -> Iterator[ApiOperation]:
    for handler in route.route_handlers:
        if handler.resolve_include_in_schema():
            yield from (
                ApiOperation(handler.handler_name, str(method), route.path_format, handler)
                for method in sorted(handler.http_methods)
            )


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
